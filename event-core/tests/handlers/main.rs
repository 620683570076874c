//! Handlers and their results, as the engine calls and reads them.

#![expect(clippy::unwrap_used, reason = "a test")]

mod batches;
mod failures;

use std::sync::Arc;

use event_core::delivery::{
    Delivery, Epoch, LazyEnvelope, Offset, RecordBatch, RecordSource, Shutdown, TopicPartition,
};
use event_core::event::{EnvelopeRules, TopicName};
use event_core::state::StateMap;

/// Key and value of records of one partition.
struct Records(Vec<(Option<String>, Option<String>)>);

impl RecordSource for Records {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn stamp(&self, index: usize) -> (Offset, i64) {
        (Offset(i64::try_from(index).unwrap()), 0)
    }

    fn key(&self, index: usize) -> Option<&[u8]> {
        self.0[index].0.as_deref().map(str::as_bytes)
    }

    fn value(&self, index: usize) -> Option<&[u8]> {
        self.0[index].1.as_deref().map(str::as_bytes)
    }

    fn header_count(&self, _: usize) -> usize {
        0
    }

    fn header(&self, _: usize, _: usize) -> (&[u8], Option<&[u8]>) {
        (&[], None)
    }

    fn size_bytes(&self) -> usize {
        0
    }
}

/// Records of one partition, ready to be delivered.
struct Delivered {
    partition: Arc<TopicPartition>,
    batch: RecordBatch,
    shutdown: Shutdown,
}

impl Delivered {
    fn new(records: &[(Option<&str>, Option<&str>)]) -> Self {
        let owned = |text: &Option<&str>| text.map(str::to_owned);
        let records = records.iter().map(|(key, value)| (owned(key), owned(value))).collect();
        let topic = TopicName::parse("role_events").unwrap();
        let partition = Arc::new(TopicPartition { topic, partition: 0 });
        let batch = RecordBatch::new(partition.clone(), Epoch(1), Box::new(Records(records)));
        Delivered { partition, batch, shutdown: Shutdown::never() }
    }

    fn envelopes(&self) -> Vec<LazyEnvelope<'_>> {
        let rules = EnvelopeRules::default();
        self.batch.iter().map(|record| LazyEnvelope::new(record.value, rules)).collect()
    }

    fn deliveries<'a>(
        &'a self,
        envelopes: &'a [LazyEnvelope<'a>],
        state: &'a StateMap,
    ) -> Vec<Delivery<'a>> {
        let delivery = |(record, envelope): (_, &'a LazyEnvelope<'a>)| Delivery {
            partition: &self.partition,
            record,
            envelope,
            handler: "handler",
            attempt: 1,
            attempts: 5,
            state,
            shutdown: &self.shutdown,
        };
        self.batch.iter().zip(envelopes).map(delivery).collect()
    }
}
