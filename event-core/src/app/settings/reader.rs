//! The types of settings: how a value is written, read and described, and what is said of a wrong one.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use event_names::{meant_duration_ranges, meant_durations, parse_duration, parse_duration_range};

use super::keys::{At, Kind, Setting, Value};
use super::problem;
use super::sources::nearest;
use crate::event::{GroupName, SettingWord, StrayCharacter, TopicName, excerpt, is_of_names};
use crate::registry::StartupProblem;

/// A wrong value in a message.
///
/// Somebody may have written a password where it does not belong. So a value is repeated only where it
/// looks like what its key expects. A name that is refused is reported by its length, or by the kind and the place of
/// the character that is not allowed ([`name_fault`]).
pub(super) fn shown(text: &str, looks_right: bool) -> String {
    match text.chars().count() {
        0 => "empty".to_owned(),
        _ if looks_right => format!("`{}`", excerpt(text, 64)),
        1 => "a text of 1 character".to_owned(),
        characters => format!("a text of {characters} characters"),
    }
}

/// What is wrong with a name of a topic or of a member, without the name.
fn name_fault(name: &str) -> Option<String> {
    if let Some(stray) = StrayCharacter::of(name, is_of_names) {
        return Some(format!("has {stray}"));
    }
    match TopicName::foreign(name) {
        Ok(_) => None,
        Err(_) if matches!(name, "." | "..") => Some("is `.` or `..`".to_owned()),
        Err(_) => Some(format!("is {} bytes long", name.len())),
    }
}

/// What [`name_fault`] goes by.
const NAMES: &str = "it must be 1 to 249 letters, digits, `.`, `_` and `-`";

/// Whether it looks like a number, though perhaps not like one that is taken.
pub(super) fn is_number(text: &str) -> bool {
    let in_numbers = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | ',' | '_' | ' ');
    text.len() <= 24 && text.chars().any(|c| c.is_ascii_digit()) && text.chars().all(in_numbers)
}

/// A type of values of settings.
pub(super) trait SettingType: Sized {
    /// How the file has one.
    const KIND: Kind;

    /// What may be written, for the documentation.
    const TAKES: &'static str;

    /// The words of a type that takes nothing else.
    const WORDS: &'static [&'static str] = &[];

    /// Reads a value; `None` for a wrong one, once its problem is noted.
    fn read(value: Value<'_>, read: &mut Reader<'_>) -> Option<Self>;
}

impl<W: SettingWord> SettingType for W {
    const KIND: Kind = Kind::Text;
    const TAKES: &'static str = "one of";
    const WORDS: &'static [&'static str] = <W as SettingWord>::WORDS;

    fn read(value: Value<'_>, read: &mut Reader<'_>) -> Option<Self> {
        read.one_of(W::ALL, <W as SettingWord>::WORDS, value)
    }
}

impl SettingType for bool {
    const KIND: Kind = Kind::Flag;
    const TAKES: &'static str = "one of";
    const WORDS: &'static [&'static str] = &["true", "false"];

    fn read(value: Value<'_>, read: &mut Reader<'_>) -> Option<Self> {
        read.one_of(&[true, false], Self::WORDS, value)
    }
}

macro_rules! numbers {
    ($($number:ty),+) => {$(
        impl SettingType for $number {
            const KIND: Kind = Kind::Number;
            const TAKES: &'static str = "an integer";

            fn read(Value { at, text }: Value<'_>, read: &mut Reader<'_>) -> Option<Self> {
                let least = at.setting.least;
                let number = text.parse::<u64>().ok().filter(|number| *number >= least);
                let fits = number.and_then(|number| Self::try_from(number).ok());
                if fits.is_none() {
                    let text = shown(text, is_number(text));
                    // One that is too large for the type only.
                    let limit = match number {
                        Some(_) => format!("to {}", Self::MAX),
                        None => "on".to_owned(),
                    };
                    let message = format!("{at} is {text}, it must be an integer from {least} {limit}");
                    let own = at.setting.example();
                    let least = least.max(5).to_string();
                    let example = if own.parse::<u64>().is_ok() { own } else { least.as_str() };
                    read.0.push(problem(message, format!("write a number like `{example}`")));
                }
                fits
            }
        }
    )+};
}

numbers!(u32, u64, usize);

/// A port.
impl SettingType for u16 {
    const KIND: Kind = Kind::Number;
    const TAKES: &'static str = "an integer from 0 to 65535";

