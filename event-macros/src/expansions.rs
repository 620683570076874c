//! The expansions, as a person reads them: pinned beside this file, and short; and the documentation that is made from
//! the table of keys.
//!
//! `EXPANSIONS=overwrite cargo test -p event-macros` pins them anew.
//!
//! A service has hundreds of handlers, so their expansion is short and pinned (`event-macros/src/expansions`), and
//! `tests/compile-cost/run` compares the time to compile a thousand with the same registered by hand.

use std::path::Path;

use event_names::delivery::{Takes, Unless};
use proc_macro2::TokenStream;

/// The most lines that a handler may add to the code, documentation and lints aside: a service has
/// hundreds of handlers, and each line is compiled for each.
const MAX_LINES: usize = 34;

/// The same for one of several records, which makes the batch and gets the record that does not fit into it.
const MAX_LINES_OF_BATCH: usize = 40;

/// The same for one that uses every key of the attribute.
const MAX_LINES_WITH_EVERYTHING: usize = 48;

fn formatted(tokens: TokenStream) -> String {
    let file = syn::parse2(tokens).unwrap_or_else(|error| panic!("no items: {error}"));
    prettyplease::unparse(&file)
}

fn pinned(file: &str, expansion: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(file);
    if std::env::var_os("EXPANSIONS").is_some_and(|value| value == "overwrite") {
        std::fs::write(&path, expansion).unwrap();
    }
    let pinned = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(expansion, pinned, "{} is not what comes out", path.display());
}

fn handler(name: &str, max_lines: usize, attribute: &str, item: &str) {
    let item_lines = formatted(item.parse().unwrap()).lines().count();
    let expansion =
        crate::handler::event_handler(attribute.parse().unwrap(), item.parse().unwrap());
    let expansion = formatted(expansion);
    pinned(&format!("expansions/{name}.rs.txt"), &expansion);
    let documented = expansion.lines().filter(|line| line.trim_start().starts_with("///")).count();
    let allowed = expansion.split("#[allow(").skip(1);
    let allowed: usize = allowed
        .filter_map(|rest| rest.split_once(")]"))
        .map(|(lints, _)| lints.lines().count().max(1))
        .sum();
    let added = expansion.lines().count() - item_lines - documented - allowed;
    assert!(added <= max_lines, "{name} adds {added} lines, the limit is {max_lines}");
}

#[test]
fn a_handler_expands_to_a_few_lines() {
    handler(
        "handler",
        MAX_LINES,
        "",
        "async fn record_claim(event: Event<ClaimAdded>, State(log): State<AuditLog>) -> Result {
            log.append(event.user_id(), &event).await?;
            Ok(())
        }",
    );
    handler(
        "handler_with_names",
        MAX_LINES,
        r#"topic = "role_events", event = "CLAIM_ADDED""#,
        "async fn record_claim(Json(claim): Json<Claim>) { println!(\"{claim:?}\"); }",
    );
    handler(
        "handler_with_everything",
        MAX_LINES_WITH_EVERYTHING,
        r#"topic = TOPIC, event = Events::ClaimAdded, id = "audit", emits(RoleGiven), blocking"#,
        "fn record_claim(event: Event<ClaimAdded>) -> Emit<RoleGiven> { Emit(RoleGiven {}) }",
    );
    handler(
        "handler_with_delivery",
        MAX_LINES_WITH_EVERYTHING,
        r#"group = "audit", order = none, concurrency = 8, timeout = "10s",
           retry(attempts = 5, backoff = "200ms..30s", jitter = full, on = is_transient,
           topics = ["1m", "10m"]), breaker(failures = 20, pause = "5s..1m")"#,
        "async fn record_claim(event: Event<ClaimAdded>) -> Result { Ok(()) }",
    );
    handler(
        "handler_of_batch",
        MAX_LINES_OF_BATCH,
        "batch(max = 100)",
        "async fn record_claims(claims: Batch<ClaimAdded>, State(log): State<AuditLog>) -> Result {
            log.append_all(claims).await
        }",
    );
    handler(
        "handler_by_key",
        MAX_LINES,
        "order = key, concurrency = 8",
        "async fn record_claim(event: Event<ClaimAdded>) -> Result { Ok(()) }",
    );
    handler(
        "handler_value",
        MAX_LINES,
        "",
        "impl EventHandler for Recorder {
            async fn handle(&self, event: Event<ClaimAdded>) -> Result { Ok(()) }
        }",
    );
}

#[test]
fn an_error_expands_to_a_match() {
    let item = r#"
        #[derive(Debug, thiserror::Error, EventError)]
        enum ClaimError {
            #[event_error(dead_letter)]
            UnknownRole(i64),
            #[event_error(retry_after = "30s")]
            Locked,
            Io(#[from] std::io::Error),
        }
    "#;
    let expansion = crate::event_error::derive_event_error(item.parse().unwrap());
    pinned("expansions/error.rs.txt", &formatted(expansion));
}

#[test]
fn a_contract_expands_to_data() {
    let item = r#"
        /// A claim was attached to a role.
        #[derive(Event)]
        #[event(topic = "role_events", name = "CLAIM_ADDED", key = role_id)]
        #[serde(rename_all = "camelCase")]
        struct ClaimAdded { id: i64, role_id: i64 }
    "#;
    let expansion = crate::event::derive_event(item.parse().unwrap());
    pinned("expansions/contract.rs.txt", &formatted(expansion));
}

#[test]
fn the_documented_keys_of_delivery_are_those_of_the_table() {
    let mut page = "| key | value | unless given | |\n|---|---|---|---|\n".to_owned();
    for key in event_names::delivery::DELIVERY_KEYS {
        let unless = match key.unless_given {
            Unless::Setting => format!("the setting `{}`", key.name),
            Unless::Handler(text) | Unless::Is(text) => text.to_owned(),
        };
        page += &format!(
            "| `{}` | {} | {unless} | {} |\n",
            key.written(),
            described(&key.takes),
            key.doc
        );
    }
    pinned("delivery_keys.md", &page);
}

fn described(takes: &Takes) -> String {
    let text = |ms: &u64| event_names::duration_text(*ms).as_str().to_owned();
    match takes {
        Takes::Number(least, most) => format!("an integer from {least} to {most}"),
        Takes::Duration(least, most) => {
            format!("a duration from {} to {}", text(least), text(most))
        }
        Takes::Range(least, most) => {
            format!("two durations from {} to {}", text(least), text(most))
        }
        Takes::Durations(at_most, least, most) => {
            format!("up to {at_most} rising durations from {} to {}", text(least), text(most))
        }
        Takes::Word(words) => format!("`{}`", words.join("`, `")),
        Takes::Function => "the path of a function".to_owned(),
        Takes::Label => "1 to 249 bytes of `[a-zA-Z0-9._-]`".to_owned(),
    }
}
