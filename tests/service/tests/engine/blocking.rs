//! Handlers that are `blocking`: nothing cancels them, so nothing claims to.

use std::sync::Mutex;
use std::sync::mpsc::Receiver;

use event_core::app::{Settings, SettingsOverrides};
use event_core::handler::HandlerOverrides;
use event_core::processor::DeliveryPolicy;
use tokio::sync::mpsc::UnboundedSender;

use super::*;

/// Where the first claim blocks until the test releases it.
#[derive(Clone)]
struct Hold {
    entered: UnboundedSender<()>,
    leave: Arc<Mutex<Receiver<()>>>,
}

mod holds {
    use super::*;

    pub(super) const MODULE: &str = module_path!();

    #[event_handler(id = "hold", blocking)]
    fn hold(event: Event<ClaimAdded>, State(log): State<Log>, State(hold): State<Hold>) {
        log.note(event.id);
        if event.id == 0 {
            hold.entered.send(()).unwrap();
            hold.leave.lock().unwrap().recv().unwrap();
        }
    }
}

/// A service that has the first of two claims in flight, and what lets it go.
async fn blocked_claim() -> (RunningApp, Log, std::sync::mpsc::Sender<()>) {
    let log = Log::default();
    let (entered, mut enters) = tokio::sync::mpsc::unbounded_channel();
    let (let_go, leave) = std::sync::mpsc::channel();
    let policy = DeliveryPolicy { timeout: Some(SECOND), ..DeliveryPolicy::default() };
    let hold = Hold { entered, leave: Arc::new(Mutex::new(leave)) };
    let app = service(holds::MODULE).policy(policy).state(log.clone()).state(hold);
    let app = app.start().unwrap();
    publish(&app, 0..2, 1).await;
    enters.recv().await.unwrap();
    (app, log, let_go)
}

// While a thread is blocked a clock that stands still does not go on by itself.
async fn pass(seconds: u32) {
    for _ in 0..seconds {
        tokio::time::advance(SECOND).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_time_limit_of_the_service_is_none_of_theirs() {
    let (app, log, let_go) = blocked_claim().await;
    pass(60).await;
    let_go.send(()).unwrap();
    app.settle().await;
    assert_eq!(log.ids(), [0, 1], "each once, one after the other");
    assert!(app.dead_letters(CLAIMS).is_empty());
}

#[tokio::test(start_paused = true)]
async fn one_that_a_shutdown_leaves_behind_is_named_as_such() {
    let (mut app, log, let_go) = blocked_claim().await;
    let (ended, ()) = tokio::join!(app.stop(), pass(60));
    let error = ended.unwrap_err().to_string();
    assert!(error.contains("`hold` has had role_events/0@0 for "), "{error}");
    assert!(error.ends_with(", is `blocking`, and goes on if it has begun"), "{error}");
    let_go.send(()).unwrap();
    assert_eq!(log.ids(), [0]);
}

#[test]
fn a_time_limit_for_one_is_refused_at_start() {
    let app = EventApp::from_env("admin").unwrap().handlers_from(holds::MODULE);
    let mut settings = Settings::load("admin", &SettingsOverrides::default(), []).unwrap();
    let mut limited = HandlerOverrides::default();
    limited.timeout = Some(SECOND);
    settings.policy.handlers.insert("hold".to_owned(), limited);
    let report = app.check_with(&settings).to_string();
    let expected = "setting `timeout` (from the program) has no effect: hold is `blocking`, and nothing \
                    cancels it";
    assert!(report.contains(expected), "{report}");
    let help = "help: remove the setting, and limit what the function itself waits for";
    assert!(report.contains(help), "{report}");
}
