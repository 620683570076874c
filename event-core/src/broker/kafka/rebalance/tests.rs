use tokio::sync::mpsc::unbounded_channel;

use super::*;

#[test]
fn a_panic_is_told_and_a_close_does_not_wait_for_the_thread() {
    let (events, mut told) = unbounded_channel();
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
    match told.try_recv() {
        Ok(ConsumerEvent::Trouble(error)) => {
            assert!(error.is_fatal());
            assert!(error.to_string().contains("index out of bounds"), "{error}");
        }
        other => panic!("{other:?}"),
    }
    assert!(ours.send(Command::Abandon).is_err());
}
