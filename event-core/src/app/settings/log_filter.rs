//! What `EVENT_LOG` says, found wrong before it silences a service.
//!
//! To the filter a word alone that is no level is the name of a module, of which everything is logged, and
//! of all others nothing: `debg` is a service without a log.

use std::collections::BTreeSet;

use super::problem;
use super::reader::shown;
use super::sources::nearest;
use crate::event::excerpt;
use crate::registry::StartupProblem;

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// What others call a level.
const OTHER_WORDS: [(&str, &str); 20] = [
    ("dbg", "debug"),
    ("err", "error"),
    ("trc", "trace"),
    ("on", "info"),
    ("true", "info"),
    ("yes", "info"),
    ("false", "off"),
    ("no", "off"),
    ("none", "off"),
    ("silent", "off"),
    ("quiet", "off"),
    ("critical", "error"),
    ("fatal", "error"),
    ("warning", "warn"),
    ("notice", "info"),
    ("information", "info"),
    ("verbose", "debug"),
    ("fine", "debug"),
    ("all", "trace"),
    ("silly", "trace"),
];

/// What stands before a level where others write one, and is no module.
const NO_TARGETS: [&str; 6] = ["level", "log", "log_level", "loglevel", "rust_log", "event_log"];

/// What is wrong with the text, `None` when nothing is.
pub(super) fn fault(text: &str) -> Option<StartupProblem> {
    directives(text).into_iter().map(str::trim).find_map(of_directive)
}

/// Words that are no levels, and to the filter modules of which nobody here knows the crate. The filter takes
/// the beginning of a name for the name.
pub(super) fn strangers(text: &str, crates: &BTreeSet<String>) -> Vec<StartupProblem> {
    let words = directives(text).into_iter().map(str::trim);
    let words = words.filter(|word| !word.is_empty() && !word.contains(['=', '[', '{']));
    let (levels, modules): (Vec<_>, Vec<_>) = words.partition(|word| is_level(word));
    let is_stranger = |module: &&str| match module.split_once("::") {
        Some((name, _)) => !crates.contains(name),
        None => !crates.iter().any(|known| known.starts_with(module)),
    };
    let effect = match levels.is_empty() {
        true => "nothing else is logged",
        false => "it adds nothing",
    };
    let reported = modules.into_iter().filter(is_stranger).map(|module| {
        let near = nearest(module, crates.iter().map(String::as_str));
        let near = near.filter(|(near, distance)| *distance <= 2 && *distance < near.len() / 2);
        let shown = excerpt(module, 64);
        let help = match near {
            Some((near, _)) => format!("did you mean `{near}`?"),
            None => format!("write a level: `{}`", LEVELS.join("`, `")),
        };
        problem(
            format!("the variable EVENT_LOG has `{shown}`, which is no level and no crate that has handlers or contracts: {effect}"),
            format!("{help} For another crate of this name write `{shown}=trace`"),
        )
    });
    reported.collect()
}

fn is_level(word: &str) -> bool {
    LEVELS.contains(&&*word.to_ascii_lowercase()) || matches!(word.parse(), Ok(0..=5))
}

