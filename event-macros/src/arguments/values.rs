//! The values of arguments that are no names: numbers, durations, words of a closed list.

use std::ops::RangeInclusive;

use event_names::{
    duration_text, meant_duration_ranges, meant_durations, parse_duration, parse_duration_range,
};
use proc_macro2::Ident;
use quote::ToTokens;
use syn::{Expr, ExprPath, Lit, LitStr, UnOp};

use super::{AttributeArgs, Keys, nearest};
use crate::diagnostics::Diagnostics;
use crate::tokens::text_of;

/// Reads values, and complains about one that is not what its key takes.
pub(crate) struct Values<'g> {
    args: &'g AttributeArgs,
    keys: &'g Keys,
    diagnostics: &'g mut Diagnostics,
}

impl<'g> Values<'g> {
    pub(crate) fn new(
        args: &'g AttributeArgs,
        keys: &'g Keys,
        diagnostics: &'g mut Diagnostics,
    ) -> Self {
        Values { args, keys, diagnostics }
    }

    /// A number within `limits`.
    pub(crate) fn number(&mut self, key: &str, limits: RangeInclusive<u32>) -> Option<u32> {
        let value = plain(self.args.value(key)?);
        let Some(digits) = digits(value) else {
            let meant = number_in(value).filter(|number| limits.contains(number));
            let help = meant.map(|number| format!("{key} = {number}"));
            let what = format!("`{key}` is a number, not `{}`", shown(value));
            return self.refuse(key, value, what, help);
        };
        let number = digits.parse().ok().filter(|number| limits.contains(number));
        if number.is_none() {
            let (least, most) = limits.clone().into_inner();
            let without_sign = digits.strip_prefix('-').and_then(|digits| digits.parse().ok());
            let bound = match without_sign.filter(|number| limits.contains(number)) {
                Some(number) if number > 0 => number,
                _ if digits.starts_with('-') || digits == "0" => least,
                _ => most,
            };
            let what = format!("`{key}` is {digits}, it must be from {least} to {most}");
            return self.refuse(key, value, what, Some(format!("{key} = {bound}")));
        }
        number
    }

    /// A duration within `limits`, all in milliseconds.
    pub(crate) fn duration(&mut self, key: &str, limits: RangeInclusive<u64>) -> Option<u64> {
        let value = plain(self.args.value(key)?);
        self.duration_of(key, value, limits, |duration| format!("{key} = {duration}"))
    }

    /// A list of durations within `limits`, each longer than the one before it.
    pub(crate) fn durations(
        &mut self,
        key: &str,
        at_most: usize,
        limits: RangeInclusive<u64>,
    ) -> Option<Vec<u64>> {
        let value = plain(self.args.value(key)?);
        let Expr::Array(array) = value else {
            let text = text_in(value).map_or_else(|| shown(value), LitStr::value);
            let parts = text
                .split(',')
                .map(|part| meant_durations(part, &self.keys.example(key)).into_iter().next());
            let parts = parts.collect::<Option<Vec<_>>>();
            let help = parts.map(|parts| format!("{key} = [\"{}\"]", parts.join("\", \"")));
            let what = format!("`{key}` is a list of durations, not `{}`", shown(value));
            return self.refuse(key, value, what, help);
        };
        let mut durations = Vec::new();
        let before = self.diagnostics.count();
        for element in &array.elems {
            let whole = |duration: &str| duration.to_owned();
            durations.extend(self.duration_of(key, plain(element), limits.clone(), whole));
        }
        if self.diagnostics.count() > before {
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
            self.diagnostics.add(&array.elems[index + 1], what, help);
            return None;
        }
        Some(durations)
    }

