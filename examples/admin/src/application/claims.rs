//! What happens to the claims of a role.

use contracts::*;
use event_core::prelude::*;

use crate::domain::AuditLog;

#[event_handler]
async fn added(event: Event<ClaimAdded>, raw: RawEvent, State(log): State<AuditLog>) -> Result {
    let description = format!("Claim added with ID: {} to Role ID: {}", event.id, event.role_id);
    log.append(&event, &raw, "Roles", description).await
}

#[event_handler]
async fn removed(event: Event<ClaimRemoved>, raw: RawEvent, State(log): State<AuditLog>) -> Result {
    let ClaimRemoved { id, role_id } = *event;
    let description = format!("Claim removed with ID: {id} from Role ID: {role_id}");
    log.append(&event, &raw, "Roles", description).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::application::testing::{log, raw};

    #[tokio::test]
    async fn an_added_claim_is_an_entry_of_its_role() {
        let log = log().await;
        let event = Event::new(ClaimAdded { id: 7, role_id: 3 }).with_user_id(42);
        added(event, raw("role_events", 15), State(log.clone())).await.unwrap();
        let entries = log.added().await.unwrap();
        let [entry] = &entries[..] else { panic!("{entries:?}") };
        assert_eq!(entry.action, "CLAIM_ADDED");
        assert_eq!(entry.user_id.as_deref(), Some("42"));
        assert_eq!(entry.description, "Claim added with ID: 7 to Role ID: 3");
        assert_eq!(entry.entity_name, "Roles");
        assert_eq!(entry.new_value, r#"{"id":7,"roleId":3}"#);
        assert_eq!(entry.source, "role_events/0@15");
        assert_eq!(entry.event_id, None);
    }

    #[tokio::test]
    async fn a_removed_claim_is_an_entry_of_its_role() {
        let log = log().await;
        let event = Event::new(ClaimRemoved { id: 7, role_id: 3 });
        removed(event, raw("role_events", 16), State(log.clone())).await.unwrap();
        let entries = log.added().await.unwrap();
        let [entry] = &entries[..] else { panic!("{entries:?}") };
        assert_eq!(entry.action, "CLAIM_REMOVED");
        assert_eq!(entry.user_id, None);
        assert_eq!(entry.description, "Claim removed with ID: 7 from Role ID: 3");
        assert_eq!(entry.entity_name, "Roles");
    }
}
