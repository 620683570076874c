use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::*;
use crate::broker::kafka::topic_ids::{Changed, Changes};
use crate::event::{GroupName, TopicName};

fn events() -> TopicName {
    TopicName::from_static("events")
}

/// A member that has read a partition up to 7.
fn reading() -> (GroupContext, UnboundedReceiver<ConsumerEvent>, Progress) {
    let (sender, emitted) = unbounded_channel();
    let (budget, second) = (Budget::new(1 << 20), Duration::from_secs(1));
    let context = GroupContext::new("127.0.0.1:1".into(), sender, channel(), second, budget, false);
    context.last_error.set_group(&GroupName::parse("billing").unwrap());
    let partition = TopicPartition { topic: events(), partition: 0 };
    let next = NextOffset(7);
    let epoch = context.change_assignment(|ours| {
        let epoch = ours.add(std::slice::from_ref(&partition));
        ours.advance(&partition, Some(next), None);
        epoch
    });
    (context, emitted, Progress { partition, epoch, next, metadata: String::new() })
}

fn recreated() -> Changes {
    let topic = Changed { topic: events().to_string(), is_known: true };
    Changes { topics: vec![topic], clusters: None }
}

#[test]
fn a_recreated_topic_is_emitted_and_its_beginning_committed() {
    let (context, mut emitted, progress) = reading();
    context.apply(recreated());
    let Ok(ConsumerEvent::OffsetReset(reset)) = emitted.try_recv() else { panic!() };
    assert_eq!((reset.from, reset.to), (NextOffset(7), NextOffset(0)));
    assert!(context.needs_client());
    let mut current = vec![progress];
    context.with_assignment(|ours| ours.current(&mut current));
    assert_eq!(current[0].next, NextOffset(0));
}

#[test]
fn no_position_in_a_cluster_is_committed_in_another() {
    let (context, mut emitted, progress) = reading();
    context.apply(Changes {
        topics: Vec::new(),
        clusters: Some(("blue".to_owned(), "green".to_owned())),
    });
    assert!(emitted.try_recv().is_err());
    assert!(context.needs_client());
    let mut current = vec![progress];
    context.with_assignment(|ours| ours.current(&mut current));
    assert_eq!(current, []);
    assert!(context.with_assignment(|ours| ours.open("events", 0)).is_none());
}

#[cfg(feature = "cli")]
#[cfg(feature = "cli")]
mod at_an_end {
    use super::*;
    use crate::broker::log_capture::logged;

    fn is_logged(logged: &str) {
        assert!(logged.contains("group `billing` is left"), "{logged}");
        assert!(!logged.contains("joined again"), "{logged}");
        assert!(logged.contains("partition=events/0 from=7 to=0 records=7"), "{logged}");
    }

    #[test]
    fn a_reset_is_logged_while_the_member_leaves() {
        let (context, mut emitted, _) = reading();
        context.leave();
        is_logged(&logged(|| context.apply(recreated())));
        assert!(emitted.try_recv().is_err());
    }

    #[test]
    fn a_reset_is_logged_when_nobody_takes_it() {
        let (context, emitted, _) = reading();
        drop(emitted);
        is_logged(&logged(|| context.apply(recreated())));
    }
}

#[test]
fn a_panic_is_reported_and_close_does_not_wait_for_the_thread() {
    let (events, mut emitted) = unbounded_channel();
    let (sender, commands) = channel();
    let ours = sender.clone();
    let budget = Budget::new(1 << 20);
    let context = GroupContext::new(
        "127.0.0.1:1".into(),
        events,
        (sender, commands),
        Duration::from_secs(1),
        budget,
        false,
    );
    context.fail(&"index out of bounds");
    // The context lives until the client is gone, which can take for ever.
    match emitted.try_recv() {
        Ok(ConsumerEvent::Error(error)) => {
            assert!(error.is_fatal());
            assert!(error.to_string().contains("index out of bounds"), "{error}");
        }
        other => panic!("{other:?}"),
    }
    assert!(ours.send(Command::Abandon).is_err());
}

#[test]
fn a_successor_goes_on_with_the_epochs_and_has_joined() {
    let (events, _told) = unbounded_channel();
    let budget = Budget::new(1 << 20);
    let context = GroupContext::new(
        "127.0.0.1:1".into(),
        events,
        channel(),
        Duration::from_secs(1),
        budget,
        false,
    );
    context.join_without_partitions();
    let first = context.with_assignment(Assignment::last_epoch);
    context.sender.send(Command::Abandon).unwrap();
    let successor = context.successor();
    assert!(successor.has_joined());
    assert_eq!(successor.with_assignment(Assignment::last_epoch), first);
    // It takes commands instead.
    assert!(successor.commands.lock().unwrap().try_recv().is_ok());
    assert!(context.commands.lock().unwrap().try_recv().is_err());
}
