use event_core::prelude::*;
use std::fmt;

#[derive(Debug, EventError)]
enum ClaimError {
    #[event_error]
    Unknown,
    Other,
}

impl fmt::Display for ClaimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no claim")
    }
}

impl std::error::Error for ClaimError {}

fn main() {}
