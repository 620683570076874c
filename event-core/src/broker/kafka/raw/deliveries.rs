//! Serves a producer's queue event by event.
//!
//! rdkafka's `poll` does not return before its time-out, and reports each record by itself. A delivery
//! report of librdkafka has the records of a batch, which are settled here at once.

use std::ffi::{CStr, c_char};
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::time::Duration;

use rdkafka::bindings as sys;
use rdkafka::config::RDKafkaLogLevel as Level;
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, Producer, ProducerContext};
use rdkafka::types::{RDKafkaErrorCode, RDKafkaRespErr};
use rdkafka::util::IntoOpaque;

/// Where a record was written, or why it was not.
pub(in super::super) type Report = Result<(i32, i64), RDKafkaErrorCode>;

/// The events of a producer, which it keeps alive.
pub(in super::super) struct DeliveryQueue<C: ProducerContext + 'static> {
    queue: NonNull<sys::rd_kafka_queue_t>,
    producer: Arc<BaseProducer<C>>,
}

// SAFETY: librdkafka's clients and queues may be used from any thread.
unsafe impl<C: ProducerContext + 'static> Send for DeliveryQueue<C> {}

impl<C: ProducerContext + 'static> DeliveryQueue<C> {
    pub(in super::super) fn new(producer: Arc<BaseProducer<C>>) -> Option<Self> {
        // SAFETY: the client is alive.
        let queue = unsafe { sys::rd_kafka_queue_get_main(producer.client().native_ptr()) };
        Some(DeliveryQueue { queue: NonNull::new(queue)?, producer })
    }

    pub(in super::super) fn producer(&self) -> &Arc<BaseProducer<C>> {
        &self.producer
    }

    /// Serves one event, for which it waits up to `timeout`. The records of a delivery report are added
    /// to `reports`; errors and log lines go to the producer's context.
    pub(in super::super) fn serve(
        &self,
        timeout: Duration,
        reports: &mut Vec<(C::DeliveryOpaque, Report)>,
    ) {
        let timeout_ms = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: the queue is alive; the event is ours and is destroyed when it is dropped.
        let event = unsafe { sys::rd_kafka_queue_poll(self.queue.as_ptr(), timeout_ms) };
        let Some(event) = NonNull::new(event).map(Event) else { return };
        match event.kind() {
            sys::RD_KAFKA_EVENT_DR => event.reports::<C>(reports),
            sys::RD_KAFKA_EVENT_ERROR => {
                let (code, reason) = event.error();
                self.producer.context().error(KafkaError::Global(code), reason.trim());
            }
            sys::RD_KAFKA_EVENT_LOG => {
                if let Some((level, facility, message)) = event.log() {
                    self.producer.context().log(level, &facility, &message);
                }
            }
            _ => {}
        }
    }
}

impl<C: ProducerContext + 'static> Drop for DeliveryQueue<C> {
    fn drop(&mut self) {
        // SAFETY: got from librdkafka, and destroyed once while the client is kept; that ends our
        // reference only.
        unsafe { sys::rd_kafka_queue_destroy(self.queue.as_ptr()) };
    }
}

struct Event(NonNull<sys::rd_kafka_event_t>);

impl Event {
    fn kind(&self) -> i32 {
        // SAFETY: the event is alive.
        unsafe { sys::rd_kafka_event_type(self.0.as_ptr()) }
    }

    /// To be called once for a delivery report: each record gives its opaque back.
    fn reports<C: ProducerContext>(&self, reports: &mut Vec<(C::DeliveryOpaque, Report)>) {
        // SAFETY: the event is alive, and a delivery report.
        reports.reserve(unsafe { sys::rd_kafka_event_message_count(self.0.as_ptr()) });
        loop {
            // SAFETY: the same. Each call returns the next message, and null after the last; it lives as
            // long as the event.
            let message = unsafe { sys::rd_kafka_event_message_next(self.0.as_ptr()).as_ref() };
            let Some(message) = message else { return };
            // SAFETY: made by `into_ptr` of the same type when it was produced, and taken once.
            let opaque = unsafe { C::DeliveryOpaque::from_ptr(message._private) };
            let report = match message.err {
                RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR => {
                    Ok((message.partition, message.offset))
                }
                error => Err(error.into()),
            };
            reports.push((opaque, report));
        }
    }

    fn error(&self) -> (RDKafkaErrorCode, String) {
        // SAFETY: the event is alive, and so is its text.
        unsafe {
            let code = sys::rd_kafka_event_error(self.0.as_ptr());
            (code.into(), text(sys::rd_kafka_event_error_string(self.0.as_ptr())))
        }
    }

    fn log(&self) -> Option<(Level, String, String)> {
        let (mut facility, mut message, mut level) = (ptr::null(), ptr::null(), 0);
        // SAFETY: the event is alive, and so are the texts that it points to.
        unsafe {
            let event = self.0.as_ptr();
            let answer = sys::rd_kafka_event_log(event, &mut facility, &mut message, &mut level);
            (answer == 0).then(|| (level_of(level), text(facility), text(message)))
        }
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: ours, and destroyed once.
        unsafe { sys::rd_kafka_event_destroy(self.0.as_ptr()) };
    }
}

/// # Safety
///
/// `text` is null or ends with a zero byte.
unsafe fn text(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: as the caller promises.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

/// The levels of syslog.
fn level_of(level: i32) -> Level {
    match level {
        0 => Level::Emerg,
        1 => Level::Alert,
        2 => Level::Critical,
        3 => Level::Error,
        4 => Level::Warning,
        5 => Level::Notice,
        6 => Level::Info,
        _ => Level::Debug,
    }
}