fn of_directive(directive: &str) -> Option<StartupProblem> {
    if let Some((wrong, help)) = of_form(directive) {
        let is_filter = looks_right(directive);
        let shown = shown(directive, is_filter);
        let message = format!("the variable EVENT_LOG has {shown}, {wrong}");
        let help = if is_filter { excerpt(&help, 64) } else { "warn,event_core=debug".to_owned() };
        return Some(problem(message, format!("write `{help}`")));
    }
    // What stands in brackets is the name of a span and its fields, which may hold anything.
    let behind = directive.rfind(']').map_or(0, |end| end + 1);
    let (target, level) = match directive[behind..].rfind('=') {
        Some(at) => (&directive[..behind + at], &directive[behind + at + 1..]),
        None if behind > 0 || directive.is_empty() => return None,
        None => ("", directive),
    };
    let level = level.trim();
    let lower = level.to_ascii_lowercase();
    if is_level(level) {
        return None;
    }
    let near = OTHER_WORDS.iter().find(|(word, _)| *word == lower).map(|(_, level)| *level);
    let near = near.or_else(|| LEVELS.into_iter().find(|level| lower.starts_with(level)));
    let near = near.or_else(|| {
        let (near, distance) = nearest(&lower, LEVELS.into_iter())?;
        (distance <= 2 && distance < near.len() / 2 + 1).then_some(near)
    });
    let all = LEVELS.map(|level| format!("`{level}`")).join(", ");
    match (target, near) {
        ("", Some(near)) => Some(problem(
            format!("the variable EVENT_LOG has `{level}`, which is no level: {all}"),
            format!("did you mean `{near}`? For a module of this name write `{level}=trace`"),
        )),
        // The name of a module.
        ("", None) => None,
        (target, near) => {
            let is_filter = near.is_some() || is_plain(target);
            let target = if is_filter { excerpt(target, 64) } else { "event_core".to_owned() };
            let help = match near {
                Some(near) => format!("write `{target}={near}`"),
                None => format!("write a level, as in `{target}=debug`"),
            };
            let of = if is_filter { format!("`{target}`") } else { "a module".to_owned() };
            let level = shown(level, near.is_some());
            let message = format!(
                "the variable EVENT_LOG gives {of} the level {level}, it must be one of {all}"
            );
            Some(problem(message, help))
        }
    }
}

/// Whether it looks like a part of a filter, though perhaps not like one that is taken. What does not may be a
/// password in the wrong variable.
fn looks_right(directive: &str) -> bool {
    let mut words = directive.split(|c: char| !c.is_ascii_alphanumeric());
    is_plain(directive)
        || words.any(|word| LEVELS.contains(&&*word.to_ascii_lowercase()))
            && directive.chars().all(|c| c.is_ascii_alphanumeric() || "_-:=,; \"'`".contains(c))
}

/// Whether it has only what paths of modules have, and crates.
fn is_plain(target: &str) -> bool {
    target.len() <= 64 && target.chars().all(|c| c.is_ascii_alphanumeric() || "_-:".contains(c))
}

/// What is wrong with how a directive is written, and how it is meant. The filter takes each as a target of
/// which there is none, so that nothing else is logged.
fn of_form(directive: &str) -> Option<(&'static str, String)> {
    // The name of a span and its fields may hold anything.
    if directive.contains(['[', '{']) {
        return None;
    }
    if directive.contains(['"', '\'', '`']) {
        return Some(("which has quotation marks", directive.replace(['"', '\'', '`'], "")));
    }
    if directive.contains(';') {
        return Some(("which has something else than a comma in it", directive.replace(';', ",")));
    }
    let (target, level) = directive.rsplit_once('=').unwrap_or((directive, ""));
    let (target, level) = (target.trim(), level.trim());
    if target.contains(char::is_whitespace) || level.contains(char::is_whitespace) {
        let parts: Vec<_> = directive.split_whitespace().collect();
        return Some(("which has a blank in it", parts.join(",")));
    }
    if target.replace("::", "").contains(':') {
        return Some(("which has a `:` in place of `=`", with_equals(directive)));
    }
    if NO_TARGETS.contains(&&*target.to_ascii_lowercase()) && !level.is_empty() {
        return Some(("which has no module before `=`", level.to_owned()));
    }
    if target.contains('-') {
        let name = target.replace('-', "_");
        let equals = if level.is_empty() { "" } else { "=" };
        return Some(("and no module has a `-` in its path", format!("{name}{equals}{level}")));
    }
    let of_module = target.rsplit_once("::").filter(|_| level.is_empty());
    let is_level = |(_, last): &(&str, &str)| LEVELS.contains(&&*last.to_ascii_lowercase());
    let (module, level) = of_module.filter(is_level)?;
    Some(("which has a `::` in place of `=`", format!("{module}={level}")))
}

/// The directive with `=` in place of the last `:` that stands alone.
fn with_equals(directive: &str) -> String {
    let at = directive.rmatch_indices(':').map(|(at, _)| at).find(|at| {
        let beside = [at.checked_sub(1), Some(at + 1)].into_iter().flatten();
        !beside.into_iter().any(|at| directive.as_bytes().get(at) == Some(&b':'))
    });
    at.map_or_else(String::new, |at| format!("{}={}", &directive[..at], &directive[at + 1..]))
}

