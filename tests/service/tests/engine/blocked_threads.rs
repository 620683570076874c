//! Handlers that block every thread of their runtime. The clock is real: what must go on does so on
//! another thread.

use std::thread::JoinHandle;

use event_core::EventProducer;
use event_core::app::{Settings, SettingsOverrides};
use event_core::broker::Broker;
use event_core::broker::memory::MemoryBroker;
use event_core::delivery::{NextOffset, TopicPartition};
use event_core::event::{GroupName, TopicName};
use tokio::sync::oneshot;

use super::*;

const PARTITIONS: u32 = 60;
/// Of the runtime that handlers are on.
const THREADS: usize = 2;
const DRAIN: Duration = Duration::from_secs(1);

mod holds {
    use super::*;

    pub(super) const MODULE: &str = module_path!();

    #[event_handler]
    async fn hold(event: Event<ClaimAdded>, State(log): State<Log>, State(blocks): State<bool>) {
        log.note(event.id);
        if blocks && event.id > 0 {
            loop {
                std::thread::park();
            }
        }
    }
}

/// A member of the group, on a thread and a runtime of its own.
struct Member {
    log: Log,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<Result>,
}

impl Member {
    fn start(broker: &MemoryBroker, blocks: bool) -> Self {
        let log = Log::default();
        let app = EventApp::from_env("admin").unwrap().handlers_from(holds::MODULE);
        let app = app.state(log.clone()).state(blocks);
        let variables = [("EVENT_DRAIN", "1s"), ("EVENT_COMMIT_INTERVAL", "1h")];
        let variables = variables.map(|(name, value)| (name.into(), value.into()));
        let settings = Settings::load("admin", &SettingsOverrides::default(), variables).unwrap();
        let (stop, stopped) = oneshot::channel();
        let running = app.run_on(broker.clone(), settings, async move {
            let _ = stopped.await;
        });
        let run = move || {
            let mut runtime = tokio::runtime::Builder::new_multi_thread();
            let runtime = runtime.worker_threads(THREADS).enable_all().build().unwrap();
            let ended = runtime.block_on(running);
            runtime.shutdown_background();
            ended
        };
        Member { log, stop, ended: std::thread::spawn(run) }
    }

    /// Waits until it has seen what it is asked for.
    async fn sees(&self, what: &str, seen: impl Fn(&[u64]) -> bool) {
        let until = Instant::now() + 20 * SECOND;
        while !seen(&self.log.ids()) {
            assert!(Instant::now() < until, "{what}: {:?}", self.log.ids());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// A broker and a member all of whose threads are blocked; before, it has handled the first record.
async fn blocked() -> (MemoryBroker, Member) {
    let broker = MemoryBroker::new();
    for topic in [CLAIMS, "role_events_dlq"] {
        broker.create_topic(&TopicName::parse(topic).unwrap(), PARTITIONS);
    }
    let member = Member::start(&broker, true);
    let producer = EventProducer::new(broker.producer().unwrap());
    producer.send(&claim(0, 0)).await.unwrap();
    member.sees("the first", |ids| ids == [0]).await;
    for role_id in 0..i64::from(PARTITIONS) {
        producer.send(&claim(1, role_id)).await.unwrap();
    }
    member.sees("each thread is blocked", |ids| ids.len() == 1 + THREADS).await;
    (broker, member)
}

fn committed(broker: &MemoryBroker) -> Vec<NextOffset> {
    let (group, topic) = (GroupName::parse("admin").unwrap(), TopicName::from_static(CLAIMS));
    let partitions = (0..i32::try_from(PARTITIONS).unwrap())
        .map(|partition| TopicPartition { topic: topic.clone(), partition });
    partitions.filter_map(|partition| broker.committed(&group, &partition)).collect()
}

#[tokio::test]
async fn a_shutdown_ends_in_time_and_commits_what_is_settled() {
    let (broker, Member { stop, ended, .. }) = blocked().await;
    let asked = Instant::now();
    stop.send(()).unwrap();
    let until = Instant::now() + 20 * SECOND;
    while !ended.is_finished() {
        assert!(Instant::now() < until, "the service hangs");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let error = ended.join().unwrap().unwrap_err().to_string();
    assert!(error.starts_with("2 partitions still had records in flight after 1s"), "{error}");
    assert_eq!(error.matches("`blocked_threads::holds::hold` has had role_events/").count(), 2);
    // All lanes are cut off together: one after the other they would take 6 s, a tenth each.
    assert!(asked.elapsed() < DRAIN + 4 * SECOND, "{:?}", asked.elapsed());
    assert_eq!(committed(&broker), [NextOffset(1)]);
}

#[tokio::test]
async fn a_rebalance_goes_on() {
    let (broker, _member) = blocked().await;
    let other = Member::start(&broker, false);
    // It gets its partitions when the time to drain them is over.
    other.sees("the other member handles its share", |ids| ids.len() > 10).await;
    other.stop.send(()).unwrap();
    other.ended.join().unwrap().unwrap();
}
