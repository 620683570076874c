//! The page `guide/settings_table.md`, made from the table of settings.
//!
//! `REFERENCE=overwrite cargo test -p event-core --lib reference` makes it anew.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use event_names::duration_text;

use super::keys::{Setting, of_handlers, of_service, of_topics};

/// The page, as it must stand in the repository.
fn page() -> String {
    let mut page = "<!-- From app/settings/table.rs: REFERENCE=overwrite cargo test -p event-core --lib reference -->\n\n\
        | key in `event.toml` | variable | value | default | |\n|---|---|---|---|---|\n"
        .to_owned();
    for setting in of_service() {
        let default = setting.default.map(|default| format!("`{default}`"));
        let default = default.unwrap_or_else(|| setting.absent.to_owned());
        let variable = setting.variable().unwrap_or_default();
        let value = described(setting);
        row(
            &mut page,
            &[
                &format!("`{}`", setting.key),
                &format!("`{variable}`"),
                &value,
                &default,
                setting.doc,
            ],
        );
    }
    let kafka =
        "librdkafka properties as they are: `\"sasl.password\"` or `EVENT_KAFKA_SASL_PASSWORD`";
    row(&mut page, &["`[kafka]`", "`EVENT_KAFKA_*`", "", "", kafka]);
    let table = |page: &mut String,
                 table: &str,
                 what: &str,
                 settings: &mut dyn Iterator<Item = &'static Setting>| {
        let keys: Vec<_> = settings.map(|setting| format!("`{}`", setting.key)).collect();
        row(page, &[table, "", "", "", &format!("{what}: {}", keys.join(", "))]);
    };
    let handlers = "for the handler with this id, before what its attribute says";
    table(&mut page, "`[handlers.\"id\"]`", handlers, &mut of_handlers());
    table(&mut page, "`[topic.\"name\"]`", "for this topic", &mut of_topics());
    for setting in of_handlers().filter(|setting| setting.service.is_none()) {
        let value = described(setting);
        writeln!(
            page,
            "\n`{}` is {value}, {} unless given: {}.",
            setting.key, setting.absent, setting.doc
        )
        .unwrap();
    }
    page
}

fn described(setting: &Setting) -> String {
    let text = |time: Duration| duration_text(time.as_millis() as u64).as_str().to_owned();
    match (setting.takes, setting.times) {
        ((_, [_, ..]), _) => format!("`{}`", setting.takes.1.join("`, `")),
        (("an integer", _), _) => format!("an integer from {} on", setting.least),
        ((takes, _), (_, most)) if most == Duration::MAX => takes.to_owned(),
        ((takes, _), (least, most)) => format!("{takes} from {} to {}", text(least), text(most)),
    }
}

fn row(page: &mut String, cells: &[&str]) {
    writeln!(page, "| {} |", cells.join(" | ")).unwrap();
}

#[test]
fn the_reference_page_is_made_from_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/guide/settings_table.md");
    let page = page();
    if std::env::var_os("REFERENCE").is_some_and(|value| value == "overwrite") {
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        page,
        written,
        "`REFERENCE=overwrite cargo test -p event-core --lib reference` makes {} anew",
        path.display()
    );
}
