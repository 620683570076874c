//! What `EVENT_LOG` says, found wrong before it silences a service.
//!
//! To the filter a word alone that is no level is the name of a module, of which everything is logged, and
//! of all others nothing: `debg` is a service without a log.

use super::problem;
use super::sources::nearest;
use crate::event::excerpt;
use crate::registry::StartupProblem;

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// What others call a level.
const OTHER_WORDS: [(&str, &str); 12] = [
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

/// What is wrong with the text, `None` when nothing is.
pub(super) fn fault(text: &str) -> Option<StartupProblem> {
    directives(text).into_iter().map(str::trim).find_map(of_directive)
}

fn of_directive(directive: &str) -> Option<StartupProblem> {
    // What stands in brackets is the name of a span and its fields, which may hold anything.
    let behind = directive.rfind(']').map_or(0, |end| end + 1);
    let (target, level) = match directive[behind..].rfind('=') {
        Some(at) => (&directive[..behind + at], &directive[behind + at + 1..]),
        None if behind > 0 || directive.is_empty() => return None,
        None => ("", directive),
    };
    let level = level.trim();
    let lower = level.to_ascii_lowercase();
    if LEVELS.contains(&&*lower) || matches!(level.parse(), Ok(0..=5)) {
        return None;
    }
    let near = OTHER_WORDS.iter().find(|(word, _)| *word == lower).map(|(_, level)| *level);
    let near = near.or_else(|| {
        let (near, distance) = nearest(&lower, LEVELS.into_iter())?;
        // A word alone may be the name of a crate: `infra` is two changes from `info`.
        let at_most = if target.is_empty() { 1 } else { 2 };
        (distance <= at_most && distance < near.len() / 2 + 1).then_some(near)
    });
    let all = LEVELS.map(|level| format!("`{level}`")).join(", ");
    let shown = excerpt(level, 64);
    match (target, near) {
        ("", Some(near)) => Some(problem(
            format!("the variable EVENT_LOG has `{shown}`, which is no level: {all}"),
            format!("did you mean `{near}`? For a module of this name write `{shown}=trace`"),
        )),
        // The name of a module.
        ("", None) => None,
        (target, near) => {
            let target = excerpt(target, 64);
            let help = match near {
                Some(near) => format!("write `{target}={near}`"),
                None => format!("write a level, as in `{target}=debug`"),
            };
            let message = format!(
                "the variable EVENT_LOG gives `{target}` the level `{shown}`, it must be one of {all}"
            );
            Some(problem(message, help))
        }
    }
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
            "infra",
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
    fn a_word_that_is_no_level_is_told_the_nearest() {
        for (text, message, help) in [
            ("debg", "has `debg`, which is no level", "did you mean `debug`?"),
            ("Inf", "has `Inf`", "did you mean `info`?"),
            ("warning", "has `warning`", "did you mean `warn`?"),
            ("verbose", "has `verbose`", "did you mean `debug`?"),
            ("info,tarce", "has `tarce`", "for a module"),
            ("warn,event_core=debg", "gives `event_core` the level `debg`", "`event_core=debug`"),
            ("event_core=loud", "gives `event_core` the level `loud`", "`event_core=debug`"),
        ] {
            let problem = fault(text).unwrap_or_else(|| panic!("{text}"));
            assert!(problem.message().contains(message), "{}", problem.message());
            let helped = problem.help().to_lowercase();
            assert!(helped.contains(help), "{helped}");
        }
    }
}
