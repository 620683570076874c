//! A key that is stuck holds its own records and no others.

use super::*;

/// The events of this key never end.
const STUCK: u64 = 0;

#[derive(Event, serde::Serialize, serde::Deserialize)]
#[event(topic = "engine_loads", name = "LOADED", key = key)]
struct Loaded {
    key: u64,
    id: u64,
    load: String,
}

/// A fifth of what is published is of that key. All is more than a partition may have in memory.
async fn publish_loads(app: &RunningApp) {
    for id in 0..600 {
        let key = if id % 5 == 0 { STUCK } else { id };
        app.publish(&Loaded { key, id, load: "x".repeat(1024) }).await;
    }
}

/// All that is not of the key.
fn others() -> Vec<u64> {
    (0..600).filter(|id| id % 5 != 0).collect()
}

async fn others_go_on(module: &str) {
    let log = Log::default();
    let app = service(module).state(log.clone()).start().unwrap();
    publish_loads(&app).await;
    tokio::time::sleep(60 * SECOND).await;
    let mut handled = log.ids();
    handled.sort_unstable();
    assert_eq!(handled.len(), others().len(), "all others are handled");
    assert_eq!(handled, others());
}

mod in_flight {
    use super::*;

    #[event_handler(order = key, concurrency = 8)]
    async fn load(event: Event<Loaded>, State(log): State<Log>) {
        if event.key == STUCK {
            std::future::pending::<()>().await;
        }
        log.note(event.id);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_does_not_end_holds_up_its_key_alone() {
        others_go_on(module_path!()).await;
    }
}

mod delayed {
    use super::*;

    #[event_handler(order = key, concurrency = 8)]
    async fn load(event: Event<Loaded>, State(log): State<Log>) -> Result {
        if event.key == STUCK {
            return Err(Error::msg("not now").retry_after(3600 * SECOND));
        }
        log.note(event.id);
        Ok(())
    }

    #[tokio::test(start_paused = true)]
    async fn a_record_that_is_tried_again_later_holds_up_its_key_alone() {
        others_go_on(module_path!()).await;
    }
}
