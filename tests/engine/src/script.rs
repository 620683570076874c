//! What each record is to do to the service.

use std::time::Duration;

use bytes::Bytes;

use crate::dice::Dice;

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
    /// It fails, and may be tried again.
    Fail,
    /// It panics.
    Panic,
    /// It fails, and no attempt can mend it.
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

/// How long an attempt may take, where the engine knows of time-outs.
pub const TIMEOUT: Duration = Duration::from_secs(1);

/// What a record does.
#[derive(Clone, Debug)]
pub struct Script {
    /// The key.
    pub key: Option<Bytes>,
    /// The value.
    pub value: Option<Bytes>,
    /// How the attempts end, the last of these also for all that follow; empty when no handler
    /// gets it.
    pub acts: Vec<Act>,
    /// How long each attempt takes.
    pub takes: Duration,
    /// How it must end.
    pub end: End,
}

impl Script {
    /// The script of record number `id`, under a policy of so many attempts. Batches are never over
    /// time.
    pub fn roll(dice: &mut Dice, id: usize, attempts: u32, in_batches: bool) -> Self {
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
            0..55 => (event("STEP"), vec![Act::Succeed], End::Handled),
            55..75 => {
                let times = dice.between(0, u64::from(attempts) - 1);
                let mut acts: Vec<_> = (0..times).map(|_| fails(dice)).collect();
                acts.push(Act::Succeed);
                (event("STEP"), acts, End::Handled)
            }
            75..80 => (event("STEP"), vec![fails(dice)], End::DeadLettered),
            80..84 => (event("STEP"), vec![Act::Refuse], End::DeadLettered),
            84 => (event("STEP"), vec![Act::SkipByError], End::Skipped),
            85..87 => (event("STEP"), vec![Act::Skip], End::Skipped),
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
        let overruns = takes > TIMEOUT && !acts.is_empty() && !in_batches;
        let end = if overruns { End::DeadLettered } else { end };
        Script { key, value, acts, takes, end }
    }

    /// How an attempt (from 1 on) ends.
    #[must_use]
    pub fn act(&self, attempt: u32) -> Act {
        let index = usize::try_from(attempt).unwrap_or(usize::MAX) - 1;
        self.acts.get(index).or(self.acts.last()).copied().unwrap_or(Act::Succeed)
    }
}