    fn read(Value { at, text }: Value<'_>, read: &mut Reader<'_>) -> Option<Self> {
        let port = text.parse().ok();
        if port.is_none() {
            let text = shown(text, is_number(text));
            let message = format!("{at} is {text}, it must be from 0 to 65535");
            read.0.push(problem(message, "write a port like `9090`, or leave it out for none"));
        }
        port
    }
}

impl SettingType for IpAddr {
    const KIND: Kind = Kind::Text;
    const TAKES: &'static str = "an IP address";

    fn read(Value { at, text }: Value<'_>, read: &mut Reader<'_>) -> Option<Self> {
        if let Ok(address) = text.parse::<SocketAddr>() {
            let message = format!("{at} is `{address}`, an address with a port");
            let port = address.port();
            let help = format!(
                "write {}, and `admin_port = {port}`",
                at.as_text(&address.ip().to_string())
            );
            read.0.push(problem(message, help));
            return None;
        }
        let help = || format!("write an IP address like {}", at.as_text("127.0.0.1"));
        if text.eq_ignore_ascii_case("localhost") {
            read.0.push(problem(format!("{at} is `localhost`, it must be an IP address"), help()));
            return None;
        }
        read.parsed(at, text.parse(), help)
    }
}

impl SettingType for Duration {
    const KIND: Kind = Kind::Text;
    const TAKES: &'static str = "a duration";

    fn read(Value { at, text }: Value<'_>, read: &mut Reader<'_>) -> Option<Self> {
        let meant = durations_within(at.setting, text);
        let like = || format!("write a duration like {}", at.as_text(at.setting.example()));
        if meant.is_empty() && !is_number(text) && parse_duration(text).is_err() {
            let text = shown(text, is_like_a_duration(text));
            let message = format!("{at} is {text}, it must be a duration");
            read.0.push(problem(message, like()));
            return None;
        }
        let help = || one_or_other(at, &meant).unwrap_or_else(like);
        let duration = read.parsed(at, parse_duration(text), help)?;
        read.within(at, duration).then_some(duration)
    }
}

/// The first and the longest.
impl SettingType for (Duration, Duration) {
    const KIND: Kind = Kind::Text;
    const TAKES: &'static str = "a range of durations";

    fn read(Value { at, text }: Value<'_>, read: &mut Reader<'_>) -> Option<Self> {
        let ends = text.split_once("..").unwrap_or((text, "0"));
        let is_end = |end: &str| {
            let end = end.trim();
            is_number(end)
                || !durations_within(at.setting, end).is_empty()
                || parse_duration(end).is_ok()
        };
        let meant = ranges_within(at.setting, text);
        let like = || format!("write a range like {}", at.as_text(at.setting.example()));
        if !(is_end(ends.0) && is_end(ends.1)) && meant.is_empty() {
            let message =
                format!("{at} is {}, it must be a range of durations", shown(text, false));
            read.0.push(problem(message, like()));
            return None;
        }
        let help = || one_or_other(at, &meant).unwrap_or_else(like);
        let (first, longest) = read.parsed(at, parse_duration_range(text), help)?;
        let (first_fits, longest_fits) = (read.within(at, first), read.within(at, longest));
        (first_fits && longest_fits).then_some((first, longest))
    }
}

/// The addresses of brokers, which the client checks.
pub(super) struct Addresses(pub(super) String);

impl SettingType for Addresses {
    const KIND: Kind = Kind::List;
    const TAKES: &'static str = "addresses";

    fn read(Value { text, .. }: Value<'_>, _: &mut Reader<'_>) -> Option<Self> {
        Some(Addresses(text.to_owned()))
    }
}

impl SettingType for GroupName {
    const KIND: Kind = Kind::Text;
    const TAKES: &'static str = "1 to 249 of `[a-zA-Z0-9._-]`";

    fn read(Value { at, text }: Value<'_>, read: &mut Reader<'_>) -> Option<Self> {
        let help = || "name the group with `group` or EVENT_GROUP".to_owned();
        read.parsed(at, GroupName::parse(text), help)
    }
}

/// A name by the rule of Kafka, which is that of topics.
pub(super) struct InstanceId(pub(super) String);

impl SettingType for InstanceId {
    const KIND: Kind = Kind::Text;
    const TAKES: &'static str = GroupName::TAKES;

    fn read(Value { at, text }: Value<'_>, read: &mut Reader<'_>) -> Option<Self> {
        if let Some(fault) = name_fault(text) {
            read.0.push(problem(
                format!("{at} {fault}, {NAMES}"),
                "write a name like `\"admin-1\"`, another for each process",
            ));
            return None;
        }
        Some(InstanceId(text.to_owned()))
    }
}

