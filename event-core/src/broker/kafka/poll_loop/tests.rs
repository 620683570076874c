use std::sync::mpsc;

use rdkafka::config::FromClientConfigAndContext;
use tokio::sync::mpsc::unbounded_channel;

use super::*;
use crate::broker::kafka::EmbeddedBroker;
use crate::broker::kafka::admin_client::AdminClient;
use crate::broker::kafka::budget::Budget;

/// Fewer log lines than a client writes when it is made.
const BURST: usize = 16;
const TIMEOUT: Duration = Duration::from_secs(10);

/// Waits for a burst of log lines, has them served, and looks that no more than a few came meanwhile.
fn check(len: impl Fn() -> usize, serve: impl FnOnce()) {
    let began = Instant::now();
    while len() < BURST && began.elapsed() < TIMEOUT {
        std::thread::yield_now();
    }
    let burst = len();
    assert!(burst >= BURST, "{burst}");
    serve();
    assert!(len() < BURST / 2, "{} of {burst} wait", len());
}

#[test]
fn a_burst_of_log_lines_is_served_at_once() -> Result<(), BrokerError> {
    let embedded = EmbeddedBroker::start()?;
    let mut settings = embedded.broker().settings;
    settings.properties.push(("debug".to_owned(), "all".into()));

    let admin = AdminClient::new(&settings.client(), settings.clone(), TIMEOUT)?;
    check(|| admin.waiting_events(), || admin.listen());

    let (events, _told) = unbounded_channel();
    let context = GroupContext::new(
        settings.brokers.clone(),
        events,
        mpsc::channel(),
        TIMEOUT,
        Budget::new(1 << 20),
        false,
    );
    let consumer =
        BaseConsumer::from_config_and_context(&settings.consumer("g", "g", None, 1 << 20), context)
            .map_err(|error| errors::of_creation(&error))?;
    let mut poll_loop = PollLoop::new(consumer, settings)?;
    let events = EventQueue::new(&poll_loop.consumer).unwrap();
    check(|| events.len(), || poll_loop.serve_events());
    Ok(())
}

#[test]
fn a_pause_is_looked_at_often_first_and_seldom_when_it_lasts() {
    let wait = |ms| paused_poll(Duration::from_millis(ms)).as_millis();
    assert_eq!([0, 1, 10, 30, 3_600_000].map(wait), [2, 2, 5, 15, 20]);
}
