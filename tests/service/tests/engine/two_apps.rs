//! Two apps in one process.

use super::*;
use event_core::app::{Settings, SettingsOverrides};
use event_core::broker::memory::MemoryBroker;
use tokio::sync::oneshot;

#[event_handler]
async fn record(_: Event<ClaimAdded>) {}

async fn run(
    service: &str,
    broker: MemoryBroker,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<()> {
    let app = EventApp::from_env(service)?.handlers_from(module_path!());
    let settings = Settings::load(service, &SettingsOverrides::default(), [])?;
    app.run_on(broker, settings, shutdown).await
}

#[tokio::test(start_paused = true)]
async fn each_with_every_handler_are_a_problem_that_names_both() {
    let broker = MemoryBroker::new();
    for topic in [CLAIMS, "role_events_dlq"] {
        broker.create_topic(&TopicName::from_static(topic), 1);
    }
    let (stop, stopped) = oneshot::channel::<()>();
    let billing = tokio::spawn(run("billing", broker.clone(), async { drop(stopped.await) }));
    tokio::time::sleep(SECOND).await;

    let report = run("audit", broker.clone(), async {}).await.unwrap_err().to_string();
    let expected = "\
cannot start: 1 problem
  1. apps `billing` and `audit` run in one process, and each has the handler two_apps::record: its events are handled by each
       from_env   tests/service/tests/engine/two_apps.rs:16
       from_env   tests/service/tests/engine/two_apps.rs:16
     help: give each app its own handlers with `.handlers_from(..)`";
    assert_eq!(report, expected);
    // An instance more of the same service shares the work, and the other is free once it has ended.
    run("billing", broker.clone(), async {}).await.unwrap();
    drop(stop);
    billing.await.unwrap().unwrap();
    run("audit", broker, async {}).await.unwrap();
}
