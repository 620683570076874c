use event_core::prelude::*;
use std::fmt;

#[derive(Debug, EventError)]
#[event_error(skip)]
struct ClaimError<'a>(&'a str);

impl fmt::Display for ClaimError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for ClaimError<'_> {}

fn main() {}
