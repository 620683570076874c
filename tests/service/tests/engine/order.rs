//! What runs concurrently, and what does not.

use super::*;

mod by_key {
    use super::*;

    #[event_handler(order = key, concurrency = 10)]
    async fn slow(event: Event<ClaimAdded>, State(log): State<Log>) {
        tokio::time::sleep(SECOND).await;
        log.note(event.id);
    }

    #[tokio::test(start_paused = true)]
    async fn keys_go_side_by_side_and_each_keeps_its_order() {
        let log = Log::default();
        let app = service(module_path!()).state(log.clone()).start().unwrap();
        let begun = Instant::now();
        publish(&app, 0..200, 20).await;
        app.settle().await;
        let took = begun.elapsed();
        assert!(took >= 20 * SECOND && took < 23 * SECOND, "200 of 1 s, 10 at once: {took:?}");
        let ids = log.ids();
        for role in 0..20 {
            let of_role: Vec<_> = ids.iter().filter(|id| **id % 20 == role).collect();
            assert!(of_role.is_sorted() && of_role.len() == 10, "role {role}: {of_role:?}");
        }
        assert_eq!(app.committed(CLAIMS, 0).map(|next| next.0), Some(200));
    }
}

mod stuck_key {
    use super::*;

    #[event_handler(order = key, concurrency = 4, retry(attempts = 1000, backoff = "1h..1h"))]
    async fn stuck(event: Event<ClaimAdded>, State(log): State<Log>) -> Result {
        if event.role_id == 0 {
            return Err(Error::msg("not this one"));
        }
        log.note(event.id);
        Ok(())
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_that_waits_holds_up_no_other() {
        let log = Log::default();
        let app = service(module_path!()).state(log.clone()).start().unwrap();
        publish(&app, 0..5000, 50).await;
        app.eventually("all others", || log.ids().len() == 4900).await;
        tokio::time::sleep(2 * SECOND).await;
        assert_eq!(app.history().counts().dead_lettered, 0);
        assert_eq!(app.committed(CLAIMS, 0).map(|next| next.0), Some(0));
    }
}

mod without_order {
    use super::*;

    #[event_handler(order = none, concurrency = 3)]
    async fn slow(event: Event<ClaimAdded>, State(log): State<Log>) {
        tokio::time::sleep(SECOND * if event.id == 0 { 10 } else { 1 }).await;
        log.note(event.id);
    }

    #[tokio::test(start_paused = true)]
    async fn without_order_one_key_runs_side_by_side_within_the_bound() {
        let log = Log::default();
        let app = service(module_path!()).state(log.clone()).partitions(2).start().unwrap();
        let begun = Instant::now();
        publish(&app, 0..21, 2).await;
        app.settle().await;
        assert_eq!(log.ids().last(), Some(&0), "the slow one is overtaken");
        let took = begun.elapsed();
        assert!(took >= 10 * SECOND && took < 13 * SECOND, "two partitions, 3 at once: {took:?}");
    }
}

mod mixed {
    use super::*;

    #[derive(Event, serde::Serialize, serde::Deserialize)]
    #[event(topic = "role_events", name = "ROLES_MERGED")]
    struct RolesMerged {
        id: u64,
    }

    #[event_handler(order = key, concurrency = 8)]
    async fn by_key(event: Event<ClaimAdded>, State(log): State<Log>) {
        tokio::time::sleep(SECOND).await;
        log.note(event.id);
    }

    #[event_handler]
    async fn by_partition(event: Event<RolesMerged>, State(log): State<Log>) {
        log.note(event.id);
    }

    #[tokio::test(start_paused = true)]
    async fn what_keeps_the_partitions_order_waits_for_all_and_holds_all_up() {
        let log = Log::default();
        let app = service(module_path!()).state(log.clone()).start().unwrap();
        publish(&app, 0..4, 4).await;
        app.publish(&RolesMerged { id: 100 }).await;
        publish(&app, 4..8, 4).await;
        app.settle().await;
        let ids = log.ids();
        let at = ids.iter().position(|id| *id == 100).unwrap();
        assert_eq!(at, 4, "{ids:?}");
        assert!(ids[..4].iter().all(|id| *id < 4) && ids[5..].iter().all(|id| *id >= 4));
    }
}
