//! A record under way and who waits for it, in one place that both share.
//!
//! It goes with the record through librdkafka, and comes back with the delivery report. The thread that
//! sends makes and frees it: freed by the thread of the reports, it would cost the other a slow allocation.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::broker::{Acknowledged, BrokerError};
use crate::delivery::{Offset, TopicPartition};
use crate::event::TopicName;

/// A record that is not settled yet. Dropping it answers with an error.
pub(in super::super) struct Pending(Option<Arc<Slot>>);

/// The answer to a record, when it has come.
pub(super) struct Answer(Arc<Slot>);

pub(in super::super) struct Slot {
    pub(super) topic: TopicName,
    pub(super) partition: Option<i32>,
    pub(super) bytes: usize,
    turn: AtomicU64,
    state: Mutex<State>,
}

enum State {
    Open(Option<Waker>),
    Answered(Result<(i32, i64), Box<BrokerError>>),
    Taken,
}

impl Pending {
    pub(super) fn new(topic: TopicName, partition: Option<i32>, bytes: usize) -> (Pending, Answer) {
        let (turn, state) = (AtomicU64::new(0), Mutex::new(State::Open(None)));
        let slot = Arc::new(Slot { topic, partition, bytes, turn, state });
        (Pending(Some(Arc::clone(&slot))), Answer(slot))
    }

    pub(in super::super) fn from_slot(slot: Arc<Slot>) -> Pending {
        Pending(Some(slot))
    }

    /// Nobody is answered until it is made a `Pending` again.
    pub(in super::super) fn into_slot(mut self) -> Option<Arc<Slot>> {
        self.0.take()
    }

    pub(super) fn slot(&self) -> Option<&Slot> {
        self.0.as_deref()
    }

    pub(super) fn answer(mut self, result: Result<(i32, i64), BrokerError>) {
        if let Some(slot) = self.0.take() {
            slot.answer(result);
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if let Some(slot) = self.0.take() {
            let reason = "the producer was closed before an answer";
            slot.answer(Err(BrokerError::Other(reason.to_owned())));
        }
    }
}

impl Slot {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The turn that it was sent in.
    pub(super) fn turn(&self) -> u64 {
        self.turn.load(Ordering::Relaxed)
    }

    pub(super) fn set_turn(&self, turn: u64) {
        self.turn.store(turn, Ordering::Relaxed);
    }

    fn answer(&self, result: Result<(i32, i64), BrokerError>) {
        let answered = State::Answered(result.map_err(Box::new));
        let before = std::mem::replace(&mut *self.state(), answered);
        if let State::Open(Some(waiting)) = before {
            waiting.wake();
        }
    }
}

impl Future for Answer {
    type Output = Result<Acknowledged, BrokerError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.0.state();
        match &mut *state {
            State::Open(Some(waker)) => waker.clone_from(context.waker()),
            State::Open(none) => *none = Some(context.waker().clone()),
            State::Answered(_) => {
                let State::Answered(result) = std::mem::replace(&mut *state, State::Taken) else {
                    return Poll::Pending;
                };
                let topic = self.0.topic.clone();
                return Poll::Ready(match result {
                    Ok((partition, offset)) => Ok(Acknowledged {
                        partition: TopicPartition { topic, partition },
                        offset: Offset(offset),
                    }),
                    Err(error) => Err(*error),
                });
            }
            State::Taken => {}
        }
        Poll::Pending
    }
}
