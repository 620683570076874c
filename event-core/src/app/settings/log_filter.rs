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

/// The crates whose log can be named in every service.
const KNOWN_CRATES: [&str; 2] = ["event_core", "librdkafka"];

/// What is wrong with the text, `None` when nothing is.
pub(super) fn fault(text: &str) -> Option<StartupProblem> {
    let directives = directives(text);
    let of = directives.len();
    directives.into_iter().enumerate().find_map(|(index, directive)| {
        of_directive(Directive { text: directive.trim(), position: index + 1, of })
    })
}

/// A word alone that is no level, and to the filter the module of a crate that nobody here knows: the service
/// has no log. The filter takes the beginning of a name for the name. Beside a level, or a module with one, it
/// may mean any crate.
pub(super) fn stranger(text: &str, crates: &BTreeSet<String>) -> Option<StartupProblem> {
    let mut words = directives(text).into_iter().map(str::trim).filter(|word| !word.is_empty());
    let (module, None) = (words.next()?, words.next()) else { return None };
    if module.contains(['=', '[', '{']) || is_level(module) {
        return None;
    }
    let is_known = match module.split_once("::") {
        Some((name, _)) => crates.contains(name),
        None => crates.iter().any(|known| known.starts_with(module)),
    };
    if is_known {
        return None;
    }
    let near = near_crate(module, crates.iter().map(String::as_str));
    let shown = shown(module, near.is_some() || is_path(module));
    let name = if near.is_some() || is_path(module) { excerpt(module, 64) } else { "name".into() };
    let help = match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("write a level: `{}`", LEVELS.join("`, `")),
    };
    Some(problem(
        format!(
            "the variable EVENT_LOG has {shown}, which is no level and no crate that has handlers or contracts: nothing else is logged"
        ),
        format!("{help} For another crate write `{name}=trace`"),
    ))
}

/// A part of the filter, and which.
#[derive(Clone, Copy)]
struct Directive<'a> {
    text: &'a str,
    position: usize,
    of: usize,
}

impl Directive<'_> {
    /// Its text, or of one that may be a password the place and the length.
    fn shown(self, looks_right: bool) -> String {
        let shown = shown(self.text, looks_right);
        match looks_right || self.of == 1 {
            true => shown,
            false => format!("{shown} (part {} of {})", self.position, self.of),
        }
    }
}

fn is_level(word: &str) -> bool {
    LEVELS.contains(&&*word.to_ascii_lowercase()) || matches!(word.parse(), Ok(0..=5))
}

fn of_directive(part: Directive<'_>) -> Option<StartupProblem> {
    let directive = part.text;
    if let Some((wrong, help)) = of_form(directive) {
        let is_filter = looks_right(directive);
        let shown = part.shown(is_filter);
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
    let begins = |level: &&str| lower.starts_with(level) && is_longer_level(&lower);
    let near = near.or_else(|| LEVELS.into_iter().find(begins));
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
            let is_filter = near.is_some() || looks_right(target);
            let target = if is_filter { excerpt(target, 64) } else { "event_core".to_owned() };
            let help = match near {
                Some(near) => format!("write `{target}={near}`"),
                None => format!("write a level, as in `{target}=debug`"),
            };
            let of = if is_filter { format!("`{target}`") } else { "a module".to_owned() };
            let level = Directive { text: level, ..part }.shown(near.is_some());
            let message = format!(
                "the variable EVENT_LOG gives {of} the level {level}, it must be one of {all}"
            );
            Some(problem(message, help))
        }
    }
}

/// Whether it looks like a part of a filter, though perhaps not like one that is taken: it names a level, a
/// crate that every service has, or a path. What does not may be a password in the wrong variable.
fn looks_right(directive: &str) -> bool {
    let mut words = directive.split(|c: char| !c.is_ascii_alphanumeric());
    let has_level = words.any(|word| LEVELS.contains(&&*word.to_ascii_lowercase()));
    let is_of_filter = |c: char| c.is_ascii_alphanumeric() || "_-:=,; \"'`".contains(c);
    let name = directive.split(['=', ':']).next().unwrap_or_default().trim().replace('-', "_");
    let is_known = has_level || is_path(directive) || near_crate(&name, KNOWN_CRATES).is_some();
    is_known && directive.chars().all(is_of_filter)
}

/// Whether it is the path of a module in a crate.
fn is_path(text: &str) -> bool {
    let is_name = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    text.len() <= 64 && text.contains("::") && text.split("::").all(is_name)
}

/// The crate whose name is most like this one.
fn near_crate<'a>(name: &str, crates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let (near, distance) = nearest(name, crates.into_iter())?;
    (distance <= 2 && distance < near.len() / 2).then_some(near)
}

/// Whether it may be a level with an ending: `debugging`, `informational`.
fn is_longer_level(word: &str) -> bool {
    word.len() <= "informational".len() && word.chars().all(|c| c.is_ascii_alphabetic())
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
    fn a_word_alone_that_is_no_crate_is_reported() {
        let crates = ["admin", "event_core"].map(str::to_owned).into();
        for (text, reported) in [
            (
                "x",
                Some(
                    "has a text of 1 character, which is no level and no crate that has handlers or contracts: nothing else is logged",
                ),
            ),
            ("S3cretPassw0rd,", Some("has a text of 14 characters")),
            ("admni", Some("has `admni`")),
            ("billing::http", Some("has `billing::http`")),
            ("info,sqlx", None),
            ("event_core=debug,sqlx", None),
            ("info,my_service", None),
            ("sqlx,admin", None),
            ("x=trace", None),
            ("admin", None),
            ("adm", None),
            ("admin::claims", None),
            ("[x]", None),
            ("event_core,0", None),
            ("", None),
        ] {
            let message = stranger(text, &crates).map(|stranger| stranger.message());
            assert_eq!(message.is_some(), reported.is_some(), "{text}: {message:?}");
            assert!(message.unwrap_or_default().contains(reported.unwrap_or_default()), "{text}");
        }
        let help = |text: &str| stranger(text, &crates).unwrap().help();
        assert_eq!(help("admni"), "did you mean `admin`? For another crate write `admni=trace`");
        assert!(help("x").starts_with("write a level: `off`, `error`"), "{}", help("x"));
    }

    #[test]
    fn what_may_be_a_password_is_not_repeated() {
        let crates = ["admin", "event_core"].map(str::to_owned).into();
        for text in [
            "S3cretPassw0rd",
            "info,S3cretPassw0rd",
            "S3cret-Passw0rd",
            "info,S3cret-Passw0rd",
            "alice:S3cretPassw0rd",
            "S3cret::Passw0rd-1",
            "S3cretPassw0rd=",
            "S3cretPassw0rd=abc",
            "offS3cretPassw0rd",
            "traceS3cret_Passw0rd",
        ] {
            let reported = [fault(text), stranger(text, &crates)].into_iter().flatten();
            let reported: String = reported.map(|p| p.message() + &p.help()).collect();
            assert!(!reported.contains("S3cret") && !reported.contains("Passw0rd"), "{reported}");
        }
        let message = fault("info,S3cret-Passw0rd").unwrap().message();
        assert!(message.contains("has a text of 15 characters (part 2 of 2), and no"), "{message}");
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
                "gives `event_core` the level a text of 4 characters,",
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
