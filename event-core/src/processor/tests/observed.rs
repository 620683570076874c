//! What listeners get of commits, assignments and pauses.

use super::*;
use crate::delivery::Epoch;
use crate::observe::{Observation, Observer};

/// What was reported of partition 0: the kind, the epoch, and where it goes on.
type One = (&'static str, Epoch, Option<i64>);

#[derive(Clone, Default)]
struct Reported(Arc<Mutex<Vec<One>>>);

impl Observer for Reported {
    fn observe(&self, observation: &Observation<'_>) {
        let one = match observation {
            Observation::Assigned { partitions, epoch } if partitions.contains(&partition(0)) => {
                ("assigned", *epoch, None)
            }
            Observation::Revoked { partitions, epoch, .. }
                if partitions.contains(&partition(0)) =>
            {
                ("revoked", *epoch, None)
            }
            Observation::CommitSent { partition: of, epoch, next } if of.partition == 0 => {
                ("sent", *epoch, Some(next.0))
            }
            Observation::Committed { partition: of, epoch, next } if of.partition == 0 => {
                ("committed", *epoch, Some(next.0))
            }
            _ => return,
        };
        self.0.lock().unwrap().push(one);
    }
}

#[event_handler]
async fn count(_: Event<Counted>, State(log): State<Log>) {
    log.note(0);
    tokio::time::sleep(SECOND / 10).await;
}

#[tokio::test(start_paused = true)]
async fn a_commit_is_reported_with_the_epoch_of_its_work() {
    let (reported, broker) = (Reported::default(), MemoryBroker::new());
    let app =
        service(module_path!()).state(Log::default()).broker(&broker).observer(reported.clone());
    let mut app = app.start().unwrap();
    app.eventually("it is ours", || !reported.0.lock().unwrap().is_empty()).await;
    let (_, first, _) = reported.0.lock().unwrap()[0];
    broker.fail_commits(1);
    publish(&app, [1]).await;
    app.settle().await;
    let group = GroupName::parse("engine").unwrap();
    let reported_of = |what| reported.0.lock().unwrap().iter().filter(|one| one.0 == what).count();
    // Longer than a commit takes to be due: the one of the revocation is reported.
    let log_of =
        |app: &RunningApp| app.history().all().iter().filter(|one| one.what == "handled").count();
    publish(&app, [2]).await;
    app.eventually("it is handled", || log_of(&app) == 2).await;
    broker.revoke(&group, &[partition(0)]);
    app.eventually("it is ours again", || reported_of("assigned") == 2).await;
    let (_, second, _) =
        *reported.0.lock().unwrap().iter().rfind(|one| one.0 == "assigned").unwrap();
    assert!(second > first);
    publish(&app, [3]).await;
    app.eventually("it is handled", || log_of(&app) == 3).await;
    app.stop().await.unwrap();
    let reported = reported.0.lock().unwrap().clone();
    let committed: Vec<_> = reported.iter().filter(|one| one.0 == "committed").copied().collect();
    let expected = [(first, 1), (first, 2), (second, 3)];
    assert_eq!(committed, expected.map(|(epoch, next)| ("committed", epoch, Some(next))));
    assert_eq!(
        reported.iter().filter(|one| **one == ("sent", first, Some(1))).count(),
        2,
        "{reported:?}"
    );
    assert!(reported.contains(&("revoked", first, None)), "{reported:?}");
}

#[tokio::test(start_paused = true)]
async fn a_fetch_paused_for_its_bytes_is_reported() {
    let app = service(module_path!()).state(Log::default()).start().unwrap();
    // More than the service may hold, and each one takes its time.
    let padding = "x".repeat(64 << 10);
    for id in 0..40 {
        let value =
            format!(r#"{{"eventType":"COUNTED","data":{{"id":{id},"padding":"{padding}"}}}}"#);
        app.publish_raw(TOPIC, None, Some(value.as_bytes())).await;
    }
    app.settle().await;
    let all = app.history().all();
    let turns: Vec<_> = all.iter().filter(|one| one.what.starts_with("fetch-")).collect();
    assert!(turns.len() >= 2, "{turns:?}");
    for (index, turn) in turns.iter().enumerate() {
        let expected = if index % 2 == 0 { "fetch-paused" } else { "fetch-resumed" };
        assert_eq!((turn.what, turn.detail.as_str()), (expected, "engine_events/0"));
    }
}
