//! Dead letters that are on their way while their partition goes on.

use super::*;

#[event_handler(id = "refuse_odd")]
async fn refuse_odd(event: Event<Counted>, State(log): State<Log>) -> Result {
    log.note(event.id);
    match event.id % 2 {
        0 => Ok(()),
        _ => Err(Error::msg("odd").dead_letter()),
    }
}

fn slow_letters(broker: &MemoryBroker) {
    broker.inject(|request| match request {
        Request::Produce(record) if record.topic.as_str() != TOPIC => {
            Some(Fault::Slow(10 * SECOND))
        }
        _ => None,
    });
}

fn settled(app: &RunningApp) -> Vec<i64> {
    let all = app.history().all();
    let settled = all.iter().filter(|one| ["handled", "dead-lettered"].contains(&one.what));
    settled.filter_map(|one| Some(one.offset?.0)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_partition_goes_on_behind_a_dead_letter_and_settles_nothing_before_it() {
    let log = Log::default();
    let app = service(module_path!()).state(log.clone()).start().unwrap();
    slow_letters(app.broker());
    publish(&app, 0..5).await;
    tokio::time::sleep(5 * SECOND).await;
    // The letter of 3 waits for that of 1.
    assert_eq!(log.ids(), [0, 1, 2, 3]);
    assert_eq!(settled(&app), [0]);
    assert_eq!(app.committed(TOPIC, 0), Some(NextOffset(1)));
    tokio::time::sleep(10 * SECOND).await;
    assert_eq!(log.ids(), [0, 1, 2, 3, 4]);
    assert_eq!(settled(&app), [0, 1, 2]);
    assert_eq!(app.committed(TOPIC, 0), Some(NextOffset(3)));
    app.settle().await;
    assert_eq!(settled(&app), [0, 1, 2, 3, 4]);
    assert_eq!(app.dead_letters(TOPIC).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_for_the_dead_letter_that_is_on_its_way() {
    let (log, broker) = (Log::default(), MemoryBroker::new());
    let mut app = service(module_path!()).state(log.clone()).broker(&broker).start().unwrap();
    slow_letters(&broker);
    publish(&app, 0..3).await;
    tokio::time::sleep(SECOND).await;
    assert_eq!(log.ids(), [0, 1, 2]);
    app.stop().await.unwrap();
    assert_eq!(committed(&broker).await.0, NextOffset(3));
}
