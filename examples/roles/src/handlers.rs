//! What the service does with events, its own and those of others.

use contracts::{ClaimAdded, ClaimRemoved};
use event_core::prelude::*;

use crate::claims::Claims;

#[event_handler]
async fn claim_added(event: Event<ClaimAdded>, State(claims): State<Claims>) -> Result {
    claims.add(event.role_id, event.id).await
}

#[event_handler]
async fn claim_removed(event: Event<ClaimRemoved>, State(claims): State<Claims>) -> Result {
    claims.remove(event.role_id, event.id).await
}

#[cfg(test)]
mod tests {
    use event_core::testing::TestApp;

    use super::*;

    #[tokio::test]
    async fn claims_are_attached_once_and_taken_away() {
        let claims = Claims::in_memory().await.unwrap();
        let app = TestApp::new("roles").state(claims.clone()).start().unwrap();
        for _ in 0..2 {
            app.publish(&ClaimAdded { id: 7, role_id: 3 }).await;
        }
        app.publish(&ClaimAdded { id: 8, role_id: 3 }).await;
        app.settle().await;
        assert_eq!(claims.of(3).await.unwrap(), [7, 8]);
        app.publish(&ClaimRemoved { id: 7, role_id: 3 }).await;
        app.settle().await;
        assert_eq!(claims.of(3).await.unwrap(), [8]);
    }
}
