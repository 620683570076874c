//! What a service says of itself when it starts and ends.

use super::*;
use crate::app::ExitStatus;
use crate::broker::log_capture::logged;

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
