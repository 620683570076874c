//! `handlers`: what is linked into the binary.

use clap::Args;
use serde::Serialize;

use crate::outcome::Error;
use crate::registry::Registry;

#[derive(Debug, Args)]
pub(super) struct HandlersArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Row {
    topic: &'static str,
    event: &'static str,
    handler: String,
    place: String,
}

pub(super) fn run(registry: &Registry, arguments: &HandlersArgs) -> Result<(), Error> {
    let rows = registry.handlers().iter().flat_map(|handler| {
        handler.selects.names().into_iter().map(|event| Row {
            topic: handler.topic,
            event,
            handler: format!("{}::{}", handler.module, handler.name),
            place: handler.place(),
        })
    });
    let rows: Vec<Row> = rows.collect();
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&rows)?);
        return Ok(());
    }
    let mut table = vec![["TOPIC", "EVENT", "HANDLER", "PLACE"].map(str::to_owned)];
    for Row { topic, event, handler, place } in rows {
        table.push([topic.to_owned(), event.to_owned(), handler, place]);
    }
    print!("{}", aligned(&table));
    Ok(())
}

/// Columns as wide as their widest cell, two spaces between.
pub(super) fn aligned<const N: usize>(rows: &[[String; N]]) -> String {
    let widths: [usize; N] =
        std::array::from_fn(|column| rows.iter().map(|row| row[column].len()).max().unwrap_or(0));
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}
