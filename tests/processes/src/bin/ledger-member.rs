//! A member of the group: it handles in a few milliseconds what it is given, and writes it down.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use event_core::observe::Observer;
use event_core::prelude::*;
use process_tests::events::{Behaviour, LedgerChanged, PaymentMade};
use process_tests::journal::Journal;

/// What both handlers do.
struct Work {
    journal: Arc<Journal>,
    /// How many milliseconds an event takes: from, and how many more at most.
    takes: (u64, u64),
}

impl Work {
    async fn run(
        &self,
        run: u64,
        key: u64,
        sequence: u64,
        behaviour: Behaviour,
        at: Position,
        attempt: u32,
    ) -> Result {
        if !self.journal.is_of(run) {
            return Ok(());
        }
        let begun = self.journal.begin(&at, key, sequence, attempt);
        if behaviour == Behaviour::NeverEnds {
            std::future::pending::<()>().await;
        }
        // Not at random, so that a run can be repeated.
        let (from, more) = self.takes;
        let takes = from + (key * 31 + sequence * 17) % (more + 1);
        tokio::time::sleep(Duration::from_millis(takes)).await;
        if behaviour == Behaviour::FailsOnce && attempt == 1 {
            begun.failed();
            return Err(Error::msg("the first attempt fails"));
        }
        begun.done();
        Ok(())
    }
}

#[event_handler(order = key, concurrency = 8, retry(attempts = 5, backoff = "10ms..50ms"))]
async fn make_payment(
    event: Event<PaymentMade>,
    at: Position,
    attempt: Attempt,
    State(work): State<Arc<Work>>,
) -> Result {
    work.run(event.run, event.account, event.sequence, event.behaviour, at, attempt.number).await
}

#[event_handler(retry(attempts = 5, backoff = "10ms..50ms"))]
async fn change_ledger(
    event: Event<LedgerChanged>,
    at: Position,
    attempt: Attempt,
    State(work): State<Arc<Work>>,
) -> Result {
    work.run(event.run, event.account, event.sequence, event.behaviour, at, attempt.number).await
}

fn variable<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.parse().ok()
}

#[event_core::main]
async fn main() -> Result {
    let variables = (
        variable::<String>("MEMBER_JOURNAL"),
        variable::<String>("MEMBER_NAME"),
        variable("MEMBER_RUN"),
        variable("MEMBER_TAKES_FROM_MS"),
        variable("MEMBER_TAKES_MORE_MS"),
    );
    let (Some(path), Some(name), Some(run), Some(from), Some(more)) = variables else {
        return Err(Error::msg("MEMBER_* is not set: the tests start this binary"));
    };
    let journal = Arc::new(Journal::open(Path::new(&path), name, run));
    let observer: Arc<dyn Observer> = journal.clone();
    EventApp::from_env("ledger")?
        .state(Arc::new(Work { journal, takes: (from, more) }))
        .observer(observer)
        .main()
        .await
}
