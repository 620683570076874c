//! What a service says of itself when it starts and ends.

use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use super::*;
use crate::app::ExitStatus;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(text)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What `work` logs, without time and colours.
fn logged(work: impl FnOnce()) -> String {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().without_time().with_ansi(false);
    let subscriber = subscriber.with_writer(move || writer.clone()).finish();
    tracing::subscriber::with_default(subscriber, work);
    let logged = log.0.lock().unwrap_or_else(PoisonError::into_inner);
    String::from_utf8_lossy(&logged).into_owned()
}

#[test]
fn the_last_line_says_what_is_settled_and_with_what_code_it_ends() {
    assert_eq!(
        logged(|| close_log(&Ok(()), 1)),
        " INFO event_core: stopped: 1 record settled since the start, nothing is left to commit\n"
    );
    let failed = ExitStatus { code: 3, message: "no broker".to_owned() };
    assert_eq!(
        logged(|| close_log(&Err(failed.into()), 2)),
        " WARN event_core: stopped with an error, 2 records settled since the start: no broker exit_code=3\n"
    );
}

#[test]
fn the_name_by_which_brokers_know_a_member_is_logged() {
    let said = logged(|| joins(&GroupName::parse("billing").unwrap(), "billing-a-1"));
    assert_eq!(said, " INFO event_core: joins group `billing` as `billing-a-1`\n");
}
