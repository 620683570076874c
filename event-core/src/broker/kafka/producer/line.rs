//! What is under way, and what waits for room.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{Client, MAX_IN_FLIGHT_BYTES, MAX_IN_FLIGHT_RECORDS, Pending};
use crate::broker::OutgoingRecord;

/// What is under way. Sends are numbered in turns that a flush closes, so that a flush waits for
/// what was sent before it and not for what is sent meanwhile.
pub(super) struct Line {
    pub(super) client: Arc<Client>,
    pub(super) waiting: VecDeque<(OutgoingRecord, Pending)>,
    pub(super) records: usize,
    pub(super) bytes: usize,
    /// librdkafka had no room for the first one that waits.
    pub(super) is_starved: bool,
    /// How many records of each turn are open; the first one is turn number `first_turn`.
    open: VecDeque<usize>,
    first_turn: u64,
}

impl Line {
    pub(super) fn new(client: Arc<Client>) -> Self {
        Line {
            client,
            waiting: VecDeque::new(),
            records: 0,
            bytes: 0,
            is_starved: false,
            open: VecDeque::from([0]),
            first_turn: 0,
        }
    }

    pub(super) fn has_room(&self) -> bool {
        self.records < MAX_IN_FLIGHT_RECORDS && self.bytes < MAX_IN_FLIGHT_BYTES
    }

    /// Counts a record in, in the present turn.
    pub(super) fn begin(&mut self, pending: &Pending) {
        if let Some(open) = self.open.back_mut() {
            *open += 1;
        }
        let turn = self.first_turn + self.open.len() as u64 - 1;
        pending.slot().set_turn(turn);
    }

    /// Counts a record out.
    pub(super) fn end(&mut self, pending: &Pending) {
        self.end_many(pending.slot().turn(), 1);
    }

    fn end_many(&mut self, turn: u64, count: usize) {
        let index = usize::try_from(turn - self.first_turn).unwrap_or(usize::MAX);
        if let Some(open) = self.open.get_mut(index) {
            *open -= count;
        }
        while self.open.len() > 1 && self.open.front() == Some(&0) {
            self.open.pop_front();
            self.first_turn += 1;
        }
    }

    /// Ends the present turn and returns the next one, which nothing sent so far belongs to.
    pub(super) fn close_turn(&mut self) -> u64 {
        if self.open.back() != Some(&0) {
            self.open.push_back(0);
        }
        self.first_turn + self.open.len() as u64 - 1
    }

    /// How many records of the turns before `turn` are open.
    pub(super) fn open_before(&self, turn: u64) -> usize {
        let turns = turn.saturating_sub(self.first_turn);
        self.open.iter().take(usize::try_from(turns).unwrap_or(usize::MAX)).sum()
    }
}

/// How many records of each turn a delivery report has: mostly those of one turn.
#[derive(Default)]
pub(super) struct Turns(Vec<(u64, usize)>);

impl Turns {
    pub(super) fn add(&mut self, turn: u64) {
        match self.0.last_mut() {
            Some((last, count)) if *last == turn => *count += 1,
            _ => self.0.push((turn, 1)),
        }
    }

    /// Counts them out.
    pub(super) fn end_in(self, line: &mut Line) {
        for (turn, count) in self.0 {
            line.end_many(turn, count);
        }
    }
}
