//! The values of arguments that are no names: numbers, durations, words of a closed list.

use std::ops::RangeInclusive;

use event_names::{
    DurationError, duration_text, meant_duration, meant_duration_range, parse_duration,
    parse_duration_range,
};
use proc_macro2::Ident;
use quote::ToTokens;
use syn::{Expr, ExprPath, Lit, LitStr, UnOp};

use super::{Given, Keys, nearest};
use crate::complaints::Complaints;
use crate::tokens::text_of;

/// The milliseconds of a day.
pub(crate) const DAY_MS: u64 = 24 * 3600 * 1000;

/// Reads values, and complains about one that is not what its key takes.
pub(crate) struct Values<'g> {
    given: &'g Given,
    keys: &'g Keys,
    complaints: &'g mut Complaints,
}

impl<'g> Values<'g> {
    pub(crate) fn new(given: &'g Given, keys: &'g Keys, complaints: &'g mut Complaints) -> Self {
        Values { given, keys, complaints }
    }

    /// A number within `limits`.
    pub(crate) fn number(&mut self, key: &str, limits: RangeInclusive<u32>) -> Option<u32> {
        let value = plain(self.given.value(key)?);
        let Some(digits) = digits(value) else {
            let text = text_in(value).and_then(|text| text.value().trim().parse::<u32>().ok());
            let meant = text.filter(|number| limits.contains(number));
            let help = meant.map(|number| format!("{key} = {number}"));
            let what = format!("`{key}` is a number, not `{}`", shown(value));
            return self.refuse(key, value, what, help);
        };
        let number = digits.parse().ok().filter(|number| limits.contains(number));
        if number.is_none() {
            let (least, most) = limits.into_inner();
            // 0 has a meaning of its own where it is allowed, so it is not what was meant.
            let usual = self.keys.known.iter().find(|(known, _)| *known == key);
            let bound = match usual {
                Some((_, usual)) if least == 0 && digits.starts_with('-') => (*usual).to_owned(),
                _ if digits.starts_with('-') || digits == "0" => least.to_string(),
                _ => most.to_string(),
            };
            let what = format!("`{key}` is {digits}, it must be from {least} to {most}");
            return self.refuse(key, value, what, Some(format!("{key} = {bound}")));
        }
        number
    }

    /// A duration within `limits`, all in milliseconds.
    pub(crate) fn duration(&mut self, key: &str, limits: RangeInclusive<u64>) -> Option<u64> {
        let value = plain(self.given.value(key)?);
        self.duration_of(key, value, limits, |duration| format!("{key} = {duration}"))
    }

    /// A list of durations within `limits`, each longer than the one before it.
    pub(crate) fn durations(
        &mut self,
        key: &str,
        at_most: usize,
        limits: RangeInclusive<u64>,
    ) -> Option<Vec<u64>> {
        let value = plain(self.given.value(key)?);
        let Expr::Array(array) = value else {
            let text = text_in(value).filter(|text| parse_duration(&text.value()).is_ok());
            let help = text.map(|text| format!("{key} = [{}]", text_of(text.to_token_stream())));
            let what = format!("`{key}` is a list of durations, not `{}`", shown(value));
            return self.refuse(key, value, what, help);
        };
        let mut durations = Vec::new();
        let before = self.complaints.count();
        for element in &array.elems {
            let whole = |duration: &str| duration.to_owned();
            durations.extend(self.duration_of(key, plain(element), limits.clone(), whole));
        }
        if self.complaints.count() > before {
            return None;
        }
        if durations.is_empty() {
            return self.refuse(key, value, format!("`{key}` lists no duration"), None);
        }
        if durations.len() > at_most {
            let what = format!("`{key}` lists {}, the limit is {at_most}", durations.len());
            let first: Vec<_> = durations[..at_most].iter().map(|ms| quoted(*ms)).collect();
            return self.refuse(key, value, what, Some(format!("{key} = [{}]", first.join(", "))));
        }
        let falls = durations.windows(2).position(|pair| pair[0] >= pair[1]);
        if let Some(index) = falls {
            let what = format!(
                "`{key}` has {} behind {}, but each delay is longer than the one before",
                duration_text(durations[index + 1]).as_str(),
                duration_text(durations[index]).as_str()
            );
            durations.sort_unstable();
            durations.dedup();
            let rising: Vec<_> = durations.iter().map(|ms| quoted(*ms)).collect();
            let help = format!("write `{key} = [{}]`", rising.join(", "));
            self.complaints.add(&array.elems[index + 1], what, help);
            return None;
        }
        Some(durations)
    }

