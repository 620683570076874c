use crate::prelude::*;
use crate::testing::TestApp;

#[derive(Event, serde::Serialize, serde::Deserialize)]
#[event(topic = "shared_watch_events", name = "SEEN")]
struct Seen {
    id: u64,
}

#[event_handler(id = "see")]
async fn see(_: Event<Seen>) {}

#[tokio::test]
async fn groups_have_one_thread_that_looks() {
    let apps = ["first", "second", "third"]
        .map(|name| TestApp::new(name).handlers_from(module_path!()).start().unwrap());
    let comm = |entry: std::io::Result<std::fs::DirEntry>| {
        std::fs::read_to_string(entry.ok()?.path().join("comm")).ok()
    };
    // The kernel keeps 15 letters of a name.
    let threads = || {
        let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten();
        tasks.filter_map(comm).filter(|name| name.starts_with("event-core-watc")).count()
    };
    for app in &apps {
        app.publish(&Seen { id: 1 }).await;
    }
    if cfg!(target_os = "linux") {
        apps[0].eventually("one thread looks at all", || threads() == 1).await;
    }
}
