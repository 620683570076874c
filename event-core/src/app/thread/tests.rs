use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tracing::{Event, Metadata, Subscriber, info, span};

use super::*;

fn name_of_thread() -> String {
    std::thread::current().name().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn work_runs_apart_from_several_threads_and_a_panic_of_it_is_an_error() {
    let ended = apart(|| async { Err(Error::msg(name_of_thread())) }).await;
    assert_eq!(ended.unwrap_err().to_string(), "event-core");
    let ended = apart(|| async { panic!("an unlucky number") }).await;
    assert_eq!(ended.unwrap_err().to_string(), "the engine panicked: an unlucky number");
}

#[tokio::test(start_paused = true)]
async fn work_stays_where_there_is_one_thread_and_its_clock() {
    let here = name_of_thread();
    let work = || async {
        tokio::time::sleep(Duration::from_secs(3600)).await;
        Err(Error::msg(name_of_thread()))
    };
    assert_eq!(apart(work).await.unwrap_err().to_string(), here);
}

#[tokio::test(flavor = "multi_thread")]
async fn work_is_dropped_with_whoever_waits_for_it() {
    let (begun, begins) = oneshot::channel();
    let (retained, dropped) = oneshot::channel::<()>();
    let waiting = tokio::spawn(apart(move || async move {
        let _retained = retained;
        let _ = begun.send(());
        std::future::pending().await
    }));
    begins.await.unwrap();
    waiting.abort();
    assert!(dropped.await.is_err());
}

#[test]
fn what_the_work_logs_goes_where_the_log_of_its_caller_goes() {
    let log = Counting::default();
    let runtime = Builder::new_multi_thread().build().unwrap();
    let ran = tracing::subscriber::with_default(log.clone(), || {
        runtime.block_on(apart(|| async {
            info!("here");
            Ok(())
        }))
    });
    ran.unwrap();
    assert_eq!(log.0.load(Ordering::SeqCst), 1);
}

/// Counts what is logged from this module.
#[derive(Clone, Default)]
struct Counting(Arc<AtomicUsize>);

impl Subscriber for Counting {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == module_path!()
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, _: &Event<'_>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}