    /// A shortest and a longest duration within `limits`.
    pub(crate) fn range(&mut self, key: &str, limits: RangeInclusive<u64>) -> Option<(u64, u64)> {
        let value = plain(self.given.value(key)?);
        let Some(text) = text_in(value) else {
            let meant = meant_duration_range(&shown(value));
            let help = meant.map(|range| format!("{key} = \"{range}\""));
            let what = format!("`{key}` is two durations in quotes, not `{}`", shown(value));
            return self.refuse(key, value, what, help);
        };
        let text = text.value();
        match parse_duration_range(&text) {
            Ok((first, longest)) => {
                let range = (ms(first), ms(longest));
                let wrong = [range.0, range.1].into_iter().find(|ms| !limits.contains(ms));
                if let Some(wrong) = wrong {
                    let what = out_of_limits(key, wrong, &limits);
                    return self.refuse(key, value, what, None);
                }
                Some(range)
            }
            Err(error) => {
                // One duration alone is the shortest.
                let one = matches!(error, DurationError::Range(_)).then(|| meant_duration(&text));
                let meant = match one.flatten() {
                    Some(one) => meant_duration_range(&format!("{one}..30s")),
                    // Of numbers without a unit nobody knows which is meant.
                    None => {
                        meant_duration_range(&text).filter(|_| text.contains(char::is_alphabetic))
                    }
                };
                let help = meant.map(|range| format!("{key} = \"{range}\""));
                self.refuse(key, value, error, help)
            }
        }
    }

