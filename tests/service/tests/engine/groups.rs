//! Handlers with consumer groups of their own.

use super::*;
use event_core::processor::{DeliveryPolicy, UnknownEvents};

mod two {
    use super::*;

    #[event_handler]
    async fn audit(event: Event<ClaimAdded>, State(log): State<Log>) {
        log.note(event.id);
    }

    #[event_handler(group = "mailer", retry(attempts = 1000, backoff = "1h..1h"))]
    async fn mail(_event: Event<ClaimAdded>) -> Result {
        Err(Error::msg("no mail today"))
    }

    #[tokio::test(start_paused = true)]
    async fn each_group_has_its_own_offsets_and_failures() {
        let log = Log::default();
        let mut app = service(module_path!()).state(log.clone()).start().unwrap();
        publish(&app, 0..100, 10).await;
        app.eventually("all audited and committed", || {
            app.committed(CLAIMS, 0).map(|next| next.0) == Some(100)
        })
        .await;
        assert_eq!(log.ids(), (0..100).collect::<Vec<_>>());
        assert_eq!(app.committed_in("mailer", CLAIMS, 0), None);
        app.stop().await.unwrap();
    }
}

mod disjoint {
    use super::*;

    #[derive(Event, serde::Serialize, serde::Deserialize)]
    #[event(topic = "role_events", name = "ROLE_RENAMED")]
    struct RoleRenamed {
        id: u64,
    }

    #[event_handler]
    async fn claims(event: Event<ClaimAdded>, State(log): State<Log>) {
        log.note(event.id);
    }

    #[event_handler(group = "audit")]
    async fn renames(event: Event<RoleRenamed>, State(log): State<Log>) {
        log.note(event.id);
    }

    #[tokio::test(start_paused = true)]
    async fn what_another_group_handles_is_not_unknown() {
        for unknown_events in [UnknownEvents::Skip, UnknownEvents::DeadLetter, UnknownEvents::Stop]
        {
            let log = Log::default();
            let policy = DeliveryPolicy { unknown_events, ..DeliveryPolicy::default() };
            let app = service(module_path!()).state(log.clone()).policy(policy).start().unwrap();
            publish(&app, 0..1, 1).await;
            app.publish(&RoleRenamed { id: 1 }).await;
            app.settle().await;
            let mut ids = log.ids();
            ids.sort_unstable();
            assert_eq!(ids, [0, 1]);
            assert!(
                app.dead_letters(CLAIMS).is_empty() && app.history().unknown_events().is_empty()
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_handles_is_dead_lettered_once() {
        let policy = DeliveryPolicy {
            unknown_events: UnknownEvents::DeadLetter,
            ..DeliveryPolicy::default()
        };
        let app = service(module_path!()).state(Log::default()).policy(policy).start().unwrap();
        app.publish_raw(CLAIMS, None, Some(br#"{"eventType": "ROLE_MOVED"}"#)).await;
        app.settle().await;
        assert_eq!(app.dead_letters(CLAIMS).len(), 1);
    }
}

mod two_members {
    use super::*;

    #[event_handler(order = none, concurrency = 1)]
    async fn slow(event: Event<ClaimAdded>, State(log): State<Log>) {
        log.note(event.id);
        tokio::time::sleep(100 * SECOND).await;
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_for_room_is_given_up_at_once() {
        let log = Log::default();
        let policy = DeliveryPolicy { drain_timeout: 60 * SECOND, ..DeliveryPolicy::default() };
        let member = || service(module_path!()).partitions(2).state(log.clone());
        let one = member().policy(policy).start().unwrap();
        publish_to_each(&one, 0..2).await;
        tokio::time::sleep(SECOND).await;
        assert_eq!(log.ids(), [0], "the other partition waits for the same room");
        let joined = Instant::now();
        let two = member().broker(one.broker()).start().unwrap();
        two.eventually("the other is in flight", || log.ids().len() == 2).await;
        assert!(joined.elapsed() < SECOND, "{:?}", joined.elapsed());
        two.settle().await;
        assert_eq!(log.ids(), [0, 1], "each once");
    }
}
