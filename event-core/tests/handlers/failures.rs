//! What an error says of its record, however it reaches the engine.

use std::error::Error as StdError;
use std::time::Duration;

use event_core::outcome::IntoOutcome;
use event_core::outcome::Verdict;
use event_core::prelude::*;
use event_core::state::StateMap;

use crate::Delivered;

#[derive(Debug, thiserror::Error, EventError)]
enum ClaimError {
    #[error("role {role} does not exist")]
    #[event_error(dead_letter)]
    UnknownRole { role: i64 },
    #[error("too many claims")]
    #[event_error(retry_after = "30s")]
    TooMany(u32),
    #[error("known")]
    #[event_error(skip)]
    Known,
    #[error("the directory is down")]
    #[event_error(unavailable)]
    Down,
    #[error("locked")]
    #[event_error(retry)]
    Locked,
    #[error("cannot read")]
    Read(#[from] ReadError),
    #[error("cannot write")]
    Io(#[from] std::io::Error),
    #[cfg(any())]
    #[error("not there")]
    #[event_error(skip)]
    NotThere,
}

#[derive(Debug, thiserror::Error, EventError)]
#[error("cannot be read")]
#[event_error(dead_letter)]
struct ReadError;

#[derive(Debug, thiserror::Error, EventError)]
#[event_error(retry_after = "1m")]
enum Classified {
    #[error("not yet")]
    NotYet,
    #[error("never")]
    #[event_error(dead_letter)]
    Never,
}

#[derive(Debug, thiserror::Error)]
#[error("around it")]
struct Around(#[source] ClaimError);

#[derive(Debug, thiserror::Error, EventError)]
#[error("silent")]
struct Silent(#[source] ClaimError);

#[derive(Debug, thiserror::Error, EventError)]
enum Never {}

fn unknown_role() -> ClaimError {
    ClaimError::UnknownRole { role: 7 }
}

#[test]
fn each_variant_says_its_own() {
    for (error, verdict) in [
        (unknown_role(), Some(Verdict::DeadLetter)),
        (ClaimError::TooMany(3), Some(Verdict::RetryAfter(Duration::from_secs(30)))),
        (ClaimError::Known, Some(Verdict::Skip)),
        (ClaimError::Down, Some(Verdict::Unavailable)),
        (ClaimError::Locked, Some(Verdict::Retry)),
        (ClaimError::Io(std::io::ErrorKind::Other.into()), None),
    ] {
        assert_eq!(error.verdict(), verdict, "{error}");
        assert_eq!(Error::from(error).said(), verdict);
    }
    let minute = Verdict::RetryAfter(Duration::from_secs(60));
    assert_eq!(Error::from(Classified::NotYet).verdict(), minute);
    assert_eq!(Error::from(Classified::Never).verdict(), Verdict::DeadLetter);
    assert!(std::mem::size_of::<Never>() == 0);
}

#[test]
fn a_variant_that_says_nothing_leaves_it_to_its_source() {
    assert_eq!(Error::from(ClaimError::from(ReadError)).verdict(), Verdict::DeadLetter);
}

#[test]
fn what_an_error_says_survives_every_way_out_of_a_handler() {
    fn by_question_mark() -> Result {
        Err(unknown_role())?;
        Ok(())
    }
    fn in_a_box() -> std::result::Result<(), Box<dyn StdError + Send + Sync>> {
        Err(unknown_role())?;
        Ok(())
    }
    fn as_a_source() -> Result {
        Err(Around(unknown_role()))?;
        Ok(())
    }
    fn under_one_that_is_silent() -> Result {
        Err(Silent(unknown_role()))?;
        Ok(())
    }
    fn through_an_error_in_a_box() -> std::result::Result<(), Box<dyn StdError + Send + Sync>> {
        by_question_mark()?;
        Ok(())
    }
    assert_eq!(by_question_mark().unwrap_err().verdict(), Verdict::DeadLetter);
    assert_eq!(as_a_source().unwrap_err().verdict(), Verdict::DeadLetter);
    assert_eq!(under_one_that_is_silent().unwrap_err().verdict(), Verdict::DeadLetter);
    for boxed in [in_a_box(), through_an_error_in_a_box()] {
        assert_eq!(outcome(boxed), Verdict::DeadLetter);
    }
}

#[test]
fn what_is_said_on_the_way_counts_more() {
    let error = Err::<(), _>(unknown_role()).skip().unwrap_err();
    assert_eq!(error.verdict(), Verdict::Skip);
}

// The verdict of a result of a handler, as the engine reads it.
fn outcome(result: impl IntoOutcome) -> Verdict {
    let (delivered, state) = (Delivered::new(&[(None, None)]), StateMap::new());
    let envelopes = delivered.envelopes();
    match result.into_outcome(&delivered.deliveries(&envelopes, &state)[0]) {
        Outcome::Failed(error) => error.verdict(),
        outcome => panic!("{outcome:?}"),
    }
}
