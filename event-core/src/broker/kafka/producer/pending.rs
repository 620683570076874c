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
pub(in super::super) struct Pending {
    slot: Arc<Slot>,
    is_answered: bool,
}

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
}

impl Pending {
    pub(super) fn new(topic: TopicName, partition: Option<i32>, bytes: usize) -> (Pending, Answer) {
        let (turn, state) = (AtomicU64::new(0), Mutex::new(State::Open(None)));
        let slot = Arc::new(Slot { topic, partition, bytes, turn, state });
        (Pending::of(Arc::clone(&slot)), Answer(slot))
    }

    pub(in super::super) fn of(slot: Arc<Slot>) -> Pending {
        Pending { slot, is_answered: false }
    }

    pub(in super::super) fn slot(&self) -> &Arc<Slot> {
        &self.slot
    }

    pub(super) fn answer(mut self, result: Result<(i32, i64), BrokerError>) {
        self.is_answered = true;
        self.slot.answer(result);
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if !self.is_answered {
            let reason = "the producer was closed before an answer";
            self.slot.answer(Err(BrokerError::Other(reason.to_owned())));
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
            State::Answered(answered) => {
                let topic = self.0.topic.clone();
                return Poll::Ready(match answered {
                    // It says the same however often it is asked.
                    Ok((partition, offset)) => Ok(Acknowledged {
                        partition: TopicPartition { topic, partition: *partition },
                        offset: Offset(*offset),
                    }),
                    Err(error) => Err(BrokerError::clone(error)),
                });
            }
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_answer_says_the_same_to_who_asks_again() {
        let topic = TopicName::from_static("role_events");
        let (pending, mut written) = Pending::new(topic.clone(), None, 1);
        pending.answer(Ok((2, 7)));
        let (dropped, mut lost) = Pending::new(topic, None, 1);
        drop(dropped);
        let second = Duration::from_secs(1);
        for _ in 0..2 {
            let answer = tokio::time::timeout(second, &mut written).await.unwrap().unwrap();
            assert_eq!((answer.partition.partition, answer.offset), (2, Offset(7)));
            assert!(tokio::time::timeout(second, &mut lost).await.unwrap().is_err());
        }
    }
}
