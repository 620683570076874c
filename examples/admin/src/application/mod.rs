//! Which event becomes which entry: one function an event, and nothing else to edit.

mod claims;
mod roles;
mod users;

#[cfg(test)]
mod testing;

#[cfg(test)]
mod tests {
    use event_core::testing::{RunningApp, TestApp};

    use super::testing::log;
    use crate::domain::AuditLog;

    fn start(log: &AuditLog) -> RunningApp {
        TestApp::new("admin")
            .handlers_from("admin::application")
            .state(log.clone())
            .start()
            .unwrap()
    }

    #[tokio::test]
    async fn an_event_that_is_delivered_twice_is_one_entry() {
        let log = log().await;
        let app = start(&log);
        let named = br#"{"eventType":"CLAIM_ADDED","eventId":"e1","data":{"id":7,"roleId":3}}"#;
        for _ in 0..2 {
            app.publish_raw("role_events", None, Some(named)).await;
        }
        app.settle().await;
        assert_eq!(app.history().handled("CLAIM_ADDED").len(), 2);
        let entries = log.added().await.unwrap();
        let [entry] = &entries[..] else { panic!("{entries:?}") };
        assert_eq!(entry.source, "role_events/0@0");
    }

    #[tokio::test]
    async fn different_events_with_one_identity_are_two_entries() {
        let log = log().await;
        let app = start(&log);
        let added = br#"{"eventType":"CLAIM_ADDED","eventId":"e1","data":{"id":7,"roleId":3}}"#;
        let removed = br#"{"eventType":"CLAIM_REMOVED","eventId":"e1","data":{"id":7,"roleId":3}}"#;
        app.publish_raw("role_events", None, Some(added)).await;
        app.publish_raw("role_events", None, Some(removed)).await;
        app.settle().await;
        let entries = log.added().await.unwrap();
        let actions: Vec<_> = entries.iter().map(|entry| entry.action.as_str()).collect();
        assert_eq!(actions, ["CLAIM_ADDED", "CLAIM_REMOVED"]);
    }
}