    /// A shortest and a longest duration within `limits`.
    pub(crate) fn range(&mut self, key: &str, limits: RangeInclusive<u64>) -> Option<(u64, u64)> {
        let value = plain(self.args.value(key)?);
        let Some(text) = text_in(value) else {
            let help = self.meant_ranges(key, &shown(value), &limits);
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
                    let (least, most) = limits.into_inner();
                    let [first, longest] = [range.0, range.1]
                        .map(|ms| duration_text(ms.clamp(least, most)).as_str().to_owned());
                    let help = format!("{key} = \"{first}..{longest}\"");
                    return self.refuse(key, value, what, Some(help));
                }
                Some(range)
            }
            Err(error) => {
                let help = self.meant_ranges(key, &text, &limits);
                self.refuse(key, value, error, help)
            }
        }
    }

    /// One of the words of a closed list.
    pub(crate) fn word(&mut self, key: &str, words: &[&'static str]) -> Option<Word> {
        let value = plain(self.args.value(key)?);
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
        let value = plain(self.args.value(key)?);
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
        let value = plain(self.args.value(key)?);
        let Some(text) = text_in(value) else {
            return self.refuse(key, value, format!("`{key}` is a text"), None);
        };
        let label = text.value();
        let allowed =
            |c: char| c.is_ascii_alphanumeric() || "._-".contains(c) || others.contains(c);
        if label.is_empty() {
            let example = self.keys.example(key);
            let help = format!("write `{example}`, or remove `{key}`");
            self.diagnostics.add(text, format!("`{key}` is empty"), help);
        } else if label.len() > MAX_BYTES {
            let what = format!("`{key}` is {} bytes long, the limit is {MAX_BYTES}", label.len());
            self.diagnostics.add(text, what, format!("shorten it to {MAX_BYTES} bytes or fewer"));
        } else if let Some(strange) = label.chars().find(|c| !allowed(*c)) {
            let meant: String = label.chars().map(|c| if allowed(c) { c } else { '_' }).collect();
            let what = format!("`{key}` has the character {strange:?}");
            self.diagnostics.add(text, what, format!("write `{key} = \"{meant}\"`"));
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
        let example = self.keys.example(key);
        let meant = |text: &str| {
            if text.trim() == "0" && limits.contains(&0) {
                return Some(write("\"0s\""));
            }
            let fits = |meant: &String| {
                parse_duration(meant).is_ok_and(|duration| limits.contains(&ms(duration)))
            };
            let meant = meant_durations(text, &example).into_iter().filter(fits);
            one_or_other(meant.map(|meant| write(&format!("\"{meant}\""))))
        };
        let Some(text) = text_in(value) else {
            let help = meant(&shown(value));
            let what = format!("`{key}` is a duration in quotes, not `{}`", shown(value));
            if shown(value) == "0" && help.is_none() {
                return self.refuse_zero(key, value, what);
            }
            return self.refuse(key, value, what, help);
        };
        match parse_duration(&text.value()) {
            Ok(duration) if limits.contains(&ms(duration)) => Some(ms(duration)),
            Ok(duration) => {
                let bound =
                    if ms(duration) < *limits.start() { limits.start() } else { limits.end() };
                let what = out_of_limits(key, ms(duration), &limits);
                if *bound > 1 {
                    return self.refuse(key, value, what, Some(write(&quoted(*bound))));
                }
                self.refuse_zero(key, value, what)
            }
            Err(error) => {
                let help = meant(&text.value());
                self.refuse(key, value, error, help)
            }
        }
    }

    // No time at all can mean nothing but that nobody wants to say it here.
    fn refuse_zero<T>(&mut self, key: &str, value: &Expr, what: String) -> Option<T> {
        let help = format!("remove `{key} = {}`; then the setting decides", shown(value));
        self.diagnostics.add(value, what, help);
        None
    }

    // What a text can mean as a range within `limits`.
    fn meant_ranges(&self, key: &str, text: &str, limits: &RangeInclusive<u64>) -> Option<String> {
        let fits = |range: &String| {
            parse_duration_range(range).is_ok_and(|(first, longest)| {
                limits.contains(&ms(first)) && limits.contains(&ms(longest))
            })
        };
        let example = self.keys.example(key);
        let example = example.split('"').nth(1).unwrap_or_default();
        let meant = meant_duration_ranges(text, example).into_iter().filter(fits);
        one_or_other(meant.map(|range| format!("{key} = \"{range}\"")))
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
        self.diagnostics.add(value, what, format!("write `{help}`"));
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

// The number in what is no number: that of `"5"`, `5s`, `5.0` and `"5 times"`.
fn number_in(value: &Expr) -> Option<u32> {
    let text = text_in(value).map_or_else(|| shown(value), LitStr::value);
    let digits: String = text.trim().chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

// What the value can mean, or what else: `a`, or `b`.
fn one_or_other(meant: impl Iterator<Item = String>) -> Option<String> {
    let meant: Vec<_> = meant.take(2).collect();
    (!meant.is_empty()).then(|| meant.join("`, or `"))
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
