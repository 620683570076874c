//! Topics that a consumer says are missing.

use std::collections::VecDeque;

use super::*;
use crate::broker::{AssignedPartition, BrokerError, Consumer, ConsumerEvent, Progress};
use crate::delivery::Epoch;
use crate::observe::{Health, Observation, Observer, Observers};
use crate::processor::{
    Clock, Concurrency, Control, EventProcessor, ProcessorError, ServiceIdentity, SiblingGroups,
};
use crate::registry::Registry;
use crate::router::EventRouter;
use crate::state::StateMap;

#[event_handler]
async fn count(_event: Event<Counted>) {}

/// Emits these, and then nothing more.
struct Scripted(VecDeque<ConsumerEvent>);

impl Consumer for Scripted {
    async fn next(&mut self) -> ConsumerEvent {
        match self.0.pop_front() {
            Some(event) => event,
            None => std::future::pending().await,
        }
    }

    fn commit(&mut self, _: &[Progress]) {}

    async fn close(
        self,
        progress: Vec<Progress>,
        _: Duration,
    ) -> Result<Vec<Progress>, BrokerError> {
        Ok(progress)
    }
}

#[derive(Clone, Default)]
struct Errors(Arc<Mutex<Vec<String>>>);

impl Observer for Errors {
    fn observe(&self, observation: &Observation<'_>) {
        match observation {
            Observation::BrokerError(error) => self.0.lock().unwrap().push(error.to_string()),
            Observation::FetchFailed { topic, .. } => {
                self.0.lock().unwrap().push(format!("{topic} is not fetched"));
            }
            _ => {}
        }
    }
}

/// Runs a consumer that says before it joins that `topic` is missing.
async fn run(topic: &str) -> (Result<(), ProcessorError>, Vec<String>) {
    run_script([ConsumerEvent::JoinFailed(BrokerError::UnknownTopic(topic.to_owned()))]).await
}

async fn run_script(
    script: impl IntoIterator<Item = ConsumerEvent>,
) -> (Result<(), ProcessorError>, Vec<String>) {
    let registry = Registry::linked().only_modules(&[module_path!().to_owned()]);
    let errors = Errors::default();
    let policy = DeliveryPolicy::default();
    let processor = EventProcessor {
        router: EventRouter::new(registry.handlers()),
        sibling_groups: SiblingGroups::default(),
        state: Arc::new(StateMap::new()),
        identity: ServiceIdentity {
            name: "engine".into(),
            version: "1".into(),
            group: GroupName::parse("engine").unwrap(),
        },
        producer: MemoryBroker::new().producer().unwrap(),
        observers: Observers::from_iter([Arc::new(errors.clone()) as _]),
        health: Health::default(),
        control: Control::default(),
        clock: Clock::of_tokio(),
        concurrency: Concurrency::of(&policy),
        runtime: tokio::runtime::Handle::current(),
        policy,
    };
    let consumer = Scripted(script.into_iter().collect());
    let ended = processor.run(consumer, tokio::time::sleep(SECOND)).await;
    let errors = errors.0.lock().unwrap().clone();
    (ended, errors)
}

#[tokio::test(start_paused = true)]
async fn a_redrive_topic_that_is_missing_is_waited_for() {
    let (ended, errors) = run("engine_events_redrive").await;
    assert!(ended.is_ok(), "{ended:?}");
    assert!(errors.is_empty(), "{errors:?}");
}

/// The client says so more than once, and of each partition.
#[tokio::test(start_paused = true)]
async fn a_redrive_topic_that_is_deleted_is_told_once_and_one_that_was_never_there_is_not() {
    let topic = TopicName::from_static("engine_events_redrive");
    let gone = || ConsumerEvent::FetchFailed {
        topic: topic.clone(),
        partitions: Vec::new(),
        error: BrokerError::UnknownTopic(topic.to_string()),
    };
    let (ended, errors) = run_script([gone(), gone()]).await;
    assert!(ended.is_ok() && errors.is_empty(), "{ended:?} {errors:?}");
    let assigned = |number| {
        let partition = TopicPartition { topic: topic.clone(), partition: 0 };
        let (next, metadata) = (None, String::new());
        let partitions = vec![AssignedPartition { partition, next, metadata }];
        ConsumerEvent::Assigned { partitions, epoch: Epoch(number) }
    };
    let script = [assigned(1), gone(), gone(), assigned(2), gone()];
    let (ended, errors) = run_script(script).await;
    assert!(ended.is_ok(), "{ended:?}");
    assert_eq!(errors, ["engine_events_redrive is not fetched"; 2]);
}

#[tokio::test(start_paused = true)]
async fn any_other_topic_that_is_missing_ends_the_service_before_it_has_joined() {
    let (ended, _) = run("engine_events").await;
    assert!(
        matches!(ended, Err(ProcessorError::Refused(BrokerError::UnknownTopic(_)))),
        "{ended:?}"
    );
}
