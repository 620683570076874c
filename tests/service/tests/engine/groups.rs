//! Handlers with consumer groups of their own.

use super::*;

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