/// The parts between commas outside of brackets.
fn directives(text: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    let parts = text.split(|c| {
        match c {
            '[' | '{' => depth += 1,
            ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    });
    parts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_of_levels_and_modules_is_taken() {
        for text in [
            "info",
            "WARN",
            "0",
            "warn,event_core=debug",
            "warn, event_core = debug ",
            "my_service",
            "warn,errors=debug",
            "my_service::handlers=trace,off",
            "[handle{topic=a,offset=3}]=info",
            "event_core[handle]=5",
            "",
            "warn,",
        ] {
            assert!(fault(text).is_none(), "{text}: {:?}", fault(text));
        }
    }

    #[test]
    fn a_word_that_is_no_crate_is_reported() {
        let crates = ["admin", "event_core"].map(str::to_owned).into();
        for (text, reported) in [
            (
                "x",
                Some(
                    "has `x`, which is no level and no crate that has handlers or contracts: nothing else is logged",
                ),
            ),
            (
                "info,sqlx",
                Some(
                    "has `sqlx`, which is no level and no crate that has handlers or contracts: it adds nothing",
                ),
            ),
            ("admni", Some("has `admni`")),
            ("billing::http", Some("has `billing::http`")),
            ("x=trace", None),
            ("admin", None),
            ("adm", None),
            ("admin::claims", None),
            ("[x]", None),
            ("event_core,0", None),
            ("", None),
        ] {
            let strangers = strangers(text, &crates);
            let message = strangers.first().map(StartupProblem::message);
            assert_eq!(message.is_some(), reported.is_some(), "{text}: {message:?}");
            assert!(message.unwrap_or_default().contains(reported.unwrap_or_default()), "{text}");
        }
        let help = |text: &str| strangers(text, &crates)[0].help();
        assert_eq!(
            help("admni"),
            "did you mean `admin`? For another crate of this name write `admni=trace`"
        );
        assert!(help("x").starts_with("write a level: `off`, `error`"), "{}", help("x"));
    }

    #[test]
    fn an_unknown_level_suggests_the_nearest() {
        for (text, message, help) in [
            ("debg", "has `debg`, which is no level", "did you mean `debug`?"),
            ("Inf", "has `Inf`", "did you mean `info`?"),
            ("warning", "has `warning`", "did you mean `warn`?"),
            ("verbose", "has `verbose`", "did you mean `debug`?"),
            ("info,tarce", "has `tarce`", "for a module"),
            ("infra", "has `infra`", "for a module of this name write `infra=trace`"),
            ("dbg", "has `dbg`", "did you mean `debug`?"),
            ("err", "has `err`", "did you mean `error`?"),
            ("trc", "has `trc`", "did you mean `trace`?"),
            ("on", "has `on`", "did you mean `info`?"),
            ("true", "has `true`", "did you mean `info`?"),
            ("yes", "has `yes`", "did you mean `info`?"),
            ("debugging", "has `debugging`", "did you mean `debug`?"),
            ("informational", "has `informational`", "did you mean `info`?"),
            ("level=debug", "has no module before `=`", "write `debug`"),
            ("RUST_LOG=info", "has no module before `=`", "write `info`"),
            ("event_core:info", "has a `:` in place of `=`", "write `event_core=info`"),
            ("a::b:info", "has a `:` in place of `=`", "write `a::b=info`"),
            ("event_core::debug", "has a `::` in place of `=`", "write `event_core=debug`"),
            ("event-core=info", "no module has a `-`", "write `event_core=info`"),
            ("event-core", "no module has a `-`", "write `event_core`"),
            ("info warn", "has a blank", "write `info,warn`"),
            (
                "info;event_core=debug",
                "something else than a comma",
                "write `info,event_core=debug`",
            ),
            ("\"info\"", "quotation marks", "write `info`"),
            ("warn,event_core=debg", "gives `event_core` the level `debg`", "`event_core=debug`"),
            (
                "event_core=loud",
                "gives `event_core` the level a text of 4 characters",
                "`event_core=debug`",
            ),
        ] {
            let problem = fault(text).unwrap_or_else(|| panic!("{text}"));
            assert!(problem.message().contains(message), "{}", problem.message());
            let helped = problem.help().to_lowercase();
            assert!(helped.contains(help), "{helped}");
        }
    }
}
