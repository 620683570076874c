//! Which users there are.

use contracts::*;
use event_core::prelude::*;

use crate::domain::AuditLog;

#[event_handler]
async fn created(event: Event<UserCreated>, raw: RawEvent, State(log): State<AuditLog>) -> Result {
    let description = format!("User created with ID: {}", event.id);
    log.append(&event, &raw, "Users", description).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::application::testing::{log, raw};

    #[tokio::test]
    async fn a_new_user_is_an_entry() {
        let log = log().await;
        let event = Event::new(UserCreated { id: 42, user_name: "dise\u{f1}o".into() });
        created(event, raw("user_events", 0), State(log.clone())).await.unwrap();
        let entries = log.added().await.unwrap();
        let [entry] = &entries[..] else { panic!("{entries:?}") };
        assert_eq!(entry.action, "USER_CREATED");
        assert_eq!(entry.description, "User created with ID: 42");
        assert_eq!(entry.entity_name, "Users");
        assert_eq!(entry.new_value, r#"{"id":42,"userName":"diseño"}"#);
        assert_eq!(entry.source, "user_events/0@0");
    }
}
