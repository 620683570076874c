//! The service: `admin run`, `admin dev`, and what else `admin --help` lists.

use std::io::Write;

use admin::domain::AuditLog;
use admin::infrastructure::{self, table};
use event_core::prelude::*;

#[event_core::main]
async fn main() -> Result {
    EventApp::from_env("admin")?
        .state_with(infrastructure::connect)
        .samples(include_str!("../samples.jsonl"))
        .after_dev(print_added)
        .main()
        .await
}

// Other programs may have sent many more events than the samples.
const MAX_ROWS: usize = 50;

async fn print_added(log: AuditLog) -> Result {
    let entries = log.added().await?;
    let hidden = entries.len().saturating_sub(MAX_ROWS);
    let mut out = std::io::stdout();
    write!(out, "{}", table::render(&entries[hidden..]))?;
    if hidden > 0 {
        writeln!(out, "and {hidden} earlier rows")?;
    }
    Ok(())
}
