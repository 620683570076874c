//! Reads the values of settings, and notes what is wrong with each.

use std::net::IpAddr;
use std::time::Duration;

use event_names::{meant_duration_ranges, meant_durations, parse_duration, parse_duration_range};

use super::keys::{At, Value};
use super::problem;
use super::sources::nearest;
use crate::broker::OutOfRange;
use crate::event::{GroupName, LoneSurrogates, NaiveTimes, TopicName, excerpt};
use crate::outcome::Jitter;
use crate::processor::UnknownEvents;
use crate::registry::StartupProblem;

/// A wrong value in a message.
///
/// Somebody may have written a password where it does not belong. So a value is repeated only where it
/// looks like what its key expects, and where the key holds names (`brokers`, `group`, `group_instance_id`,
/// `topics`), which the service prints anyway.
pub(super) fn shown(text: &str, looks_right: bool) -> String {
    match text.chars().count() {
        0 => "empty".to_owned(),
        _ if looks_right => format!("`{}`", excerpt(text, 64)),
        1 => "a text of 1 character".to_owned(),
        characters => format!("a text of {characters} characters"),
    }
}

/// Whether it looks like a number, though perhaps not like one that is taken.
pub(super) fn is_number(text: &str) -> bool {
    let in_numbers = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | ',' | '_' | ' ');
    text.len() <= 24 && text.chars().any(|c| c.is_ascii_digit()) && text.chars().all(in_numbers)
}

/// From the shortest to the longest that is taken.
pub(super) type Bounds = (Duration, Duration);

const DAY: Duration = Duration::from_secs(24 * 3600);
const MS: Duration = Duration::from_millis(1);

// A refused dead letter is tried again at the pace of the backoff too, so it must not be none at all.
pub(super) const BACKOFF: Bounds = (MS, DAY);
pub(super) const BREAKER_PAUSE: Bounds = (MS, DAY);
pub(super) const TIMEOUT: Bounds = (MS, DAY);
pub(super) const COMMIT_INTERVAL: Bounds = (MS, Duration::from_secs(3600));
// A revocation waits this long within one poll, and the group evicts a member that does not poll for
// `max.poll.interval.ms`, five minutes by default.
pub(super) const DRAIN: Bounds = (Duration::from_secs(1), Duration::from_secs(240));

pub(super) const LIVENESS_AFTER: Bounds = (Duration::from_secs(10), DAY);

const JITTERS: [(&str, Jitter); 3] =
    [("none", Jitter::None), ("equal", Jitter::Equal), ("full", Jitter::Full)];

const UNKNOWN_EVENTS: [(&str, UnknownEvents); 3] = [
    ("skip", UnknownEvents::Skip),
    ("dead_letter", UnknownEvents::DeadLetter),
    ("stop", UnknownEvents::Stop),
];

const OUT_OF_RANGE: [(&str, OutOfRange); 3] = [
    ("earliest", OutOfRange::Earliest),
    ("latest", OutOfRange::Latest),
    ("stop", OutOfRange::Stop),
];

const NAIVE_TIMES: [(&str, NaiveTimes); 2] =
    [("ignore", NaiveTimes::Ignore), ("utc", NaiveTimes::Utc)];

const LONE_SURROGATES: [(&str, LoneSurrogates); 2] =
    [("handle", LoneSurrogates::Handle), ("dead_letter", LoneSurrogates::DeadLetter)];

const FLAGS: [(&str, bool); 2] = [("true", true), ("false", false)];

/// The bounds of the duration, or of the range of them, that is called `key`.
pub(super) fn bounds(key: &str) -> Bounds {
    match key {
        "commit_interval" => COMMIT_INTERVAL,
        "drain" => DRAIN,
        "liveness_after" => LIVENESS_AFTER,
        "timeout" => TIMEOUT,
        "breaker_pause" => BREAKER_PAUSE,
        _ => BACKOFF,
    }
}

