//! What each record is to do to the service.

use std::time::Duration;

use bytes::Bytes;
use event_core::handler::Order;

use crate::dice::Dice;
use crate::handlers::Mode;

/// How a record is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// Its handler deals with it.
    Handled,
    /// It is passed over.
    Skipped,
    /// It is dead-lettered.
    DeadLettered,
}

/// How one attempt ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// It succeeds.
    Succeed,
    /// It fails, and may be retried.
    Fail,
    /// It panics.
    Panic,
    /// It fails, and no retry can fix it.
    Refuse,
    /// It says that the record needs no work.
    Skip,
    /// It fails, and says when to try again.
    RetryAfter(Duration),
    /// It fails with an error that says that the record needs no work.
    SkipByError,
    /// It fails with an error that says that something it needs is down: not counted as an attempt.
    Unavailable,
}

/// How a call with several records fails as a whole: nothing is said of any one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spoil {
    /// With one error for all.
    Fail,
    /// With one error for all, which says when to try again.
    RetryAfter(Duration),
    /// With a panic.
    Panic,
    /// It takes too long.
    OverTime,
}

/// How long an attempt may take, where the engine knows of time-outs.
pub const TIMEOUT: Duration = Duration::from_secs(1);

/// What a record does.
#[derive(Clone, Debug)]
pub struct Script {
    /// The key.
    pub key: Option<Bytes>,
    /// The value.
    pub value: Option<Bytes>,
    /// The order that its handler keeps.
    pub order: Order,
    /// How the attempts end, the last of these also for all that follow; empty when no handler
    /// gets it.
    pub acts: Vec<Act>,
    /// How long each attempt takes.
    pub takes: Duration,
    /// What becomes of a call that it is in together with others.
    pub spoils: Option<Spoil>,
    /// How it must end.
    pub end: End,
}

/// Whether one of two records waits for the other.
#[must_use]
pub fn one_after_the_other(one: (Order, Option<&Bytes>), other: (Order, Option<&Bytes>)) -> bool {
    match (one, other) {
        ((Order::None, _) | (Order::Key, None), _) | (_, (Order::None, _) | (Order::Key, None)) => {
            false
        }
        ((Order::Key, one), (Order::Key, other)) => one == other,
        _ => true,
    }
}

impl Script {
    /// The script of record number `id`, under a policy of so many attempts.
    pub fn roll(dice: &mut Dice, id: usize, attempts: u32, mode: &Mode) -> Self {
        let (name, order) = *dice.pick(mode.events);
        let key = match dice.between(0, 9) {
            0 => None,
            1 => Some(Bytes::new()),
            number => Some(Bytes::from(format!("key-{number}"))),
        };
        let takes = match dice.between(0, 99) {
            0..60 => Duration::ZERO,
            60..90 => dice.ms(1, 20),
            90..98 => dice.ms(20, 200),
            // Longer than any drain may take.
            _ => dice.ms(1001, 6000),
        };
        let event = |name: &str| Some(format!(r#"{{"eventType":"{name}","data":{id}}}"#).into());
        let fails = |dice: &mut Dice| match dice.between(0, 9) {
            0..3 => Act::Panic,
            3 => Act::RetryAfter(dice.ms(1, 3000)),
            _ => Act::Fail,
        };
        let (value, acts, end) = match dice.between(0, 99) {
            0..55 => (event(name), vec![Act::Succeed], End::Handled),
            55..75 => {
                let times = dice.between(0, u64::from(attempts) - 1);
                let mut acts: Vec<_> = (0..times).map(|_| fails(dice)).collect();
                acts.push(Act::Succeed);
                (event(name), acts, End::Handled)
            }
            75..80 => (event(name), vec![fails(dice)], End::DeadLettered),
            80..84 => (event(name), vec![Act::Refuse], End::DeadLettered),
            84 => (event(name), vec![Act::SkipByError], End::Skipped),
            85..87 => (event(name), vec![Act::Skip], End::Skipped),
            87..90 => (event("OTHER"), Vec::new(), End::Skipped),
            90..93 => (None, Vec::new(), End::Skipped),
            _ => {
                let length = dice.between(0, 40);
                // No JSON begins with this byte.
                let bytes = (0..length).map(|_| dice.roll().to_le_bytes()[0]);
                let bytes: Bytes = std::iter::once(0xff).chain(bytes).collect();
                (Some(bytes), Vec::new(), End::DeadLettered)
            }
        };
        let spoils = match dice.between(0, 99) {
            _ if !mode.in_batches => None,
            0..3 => Some(Spoil::Fail),
            3 => Some(Spoil::RetryAfter(dice.ms(1, 3000))),
            4 => Some(Spoil::Panic),
            5 => Some(Spoil::OverTime),
            _ => None,
        };
        // In batches none takes so long by itself.
        let overruns = takes > TIMEOUT && !acts.is_empty() && !mode.in_batches;
        let end = if overruns { End::DeadLettered } else { end };
        Script { key, value, order, acts, takes, spoils, end }
    }

    /// How an attempt (from 1 on) ends.
    #[must_use]
    pub fn act(&self, attempt: u32) -> Act {
        let index = usize::try_from(attempt).unwrap_or(usize::MAX) - 1;
        self.acts.get(index).or(self.acts.last()).copied().unwrap_or(Act::Succeed)
    }
}