impl SettingType for Vec<TopicName> {
    const KIND: Kind = Kind::List;
    const TAKES: &'static str = "names of topics";

    fn read(Value { at, text }: Value<'_>, read: &mut Reader<'_>) -> Option<Self> {
        let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
        let names: Vec<_> = names.collect();
        if names.is_empty() {
            let message = format!("{at} names no topic");
            read.0.push(problem(message, "leave it out to read all topics that have a handler"));
        }
        let topics = names.iter().enumerate().filter_map(|(index, name)| {
            if let Some(fault) = name_fault(name) {
                let message =
                    format!("{at}: topic {} of {} {fault}, {NAMES}", index + 1, names.len());
                read.0.push(problem(message, "write the names that the topics have on the broker"));
            }
            TopicName::foreign(name).ok()
        });
        Some(topics.collect())
    }
}

/// What a text can mean as a duration that is allowed.
pub(super) fn durations_within(setting: &Setting, text: &str) -> Vec<String> {
    let (least, most) = setting.times;
    let mut meant = meant_durations(text, setting.example());
    meant.retain(|one| parse_duration(one).is_ok_and(|one| (least..=most).contains(&one)));
    meant
}

/// The same of a range.
pub(super) fn ranges_within(setting: &Setting, text: &str) -> Vec<String> {
    let (least, most) = setting.times;
    let mut meant = meant_duration_ranges(text, setting.example());
    meant.retain(|range| {
        parse_duration_range(range).is_ok_and(|(first, last)| first >= least && last <= most)
    });
    meant
}

// What a text can mean, as what to write.
fn one_or_other(at: At<'_>, meant: &[String]) -> Option<String> {
    let each: Vec<_> = meant.iter().map(|one| at.as_text(one)).collect();
    (!each.is_empty()).then(|| format!("write {}", each.join(" or ")))
}

/// Whether a text is made of digits and the letters of units alone, though perhaps no duration that is taken.
fn is_like_a_duration(text: &str) -> bool {
    let is_of_one = |c: char| c.is_ascii_digit() || "PTdhmsnuµHMS+-. ".contains(c);
    text.len() <= 16 && text.contains(|c: char| c.is_ascii_digit()) && text.chars().all(is_of_one)
}

/// A duration in the largest unit that says it without a fraction.
fn in_one_unit(duration: Duration) -> String {
    let (seconds, nanoseconds) = (duration.as_secs(), duration.subsec_nanos());
    match (seconds, nanoseconds) {
        (0, 0) => "0s".to_owned(),
        (_, 0) if seconds % 3600 == 0 => format!("{}h", seconds / 3600),
        (_, 0) if seconds % 60 == 0 => format!("{}m", seconds / 60),
        (_, 0) => format!("{seconds}s"),
        _ => format!("{duration:?}"),
    }
}

/// Where the problems of values are noted.
pub(super) struct Reader<'a>(pub(super) &'a mut Vec<StartupProblem>);

impl Reader<'_> {
    fn one_of<T: Copy>(
        &mut self,
        all: &[T],
        words: &[&str],
        Value { at, text }: Value<'_>,
    ) -> Option<T> {
        if let Some(index) = words.iter().position(|word| *word == text) {
            return all.get(index).copied();
        }
        let lower = text.trim().to_ascii_lowercase();
        let near = nearest(&lower, words.iter().copied());
        let near = near.filter(|(near, distance)| *distance <= near.len() / 2);
        let is_flag = matches!(&*lower, "yes" | "no" | "on" | "off");
        let text = shown(text, near.is_some() || is_flag || is_number(text));
        let help = match near {
            Some((near, _)) => format!("did you mean `{near}`?"),
            None => "write one of these".to_owned(),
        };
        let message = format!("{at} is {text}, it must be one of `{}`", words.join("`, `"));
        self.0.push(problem(message, help));
        None
    }

    fn within(&mut self, at: At<'_>, value: Duration) -> bool {
        let (least, most) = at.setting.times;
        let fits = (least..=most).contains(&value);
        if !fits {
            let [value, least, most] = [value, least, most].map(in_one_unit);
            let message = format!("{at} is {value}, it must be from {least} to {most}");
            self.0.push(problem(message, "write a duration within that"));
        }
        fits
    }

    fn parsed<T, E: fmt::Display>(
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
