//! How what is not clear in a record is read. The settings say it.

use super::setting_words;

/// How what is not clear in a record is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EnvelopeRules {
    /// What becomes of an `occurredAt` without a zone.
    pub naive_times: NaiveTimes,
    /// What becomes of a record with half of a surrogate pair in a text.
    pub lone_surrogates: LoneSurrogates,
}

impl EnvelopeRules {
    /// The same with times without a zone as these.
    #[must_use]
    pub fn naive_times(mut self, naive_times: NaiveTimes) -> Self {
        self.naive_times = naive_times;
        self
    }

    /// The same with what becomes of half of a surrogate pair.
    #[must_use]
    pub fn lone_surrogates(mut self, lone_surrogates: LoneSurrogates) -> Self {
        self.lone_surrogates = lone_surrogates;
        self
    }
}

/// What becomes of a record with half of a surrogate pair in a text: the escape `\ud83d` without one
/// like `\ude00` behind it, which is what is left of an emoji that was cut in two. It names no character.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LoneSurrogates {
    /// It is dead-lettered as `lone_surrogate` where the handler's type reads that text, and else
    /// handled.
    #[default]
    Handle,
    /// It is dead-lettered as `lone_surrogate` wherever the text stands, because other services may
    /// read it.
    DeadLetter,
}

setting_words!(LoneSurrogates: Handle = "handle", DeadLetter = "dead_letter");

/// What a time without a zone is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NaiveTimes {
    /// None: the event says no time. It is counted, with a warning in the log.
    #[default]
    Ignore,
    /// A time in UTC.
    Utc,
}

setting_words!(NaiveTimes: Ignore = "ignore", Utc = "utc");
