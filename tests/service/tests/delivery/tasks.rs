//! Tasks beside the handlers, such as an HTTP server.

use event_core::app::AppContext;
use event_core::delivery::TopicPartition;
use event_core::event::GroupName;
use event_core::outcome::Error;
use tokio::time::Instant;

use super::*;

const DRAIN: Duration = Duration::from_secs(20);

/// A service with one handler, [`notes::note`], on a broker in memory.
struct Service {
    broker: MemoryBroker,
    seen: Seen,
    app: EventApp,
}

impl Service {
    fn new() -> Self {
        let (broker, seen) = (MemoryBroker::new(), Seen::default());
        for topic in [CLAIMS, "role_events_dlq"] {
            broker.create_topic(&TopicName::parse(topic).unwrap(), 1);
        }
        let app = EventApp::from_env("admin").unwrap();
        let app = app.handlers_from(format!("{}::notes", module_path!().replace("::tasks", "")));
        Service { broker, app: app.state(seen.clone()), seen }
    }

    /// Runs until `shutdown`, and gives what it ended with and how long the drain took.
    async fn run(self, shutdown: impl Future<Output = ()> + Send + 'static) -> (Result, Duration) {
        let settings = Settings::load("admin", &SettingsOverrides::default(), []).unwrap();
        let (report, reported) = tokio::sync::oneshot::channel();
        let shutdown = async move {
            shutdown.await;
            let _ = report.send(Instant::now());
        };
        let ended = self.app.run_on(self.broker, settings, shutdown).await;
        (ended, reported.await.map_or(Duration::ZERO, |began| began.elapsed()))
    }
}

fn text(error: &Error) -> String {
    error.chain().collect::<Vec<_>>().join(": ")
}

#[tokio::test(start_paused = true)]
async fn a_task_shares_producer_and_states_and_is_drained_before_the_handlers() {
    let service = Service::new();
    let (seen, broker) = (service.seen.clone(), service.broker.clone());
    let serve = |app: AppContext| async move {
        app.producer().send(&claim(1)).await?;
        app.shutdown().await;
        // The last request comes to its end, and its event is still handled.
        tokio::time::sleep(Duration::from_secs(5)).await;
        let seen = app.state::<Seen>()?;
        assert_eq!(seen.ids(), [1]);
        app.producer().send(&claim(2)).await?;
        tokio::time::sleep(Duration::from_secs(1)).await;
        Ok(())
    };
    let service = Service { app: service.app.serve(serve), ..service };
    let (ended, drained) = service.run(tokio::time::sleep(Duration::from_secs(60))).await;
    ended.unwrap();
    assert_eq!(seen.ids(), [1, 2]);
    assert!((6..7).contains(&drained.as_secs()), "{drained:?}");
    let partition = TopicPartition { topic: TopicName::from_static(CLAIMS), partition: 0 };
    let group = GroupName::parse("admin").unwrap();
    assert_eq!(broker.committed(&group, &partition), Some(NextOffset(2)));
}

#[tokio::test(start_paused = true)]
async fn a_task_that_ends_fails_or_panics_ends_the_service_with_its_name() {
    let place = format!("`serve` at {}:", file!());
    let forever = std::future::pending::<()>;
    let service = Service::new();
    let app = service.app.serve(|_| async { Ok(()) });
    let error = Service { app, ..service }.run(forever()).await.0.unwrap_err();
    assert!(text(&error).starts_with(&place), "{error}");
    assert!(
        text(&error).contains(" returned before the service was asked to shut down"),
        "{error}"
    );

    let service = Service::new();
    let app = service.app.serve(|_| async { Err(Error::msg("port 3000 is taken")) });
    let error = Service { app, ..service }.run(forever()).await.0.unwrap_err();
    assert!(text(&error).starts_with(&place), "{error}");
    assert!(text(&error).ends_with(" failed: port 3000 is taken"), "{}", text(&error));

    let service = Service::new();
    let app = service.app.serve(|app: AppContext| async move {
        assert!(app.state::<u8>().is_ok(), "{}", app.state::<u8>().unwrap_err());
        Ok(())
    });
    let error = Service { app, ..service }.run(forever()).await.0.unwrap_err();
    assert!(text(&error).starts_with(&place), "{error}");
    let expected =
        " panicked: no state of type `u8`: provide it with `EventApp::state` or `state_with`";
    assert!(text(&error).ends_with(expected), "{error}");
}

#[tokio::test(start_paused = true)]
async fn one_that_ends_tells_the_others_and_the_handlers_drain() {
    let service = Service::new();
    let seen = service.seen.clone();
    let app = service
        .app
        .serve(|app: AppContext| async move {
            app.shutdown().await;
            app.producer().send(&claim(7)).await?;
            tokio::time::sleep(Duration::from_secs(1)).await;
            Ok(())
        })
        .serve(|_| async { Err(Error::msg("no more")) });
    let (ended, _) = Service { app, ..service }.run(std::future::pending()).await;
    assert!(text(&ended.unwrap_err()).ends_with("no more"));
    assert_eq!(seen.ids(), [7]);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_goes_on_is_aborted_after_half_of_the_drain() {
    let service = Service::new();
    let seen = service.seen.clone();
    let app = service.app.serve(|app: AppContext| async move {
        app.shutdown().await;
        loop {
            app.producer().send(&claim(app.state::<Seen>()?.ids().len() as u64)).await?;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    let (ended, drained) =
        Service { app, ..service }.run(tokio::time::sleep(Duration::from_secs(1))).await;
    ended.unwrap();
    assert!(drained >= DRAIN / 2 && drained < DRAIN / 2 + Duration::from_secs(1), "{drained:?}");
    assert!(seen.ids().len() >= 9, "handlers go on meanwhile: {:?}", seen.ids());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_for_a_task_that_blocks_its_thread() {
    let service = Service::new();
    let (leave, may_leave) = std::sync::mpsc::channel::<()>();
    let app = service.app.serve(|app: AppContext| async move {
        app.shutdown().await;
        let _ = may_leave.recv();
        Ok(())
    });
    let variables = [("EVENT_DRAIN".into(), "2s".into())];
    let settings = Settings::load("admin", &SettingsOverrides::default(), variables).unwrap();
    let ended = app.run_on(service.broker, settings, async {});
    // Without an end it would be as long as the task blocks.
    tokio::time::timeout(Duration::from_secs(30), ended).await.unwrap().unwrap();
    drop(leave);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_hears_of_the_end_by_itself_ends_well() {
    for [task, app_ends] in [[1000, 1001], [1000, 1000], [1001, 1000]] {
        let service = Service::new();
        let [task, app_ends] = [task, app_ends].map(Duration::from_millis);
        let app = service.app.serve(move |_| async move {
            tokio::time::sleep(task).await;
            Ok(())
        });
        let (ended, _) = Service { app, ..service }.run(tokio::time::sleep(app_ends)).await;
        ended.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_that_fails_starts_no_task() {
    let service = Service::new();
    let (started, was_started) = std::sync::mpsc::channel();
    let app = service.app.serve(move |_| async move {
        started.send(()).unwrap();
        Ok(())
    });
    // Its topics are not there.
    let service = Service { app, broker: MemoryBroker::new(), ..service };
    assert!(service.run(std::future::pending()).await.0.is_err());
    assert!(was_started.try_recv().is_err());
}
