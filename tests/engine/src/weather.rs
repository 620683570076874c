//! What goes wrong with requests, by chance.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use event_core::broker::memory::{Fault, Request};
use event_core::broker::{BrokerError, OutgoingRecord};
use event_core::processor::{dead_letter_header, retry_header};

use crate::dice::Dice;
use crate::world::World;

/// Decides what becomes of requests. Cloning it shares it.
#[derive(Clone)]
pub struct Weather(Arc<Mutex<State>>);

struct State {
    dice: Dice,
    world: World,
    calm: bool,
    /// In percent of the requests of each kind: refused, unanswered, slow.
    send: [u64; 3],
    commit: [u64; 3],
    fetch: [u64; 3],
    dead_letters_down_until: Duration,
}

enum Kind {
    Refused,
    Unanswered,
    Slow(Duration),
}

impl Weather {
    /// The weather of this world; how bad it is, is chance as well.
    #[must_use]
    pub fn new(mut dice: Dice, world: World) -> Self {
        let mut rates = |worst: u64| [(); 3].map(|()| dice.between(0, worst));
        let (send, commit, fetch) = (rates(20), rates(25), rates(8));
        let dead_letters_down_until = Duration::ZERO;
        let calm = false;
        let state = State { dice, world, calm, send, commit, fetch, dead_letters_down_until };
        Weather(Arc::new(Mutex::new(state)))
    }

    /// Nothing goes wrong any more.
    pub fn calm_down(&self) {
        self.state().calm = true;
    }

    /// No dead letter can be written for a while.
    pub fn dead_letters_down_until(&self, until: Duration) {
        self.state().dead_letters_down_until = until;
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What becomes of a request.
    #[must_use]
    pub fn decide(&self, request: &Request<'_>) -> Option<Fault> {
        let state = &mut *self.state();
        match request {
            Request::Produce(record) => state.send(record),
            Request::Commit { member, progress, last, .. } => {
                state.world.commit_requested(progress);
                let now = state.world.now();
                let interval = state.world.record().rules.commit_interval;
                let (name, fault) = match state.kind(|state| state.commit, 500)? {
                    Kind::Refused => {
                        state.world.commit_error(*member, now + 2 * interval);
                        if *last {
                            state.world.last_commit_failed(*member, progress);
                        }
                        ("commit refused", Fault::Refused(BrokerError::Other("refused".into())))
                    }
                    Kind::Unanswered => {
                        ("commit done but unanswered", Fault::Unanswered(timed_out("the commit")))
                    }
                    Kind::Slow(delay) => {
                        state.world.commit_error(*member, now + delay);
                        ("commit slow", Fault::Slow(delay))
                    }
                };
                state.world.fault(name, || request.to_string());
                Some(fault)
            }
            Request::Fetch { .. } => {
                let (name, fault) = match state.kind(|state| state.fetch, 300)? {
                    Kind::Refused | Kind::Unanswered => {
                        ("fetch failed", Fault::Refused(BrokerError::Other("no leader".into())))
                    }
                    Kind::Slow(delay) => ("fetch slow", Fault::Slow(delay)),
                };
                state.world.fault(name, || request.to_string());
                Some(fault)
            }
            _ => None,
        }
    }
}

impl State {
    fn kind(&mut self, rates: impl Fn(&State) -> [u64; 3], slowest_ms: u64) -> Option<Kind> {
        let [refused, unanswered, slow] = rates(self);
        let roll = self.dice.between(0, 99);
        let delay = self.dice.ms(1, slowest_ms);
        match roll {
            _ if self.calm => None,
            roll if roll < refused => Some(Kind::Refused),
            roll if roll < refused + unanswered => Some(Kind::Unanswered),
            roll if roll < refused + unanswered + slow => Some(Kind::Slow(delay)),
            _ => None,
        }
    }

    fn send(&mut self, record: &OutgoingRecord) -> Option<Fault> {
        // Only what the engine sends.
        let text = |name| record.headers.get_text(name);
        let (id, is_letter) = match text(dead_letter_header::ID) {
            Some(id) => (id.to_owned(), true),
            None => {
                let [partition, offset] = [retry_header::PARTITION, retry_header::OFFSET].map(text);
                (copy_id(text(retry_header::TOPIC)?, partition?, offset?), false)
            }
        };
        let kind = self.kind(|state| state.send, 1500);
        let down = is_letter && !self.calm && self.world.now() < self.dead_letters_down_until;
        let kind = if down { Kind::Refused } else { kind? };
        let (name, fault) = match kind {
            Kind::Refused => {
                let last_error = "connection refused".to_owned();
                let error = BrokerError::Unreachable { address: "memory".to_owned(), last_error };
                ("dead letter refused", Fault::Refused(error))
            }
            Kind::Unanswered => {
                ("dead letter written but unanswered", Fault::Unanswered(timed_out("the record")))
            }
            Kind::Slow(delay) => ("dead letter slow", Fault::Slow(delay)),
        };
        if !matches!(fault, Fault::Refused(_)) {
            *self.world.record().allowed_copies.entry(id.clone()).or_default() += 1;
        }
        let name = match name {
            _ if is_letter => name,
            "dead letter refused" => "move to a retry topic refused",
            "dead letter slow" => "move to a retry topic slow",
            _ => "move to a retry topic done but unanswered",
        };
        self.world.fault(name, || id);
        Some(fault)
    }
}

/// How the copies of a record in retry topics are called where it is noted that they may be more.
#[must_use]
pub fn copy_id(topic: &str, partition: &str, offset: &str) -> String {
    format!("copy of {topic}/{partition}@{offset}")
}

fn timed_out(what: &str) -> BrokerError {
    BrokerError::TimedOut { what: what.to_owned(), last_error: "nothing".to_owned() }
}
