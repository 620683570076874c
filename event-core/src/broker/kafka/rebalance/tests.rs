use tokio::sync::mpsc::unbounded_channel;

use super::*;

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
