//! An instance of a service whose topics are shared with other instances. It says on standard output
//! which partitions come and go, and when each record is handled.
//!
//! `SHARING_LAYOUT` names the handlers: how many topics, of how many partitions, with or without topics
//! for retries (`two_of_3`, `two_of_3_retried`). A handler takes `SHARING_TAKES_MS`.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use event_core::observe::{Observation, Observer};
use event_core::prelude::*;
use process_tests::journal::now;

#[derive(Clone, Copy)]
struct Takes(Duration);

async fn handle(at: Position, takes: Takes) -> Result {
    report(&format!("began {} {}/{} {}", now(), at.topic, at.partition, at.offset));
    tokio::time::sleep(takes.0).await;
    report(&format!("done {} {}/{} {}", now(), at.topic, at.partition, at.offset));
    Ok(())
}

fn report(line: &str) {
    // Nobody listens any more when the test is over.
    let _ = writeln!(std::io::stdout(), "{line}");
}

macro_rules! layout {
    ($name:ident: $($handler:ident $topic:literal),+) => {
        mod $name {
            use super::*;
            $(
                #[event_handler(topic = $topic, event = *)]
                async fn $handler(_: RawEvent, at: Position, State(takes): State<Takes>) -> Result {
                    handle(at, takes).await
                }
            )+
        }
    };
    ($name:ident retried: $($handler:ident $topic:literal),+) => {
        mod $name {
            use super::*;
            $(
                #[event_handler(topic = $topic, event = *, order = none, retry(topics = ["1m"]))]
                async fn $handler(_: RawEvent, at: Position, State(takes): State<Takes>) -> Result {
                    handle(at, takes).await
                }
            )+
        }
    };
}

layout!(two_of_1: a "one_a", b "one_b");
layout!(one_of_3: a "three_a");
layout!(two_of_3: a "three_a", b "three_b");
layout!(three_of_3: a "three_a", b "three_b", c "three_c");
layout!(one_of_6: a "six_a");
layout!(two_of_6: a "six_a", b "six_b");
layout!(three_of_6: a "six_a", b "six_b", c "six_c");
layout!(one_of_12: a "twelve_a");
layout!(two_of_12: a "twelve_a", b "twelve_b");
layout!(three_of_12: a "twelve_a", b "twelve_b", c "twelve_c");
layout!(one_of_3_retried retried: a "three_ra");
layout!(two_of_3_retried retried: a "three_ra", b "three_rb");
layout!(three_of_3_retried retried: a "three_ra", b "three_rb", c "three_rc");
layout!(one_of_6_retried retried: a "six_ra");
layout!(two_of_6_retried retried: a "six_ra", b "six_rb");
layout!(three_of_6_retried retried: a "six_ra", b "six_rb", c "six_rc");
layout!(one_of_12_retried retried: a "twelve_ra");
layout!(two_of_12_retried retried: a "twelve_ra", b "twelve_rb");
layout!(three_of_12_retried retried: a "twelve_ra", b "twelve_rb", c "twelve_rc");

struct Assignments;

impl Observer for Assignments {
    fn observe(&self, observation: &Observation<'_>) {
        let (what, partitions) = match observation {
            Observation::Assigned { partitions, .. } => ("assigned", partitions),
            Observation::Revoked { partitions, .. } => ("revoked", partitions),
            _ => return,
        };
        let names: Vec<_> = partitions.iter().map(ToString::to_string).collect();
        report(&format!("{what} {}", names.join(" ")));
    }
}

#[event_core::main]
async fn main() -> Result {
    let layout =
        std::env::var("SHARING_LAYOUT").map_err(|_| Error::msg("SHARING_LAYOUT is not set"))?;
    let takes = std::env::var("SHARING_TAKES_MS").ok().and_then(|text| text.parse().ok());
    EventApp::from_env("sharing")?
        .handlers_from(format!("{}::{layout}", module_path!()))
        .state(Takes(Duration::from_millis(takes.unwrap_or(0))))
        .observer(Arc::new(Assignments) as Arc<dyn Observer>)
        .main()
        .await
}
