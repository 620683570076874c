//! Many events on their way, in order, of which only the oldest is waited for.
//!
//! A stream that polls a future for each of them costs as much as sending does: each has a waker, and is
//! woken by the thread of the acknowledgements.

use std::collections::VecDeque;
use std::fmt;
use std::num::NonZeroUsize;

use serde::Serialize;
use tokio::task::coop::consume_budget;

use super::sending::{Acknowledgement, not_acknowledged};
use super::{EventProducer, SendError};
use crate::event::{Contract, ContractInfo};

/// Sends events one after the other without waiting for each: what [`EventProducer::pipeline`] returns.
///
/// Dropping it takes nothing back, but nobody learns what was not acknowledged: [`finish`](Pipeline::finish) it.
#[must_use = "nothing is sent by it alone"]
pub struct Pipeline<'p> {
    producer: &'p EventProducer,
    at_once: NonZeroUsize,
    underway: VecDeque<(&'static ContractInfo, Acknowledgement)>,
    acknowledged: u64,
}

impl<'p> Pipeline<'p> {
    pub(super) fn new(producer: &'p EventProducer, at_once: NonZeroUsize) -> Self {
        Pipeline { producer, at_once, underway: VecDeque::new(), acknowledged: 0 }
    }

    /// Sends `event`, after waiting for the oldest ones when as many are under way as may be.
    ///
    /// # Errors
    ///
    /// [`SendError::NotAcknowledged`] of the oldest event under way, which is not this one: `event` is then not
    /// sent, those between the two are, and the pipeline can go on. Every other error is that of `event` itself.
    pub async fn send<E: Contract + Serialize>(&mut self, event: &E) -> Result<(), SendError> {
        // Others have their turn, also while all is acknowledged faster than it is sent.
        consume_budget().await;
        while self.underway.len() >= self.at_once.get() {
            self.settle_oldest().await?;
        }
        let underway = self.producer.hand_over(event)?;
        self.underway.push_back((E::INFO, underway));
        Ok(())
    }

    /// Waits for all that are under way, and says how many events were acknowledged.
    ///
    /// # Errors
    ///
    /// [`SendError`] of the first event that was not acknowledged, once all have an answer.
    pub async fn finish(mut self) -> Result<u64, SendError> {
        let mut first = None;
        while !self.underway.is_empty() {
            consume_budget().await;
            if let Err(error) = self.settle_oldest().await {
                first.get_or_insert(error);
            }
        }
        first.map_or(Ok(self.acknowledged), Err)
    }

    /// How many events are known to be acknowledged: those before the oldest one under way, without those that
    /// failed.
    #[must_use]
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    async fn settle_oldest(&mut self) -> Result<(), SendError> {
        // It stays the oldest while it is waited for, also when that is given up.
        let Some((contract, oldest)) = self.underway.front_mut() else { return Ok(()) };
        let result = oldest.await.map_err(|source| not_acknowledged(contract, source));
        self.underway.pop_front();
        result?;
        self.acknowledged += 1;
        Ok(())
    }
}

impl fmt::Debug for Pipeline<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline")
            .field("underway", &self.underway.len())
            .field("acknowledged", &self.acknowledged)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use futures_util::FutureExt;
    use tokio::sync::oneshot;

    use super::*;
    use crate::Event;
    use crate::broker::{Acknowledged, BrokerError, OutgoingRecord, PortFuture, Producer};
    use crate::delivery::{Offset, TopicPartition};

    #[derive(Event, Serialize)]
    #[event(topic = "role_events", name = "COUNTED", key = number)]
    struct Counted {
        number: u64,
    }

    type Reply = oneshot::Sender<Result<Acknowledged, BrokerError>>;

    /// A broker that answers when the test asks it to.
    #[derive(Default)]
    struct Slow(Mutex<Vec<(OutgoingRecord, Reply)>>);

    impl Slow {
        fn sent(&self) -> usize {
            self.0.lock().unwrap().len()
        }

        /// Answers the record of this number in the order of the sends that are not answered.
        fn answer(&self, number: usize, result: Result<(), BrokerError>) {
            let (record, reply) = self.0.lock().unwrap().remove(number);
            let partition = TopicPartition { topic: record.topic, partition: 0 };
            let _ = reply.send(result.map(|()| Acknowledged { partition, offset: Offset(0) }));
        }
    }

    impl Producer for Arc<Slow> {
        fn send(
            &self,
            record: OutgoingRecord,
        ) -> PortFuture<'static, Result<Acknowledged, BrokerError>> {
            let (reply, answer) = oneshot::channel();
            self.0.lock().unwrap().push((record, reply));
            Box::pin(async { answer.await.unwrap() })
        }

        fn flush(&self, _: Duration) -> PortFuture<'_, Result<(), BrokerError>> {
            Box::pin(async { Ok(()) })
        }
    }

    fn producer() -> (Arc<Slow>, EventProducer) {
        let slow = Arc::new(Slow::default());
        let producer = EventProducer::new(Arc::new(Arc::clone(&slow)));
        (slow, producer)
    }

    const TWO: NonZeroUsize = NonZeroUsize::new(2).unwrap();

    #[tokio::test]
    async fn as_many_are_under_way_as_may_be() {
        let (slow, producer) = producer();
        let mut pipeline = producer.pipeline(TWO);
        for number in [1, 2] {
            pipeline.send(&Counted { number }).await.unwrap();
        }
        assert!(pipeline.send(&Counted { number: 3 }).now_or_never().is_none());
        assert_eq!((slow.sent(), pipeline.acknowledged()), (2, 0));
        // The second is acknowledged first.
        slow.answer(1, Ok(()));
        assert!(pipeline.send(&Counted { number: 3 }).now_or_never().is_none());
        slow.answer(0, Ok(()));
        pipeline.send(&Counted { number: 3 }).await.unwrap();
        pipeline.send(&Counted { number: 4 }).await.unwrap();
        assert_eq!((slow.sent(), pipeline.acknowledged()), (2, 2));
        slow.answer(0, Ok(()));
        slow.answer(0, Ok(()));
        assert_eq!(pipeline.finish().await.unwrap(), 4);
    }

    #[tokio::test]
    async fn the_first_that_is_not_acknowledged_is_told_and_the_others_are_sent() {
        let (slow, producer) = producer();
        let mut pipeline = producer.pipeline(TWO);
        for number in [1, 2] {
            pipeline.send(&Counted { number }).await.unwrap();
        }
        slow.answer(0, Ok(()));
        pipeline.send(&Counted { number: 3 }).await.unwrap();
        slow.answer(0, Err(BrokerError::Unauthorised("write".into())));
        let error = pipeline.send(&Counted { number: 4 }).await.unwrap_err();
        assert!(error.to_string().contains("COUNTED"), "{error}");
        assert_eq!((slow.sent(), pipeline.acknowledged()), (1, 1));
        pipeline.send(&Counted { number: 4 }).await.unwrap();
        slow.answer(0, Ok(()));
        slow.answer(0, Err(BrokerError::Unauthorised("write".into())));
        assert!(pipeline.finish().await.is_err());
    }
}
