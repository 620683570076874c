use event_core::prelude::*;
use std::fmt;

#[derive(Debug, EventError)]
enum ClaimError<T> {
    #[event_error(skip)]
    Unknown(T),
}

impl<T> fmt::Display for ClaimError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no claim")
    }
}

impl<T: fmt::Debug> std::error::Error for ClaimError<T> {}

fn main() {}