/// What a text can mean as a duration that is allowed.
pub(super) fn durations_within((least, most): Bounds, text: &str, example: &str) -> Vec<String> {
    let mut meant = meant_durations(text, example);
    meant.retain(|one| parse_duration(one).is_ok_and(|one| (least..=most).contains(&one)));
    meant
}

/// The same of a range.
pub(super) fn ranges_within((least, most): Bounds, text: &str, example: &str) -> Vec<String> {
    let mut meant = meant_duration_ranges(text, example);
    meant.retain(|range| {
        parse_duration_range(range).is_ok_and(|(first, last)| first >= least && last <= most)
    });
    meant
}

// What a text can mean, as what to write.
fn one_or_other(meant: &[String]) -> Option<String> {
    (!meant.is_empty()).then(|| format!("write `\"{}\"`", meant.join("\"` or `\"")))
}

/// Every method gives `None` for a wrong value, once its problem is noted.
pub(super) struct Reader<'a>(pub(super) &'a mut Vec<StartupProblem>);

impl Reader<'_> {
    pub(super) fn number<N: TryFrom<u64>>(
        &mut self,
        Value { at, text }: Value<'_>,
        least: u64,
    ) -> Option<N> {
        let number = text.parse().ok().filter(|number| *number >= least);
        let number = number.and_then(|number| N::try_from(number).ok());
        if number.is_none() {
            let text = shown(text, is_number(text));
            let message = format!("{at} is {text}, it must be an integer from {least} on");
            self.0.push(problem(message, format!("write a number like `{}`", least.max(5))));
        }
        number
    }

    pub(super) fn port(&mut self, Value { at, text }: Value<'_>) -> Option<u16> {
        let port = text.parse().ok();
        if port.is_none() {
            let text = shown(text, is_number(text));
            let message = format!("{at} is {text}, it must be from 0 to 65535");
            self.0.push(problem(message, "write a port like `9090`, or leave it out for none"));
        }
        port
    }

    pub(super) fn ip_address(&mut self, Value { at, text }: Value<'_>) -> Option<IpAddr> {
        self.value(at, text.parse(), || "write an IP address like \"127.0.0.1\"".to_owned())
    }

    pub(super) fn duration(
        &mut self,
        Value { at, text }: Value<'_>,
        bounds: Bounds,
        example: &str,
    ) -> Option<Duration> {
        let meant = durations_within(bounds, text, example);
        if meant.is_empty() && !is_number(text) && parse_duration(text).is_err() {
            let message = format!("{at} is {}, it must be a duration", shown(text, false));
            self.0.push(problem(message, format!("write a duration like `\"{example}\"`")));
            return None;
        }
        let duration = self.value(at, parse_duration(text), || {
            one_or_other(&meant).unwrap_or_else(|| format!("write a duration like `\"{example}\"`"))
        })?;
        self.within(at, duration, bounds).then_some(duration)
    }

    pub(super) fn range(
        &mut self,
        Value { at, text }: Value<'_>,
        bounds: Bounds,
        example: &str,
    ) -> Option<(Duration, Duration)> {
        let parsed = parse_duration_range(text);
        let ends = text.split_once("..").unwrap_or((text, "0"));
        let is_end = |end: &str| {
            let end = end.trim();
            is_number(end)
                || !durations_within(bounds, end, example).is_empty()
                || parse_duration(end).is_ok()
        };
        let meant = ranges_within(bounds, text, example);
        let is_range = is_end(ends.0) && is_end(ends.1) || !meant.is_empty();
        if !is_range {
            let message =
                format!("{at} is {}, it must be a range of durations", shown(text, false));
            self.0.push(problem(message, format!("write a range like `\"{example}\"`")));
            return None;
        }
        let (first, longest) = self.value(at, parsed, || {
            one_or_other(&meant).unwrap_or_else(|| format!("write a range like `\"{example}\"`"))
        })?;
        let (first_fits, longest_fits) =
            (self.within(at, first, bounds), self.within(at, longest, bounds));
        (first_fits && longest_fits).then_some((first, longest))
    }

    fn within(&mut self, at: At<'_>, value: Duration, (least, most): Bounds) -> bool {
        let fits = (least..=most).contains(&value);
        if !fits {
            let message = format!("{at} is {value:?}, it must be from {least:?} to {most:?}");
            self.0.push(problem(message, "write a duration within that"));
        }
        fits
    }

    pub(super) fn flag(&mut self, value: Value<'_>) -> Option<bool> {
        self.word(value, &FLAGS)
    }

    pub(super) fn jitter(&mut self, value: Value<'_>) -> Option<Jitter> {
        self.word(value, &JITTERS)
    }

    pub(super) fn out_of_range(&mut self, value: Value<'_>) -> Option<OutOfRange> {
        self.word(value, &OUT_OF_RANGE)
    }

    pub(super) fn naive_times(&mut self, value: Value<'_>) -> Option<NaiveTimes> {
        self.word(value, &NAIVE_TIMES)
    }

    pub(super) fn lone_surrogates(&mut self, value: Value<'_>) -> Option<LoneSurrogates> {
        self.word(value, &LONE_SURROGATES)
    }

    pub(super) fn unknown_events(&mut self, value: Value<'_>) -> Option<UnknownEvents> {
        self.word(value, &UNKNOWN_EVENTS)
    }

    fn word<T: Copy>(&mut self, Value { at, text }: Value<'_>, words: &[(&str, T)]) -> Option<T> {
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return Some(*value);
        }
        let names = words.iter().map(|(word, _)| *word);
        let all = names.clone().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
        let near = nearest(text, names).filter(|(near, distance)| *distance <= near.len() / 2);
        let is_flag = matches!(text, "yes" | "no" | "on" | "off");
        let text = shown(text, near.is_some() || is_flag || is_number(text));
        let help = match near {
            Some((near, _)) => format!("did you mean `{near}`?"),
            None => "write one of these".to_owned(),
        };
        self.0.push(problem(format!("{at} is {text}, it must be one of {all}"), help));
        None
    }

    pub(super) fn group(&mut self, Value { at, text }: Value<'_>) -> Option<GroupName> {
        let help = || "name the group with `group` or EVENT_GROUP".to_owned();
        self.value(at, GroupName::parse(text), help)
    }

    /// A name by the rule of Kafka, which is that of topics.
    pub(super) fn instance_id(&mut self, Value { at, text }: Value<'_>) -> Option<String> {
        if TopicName::foreign(text).is_err() {
            let message = format!(
                "{at} is `{}`, it must be 1 to 249 letters, digits, `.`, `_` and `-`",
                excerpt(text, 64)
            );
            self.0.push(problem(
                message,
                "write a name like `\"admin-1\"`, another for each process",
            ));
            return None;
        }
        Some(text.to_owned())
    }

    pub(super) fn topics(&mut self, Value { at, text }: Value<'_>) -> Vec<TopicName> {
        let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
        let topics: Vec<_> = names.map(TopicName::foreign).collect();
        if topics.is_empty() {
            let message = format!("{at} names no topic");
            self.0.push(problem(message, "leave it out to read all topics that have a handler"));
        }
        let topics = topics.into_iter().filter_map(|topic| match topic {
            Ok(topic) => Some(topic),
            Err(error) => {
                self.0.push(problem(format!("{at}: {}", error.complaint()), error.advice()));
                None
            }
        });
        topics.collect()
    }

    fn value<T, E: std::fmt::Display>(
        &mut self,
        at: At<'_>,
        result: Result<T, E>,
        help: impl FnOnce() -> String,
    ) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.0.push(problem(format!("{at}: {error}"), help()));
                None
            }
        }
    }
}
