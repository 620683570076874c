//! Handlers in a crate with strict lints: what the attribute asks for is no reason to complain.

#![deny(warnings, clippy::pedantic, clippy::as_conversions)]

use crate::{ADDED, Seen, app, settled};
use event_core::prelude::*;

#[derive(Events)]
enum Names {
    ClaimAdded,
}

// It waits for nothing and uses up none of its arguments.
#[event_handler(topic = "role_events", event = Names::ClaimAdded)]
async fn only_looks(Json(claim): Json<serde_json::Value>, State(seen): State<Seen>) {
    seen.note(&claim["id"]);
}

#[deprecated = "the next version has another"]
#[event_handler(topic = "role_events", event = "CLAIM_REMOVED", blocking)]
fn deprecated(headers: Headers) -> Result {
    headers.get_text("x").map_or(Ok(()), |text| Err(Error::msg(text)))
}

#[event_handler(topic = "batch_events", event = "CLAIM_COUNTED", retry(on = is_slow))]
async fn counts(claims: Vec<Json<i64>>, State(seen): State<Seen>) -> Vec<Result<(), Slow>> {
    seen.note(claims.len());
    claims.iter().map(|_| Err(Slow::Down)).collect()
}

fn is_slow(error: &Error) -> bool {
    error.as_std().is::<Slow>()
}

#[derive(Debug, thiserror::Error, EventError)]
#[expect(dead_code, reason = "never made")]
enum Slow {
    #[error("down")]
    #[event_error(unavailable)]
    Down,
    #[error("busy")]
    #[event_error(retry_after = "1m")]
    Busy,
    #[deprecated]
    #[error("old")]
    #[event_error(retry_after = "1m")]
    Old,
}

struct Looker;

#[event_handler(topic = "role_events", event = "CLAIM_SEEN")]
impl EventHandler for Looker {
    async fn handle(&self, Json(_): Json<String>) {}
}

#[tokio::test(start_paused = true)]
async fn a_handler_under_strict_lints() {
    let seen = Seen::default();
    settled(app(module_path!(), &seen).state(Looker), "role_events", &[ADDED]).await;
    assert_eq!(seen.all(), ["7"]);
}