    /// One of the words of a closed list.
    pub(crate) fn word(&mut self, key: &str, words: &[&'static str]) -> Option<Word> {
        let value = plain(self.given.value(key)?);
        if let Expr::Path(ExprPath { path, qself: None, .. }) = value
            && let Some(ident) = path.get_ident()
        {
            let known = words.iter().find(|word| ident == *word);
            if let Some(word) = known {
                return Some(Word { word, ident: ident.clone() });
            }
            let meant = nearest(&ident.to_string(), words.iter().copied());
            let what = format!("`{key}` is {}, not `{ident}`", one_of(words));
            return self.refuse(key, value, what, meant.map(|word| format!("{key} = {word}")));
        }
        let what = match text_in(value) {
            Some(_) => format!("`{key}` is a word without quotes, {}", one_of(words)),
            None => format!("`{key}` is {}", one_of(words)),
        };
        // A path of our own type, `Order::Key`, ends in the word.
        let last = match value {
            Expr::Path(path) => path.path.segments.last().map(|last| last.ident.to_string()),
            _ => text_in(value).map(LitStr::value),
        };
        let meant = last.and_then(|last| nearest(&last.to_lowercase(), words.iter().copied()));
        self.refuse(key, value, what, meant.map(|word| format!("{key} = {word}")))
    }

    /// The path of a function.
    pub(crate) fn path(&mut self, key: &str) -> Option<ExprPath> {
        let value = plain(self.given.value(key)?);
        if let Expr::Path(path) = value {
            return Some(path.clone());
        }
        let text = text_in(value).and_then(|text| text.parse::<syn::Path>().ok());
        let help = text.map(|path| format!("{key} = {}", text_of(path.to_token_stream())));
        self.refuse(key, value, format!("`{key}` is the path of a function"), help)
    }

    /// A text of 1 to 249 bytes, of letters, digits, `.`, `_`, `-` and what is in `others`.
    pub(crate) fn label(&mut self, key: &str, others: &str) -> Option<LitStr> {
        const MAX_BYTES: usize = event_names::MAX_BYTES;
        let value = plain(self.given.value(key)?);
        let Some(text) = text_in(value) else {
            return self.refuse(key, value, format!("`{key}` is a text"), None);
        };
        let label = text.value();
        let allowed =
            |c: char| c.is_ascii_alphanumeric() || "._-".contains(c) || others.contains(c);
        if label.is_empty() {
            let example = self.keys.example(key);
            let help = format!("write `{example}`, or remove `{key}`");
            self.complaints.add(text, format!("`{key}` is empty"), help);
        } else if label.len() > MAX_BYTES {
            let what = format!("`{key}` is {} bytes long, the limit is {MAX_BYTES}", label.len());
            self.complaints.add(text, what, format!("shorten it to {MAX_BYTES} bytes or fewer"));
        } else if let Some(strange) = label.chars().find(|c| !allowed(*c)) {
            let meant: String = label.chars().map(|c| if allowed(c) { c } else { '_' }).collect();
            let what = format!("`{key}` has the character {strange:?}");
            self.complaints.add(text, what, format!("write `{key} = \"{meant}\"`"));
        } else {
            return Some(text.clone());
        }
        None
    }

    fn duration_of(
        &mut self,
        key: &str,
        value: &Expr,
        limits: RangeInclusive<u64>,
        write: impl Fn(&str) -> String,
    ) -> Option<u64> {
        // A number alone has the unit that is usual for its key.
        let unit = if self.keys.example(key).ends_with("ms\"") { "ms" } else { "s" };
        let meant = |text: &str| {
            let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
            let unit = if is_number { unit } else { "" };
            let meant = meant_duration(&format!("{text}{unit}")).filter(|meant| {
                parse_duration(meant).is_ok_and(|duration| limits.contains(&ms(duration)))
            });
            meant.map(|meant| write(&format!("\"{meant}\"")))
        };
        let Some(text) = text_in(value) else {
            let help = meant(&shown(value));
            let what = format!("`{key}` is a duration in quotes, not `{}`", shown(value));
            return self.refuse(key, value, what, help);
        };
        match parse_duration(&text.value()) {
            Ok(duration) if limits.contains(&ms(duration)) => Some(ms(duration)),
            Ok(duration) => {
                let bound =
                    if ms(duration) < *limits.start() { limits.start() } else { limits.end() };
                let help = Some(write(&quoted(*bound))).filter(|_| *bound > 1);
                self.refuse(key, value, out_of_limits(key, ms(duration), &limits), help)
            }
            Err(error) => {
                let help = meant(&text.value());
                self.refuse(key, value, error, help)
            }
        }
    }

    // Complains; without a `help` of its own the example is what to write.
    fn refuse<T>(
        &mut self,
        key: &str,
        value: &Expr,
        what: impl std::fmt::Display,
        help: Option<String>,
    ) -> Option<T> {
        let help = help.unwrap_or_else(|| self.keys.example(key));
        self.complaints.add(value, what, format!("write `{help}`"));
        None
    }
}

/// A word of a closed list, as it was written.
pub(crate) struct Word {
    pub(crate) word: &'static str,
    pub(crate) ident: Ident,
}

// What a `$value:literal` of a macro_rules macro arrives in is looked through.
fn plain(value: &Expr) -> &Expr {
    match value {
        Expr::Group(group) => plain(&group.expr),
        value => value,
    }
}

fn text_in(value: &Expr) -> Option<&LitStr> {
    match value {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Str(text) => Some(text),
            _ => None,
        },
        _ => None,
    }
}

// The digits of `5` and `-5`; not those of `5s`.
fn digits(value: &Expr) -> Option<String> {
    match value {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Int(int) if int.suffix().is_empty() => Some(int.base10_digits().to_owned()),
            _ => None,
        },
        Expr::Unary(unary) if matches!(unary.op, UnOp::Neg(_)) => {
            digits(&unary.expr).map(|digits| format!("-{digits}"))
        }
        _ => None,
    }
}

fn shown(value: &Expr) -> String {
    text_of(value.to_token_stream())
}

fn ms(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn quoted(ms: u64) -> String {
    format!("\"{}\"", duration_text(ms).as_str())
}

fn out_of_limits(key: &str, ms: u64, limits: &RangeInclusive<u64>) -> String {
    let [is, least, most] = [ms, *limits.start(), *limits.end()].map(duration_text);
    let (is, least, most) = (is.as_str(), least.as_str(), most.as_str());
    format!("`{key}` is {is}, it must be from {least} to {most}")
}

fn one_of(words: &[&str]) -> String {
    let quoted: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
    match &quoted[..] {
        [one] => one.clone(),
        [before @ .., last] => format!("{} or {last}", before.join(", ")),
        [] => String::new(),
    }
}
