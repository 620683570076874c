//! Which users have which roles.

use contracts::*;
use event_core::prelude::*;

use crate::domain::AuditLog;

#[event_handler]
async fn added(
    event: Event<RoleAddedToUser>,
    raw: RawEvent,
    State(log): State<AuditLog>,
) -> Result {
    let RoleAddedToUser { role_id, user_id } = *event;
    let description = format!("Role added with ID: {role_id} to User ID: {user_id}");
    log.append(&event, &raw, "Users", description).await
}

#[event_handler]
async fn removed(
    event: Event<RoleRemovedFromUser>,
    raw: RawEvent,
    State(log): State<AuditLog>,
) -> Result {
    let RoleRemovedFromUser { role_id, user_id } = *event;
    let description = format!("Role removed with ID: {role_id} from User ID: {user_id}");
    log.append(&event, &raw, "Users", description).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::application::testing::{log, raw};

    #[tokio::test]
    async fn a_role_that_is_given_to_a_user_is_an_entry_of_the_user() {
        let log = log().await;
        let event = Event::new(RoleAddedToUser { role_id: 3, user_id: 42 }).with_user_id("42");
        added(event, raw("role_events", 0), State(log.clone())).await.unwrap();
        let entries = log.added().await.unwrap();
        let [entry] = &entries[..] else { panic!("{entries:?}") };
        assert_eq!(entry.action, "ROLE_ADDED_TO_USER");
        assert_eq!(entry.user_id.as_deref(), Some("42"));
        assert_eq!(entry.description, "Role added with ID: 3 to User ID: 42");
        assert_eq!(entry.entity_name, "Users");
    }

    #[tokio::test]
    async fn a_role_that_is_taken_from_a_user_is_an_entry_of_the_user() {
        let log = log().await;
        let event = Event::new(RoleRemovedFromUser { role_id: 3, user_id: 42 });
        removed(event, raw("role_events", 1), State(log.clone())).await.unwrap();
        let entries = log.added().await.unwrap();
        let [entry] = &entries[..] else { panic!("{entries:?}") };
        assert_eq!(entry.action, "ROLE_REMOVED_FROM_USER");
        assert_eq!(entry.description, "Role removed with ID: 3 from User ID: 42");
        assert_eq!(entry.entity_name, "Users");
    }
}
