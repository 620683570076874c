//! Several events at once.

use std::future::{Ready, ready};
use std::ops::Deref;
use std::pin::Pin;
use std::sync::OnceLock;

use super::{Argument, Event, FromDelivery};
use crate::delivery::{Delivery, Offset, Position, RecordRef, TopicPartition};
use crate::event::{Payload, TopicName};
use crate::outcome::Rejection;

/// Several events at once, in the order of their records: the argument of a handler with
/// `batch(..)`. Derefs to a slice of [`Event`]s and gives them by value when iterated.
///
/// All are of one partition. An event whose data cannot be decoded is dead-lettered alone and is not
/// among them, and there is always one at least.
///
/// ```
/// # use event_core::prelude::*;
/// # #[derive(Event, serde::Deserialize)]
/// # #[event(topic = "role_events", name = "CLAIM_ADDED")]
/// # struct ClaimAdded { id: i64 }
/// #[event_handler(batch(max = 100, wait = "20ms"))]
/// async fn count_claims(claims: Batch<ClaimAdded>) {
///     println!("{} claims from {:?} on", claims.len(), claims.positions().first());
///     for claim in claims {
///         println!("claim {}", claim.id);
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// // In a unit test:
/// count_claims(Batch::new([Event::new(ClaimAdded { id: 7 })])).await;
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Batch<T> {
    events: Vec<Event<T>>,
    positions: Positions,
}

/// Where the events of a batch lie, put together when somebody asks: nearly nobody does.
#[derive(Clone, Debug, Default)]
struct Positions {
    /// The topic, and where in it the first lies.
    first: Option<(TopicName, InTopic)>,
    others: Vec<InTopic>,
    made: OnceLock<Vec<Position>>,
}

/// Partition, offset and timestamp.
type InTopic = (i32, Offset, i64);

impl Positions {
    fn of(count: usize) -> Self {
        // The first is in place.
        let others = Vec::with_capacity(count.saturating_sub(1));
        Positions { others, ..Positions::default() }
    }

    fn add(&mut self, delivery: &Delivery<'_>) {
        let TopicPartition { topic, partition } = delivery.partition;
        let RecordRef { offset, timestamp_ms, .. } = delivery.record;
        let in_topic = (*partition, offset, timestamp_ms);
        match &self.first {
            None => self.first = Some((topic.clone(), in_topic)),
            Some(_) => self.others.push(in_topic),
        }
    }

    fn get(&self) -> &[Position] {
        let Some((topic, first)) = &self.first else {
            return self.made.get().map_or(&[], |made| made);
        };
        self.made.get_or_init(|| {
            let position = |&(partition, offset, timestamp_ms)| Position {
                topic: topic.clone(),
                partition,
                offset,
                timestamp_ms,
            };
            std::iter::once(first).chain(&self.others).map(position).collect()
        })
    }
}

impl<T> Batch<T> {
    /// A batch that comes from nowhere, for calling a handler in a unit test.
    pub fn new(events: impl IntoIterator<Item = Event<T>>) -> Self {
        Batch { events: events.into_iter().collect(), positions: Positions::default() }
    }

    /// The same events as lying at `positions`, one for each.
    #[must_use]
    pub fn with_positions(self, positions: impl IntoIterator<Item = Position>) -> Self {
        let made = OnceLock::from(positions.into_iter().collect::<Vec<_>>());
        Batch { positions: Positions { made, ..Positions::default() }, ..self }
    }

    /// Where the events lie, in their order; empty for a batch that was made by [`new`](Self::new).
    #[must_use]
    pub fn positions(&self) -> &[Position] {
        self.positions.get()
    }

    /// The events alone.
    #[must_use]
    pub fn into_events(self) -> Vec<Event<T>> {
        self.events
    }
}

impl<T> Deref for Batch<T> {
    type Target = [Event<T>];

    fn deref(&self) -> &[Event<T>] {
        &self.events
    }
}

impl<T> IntoIterator for Batch<T> {
    type Item = Event<T>;
    type IntoIter = std::vec::IntoIter<Event<T>>;

    fn into_iter(self) -> Self::IntoIter {
        self.events.into_iter()
    }
}

impl<'b, T> IntoIterator for &'b Batch<T> {
    type Item = &'b Event<T>;
    type IntoIter = std::slice::Iter<'b, Event<T>>;

    fn into_iter(self) -> Self::IntoIter {
        self.events.iter()
    }
}

/// What [`FromDeliveries`] makes of deliveries.
#[derive(Debug)]
pub struct Taken<B> {
    /// The batch of those that fit.
    pub batch: B,
    /// Those that do not fit, by their indexes in rising order, each with the reason.
    pub rejections: Vec<(usize, Rejection)>,
}

/// Something that a handler of several records at once can take as its batch.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the batch of an event handler",
    label = "not a batch",
    note = "a batch is a `Batch<T>` of a contract, or a `Vec` of what one record gives, such as `Json<T>` or `RawEvent`"
)]
pub trait FromDeliveries<'a>: Sized + 'a {
    /// What one of its items is as an argument.
    const ARGUMENT: Argument<'a>;

    /// Makes the batch of what fits.
    fn from_deliveries(deliveries: &'a [Delivery<'a>]) -> impl Future<Output = Taken<Self>> + Send;
}

impl<'a, X: FromDelivery<'a> + Send> FromDeliveries<'a> for Vec<X> {
    const ARGUMENT: Argument<'a> =
        Argument { type_name: std::any::type_name::<Self>, ..X::ARGUMENT };

    #[expect(
        refining_impl_trait,
        reason = "the compiler cannot see that a future of a lifetime of its own is `Send` always"
    )]
    fn from_deliveries(
        deliveries: &'a [Delivery<'a>],
    ) -> Pin<Box<dyn Future<Output = Taken<Self>> + Send + 'a>> {
        Box::pin(async move {
            let batch = Vec::with_capacity(deliveries.len());
            let mut taken = Taken { batch, rejections: Vec::new() };
            for (index, delivery) in deliveries.iter().enumerate() {
                match X::from_delivery(delivery).await {
                    Ok(item) => taken.batch.push(item),
                    Err(rejection) => taken.rejections.push((index, rejection)),
                }
            }
            taken
        })
    }
}

impl<'a, T: Payload<'a> + Send + 'a> FromDeliveries<'a> for Batch<T> {
    const ARGUMENT: Argument<'a> = Argument {
        type_name: std::any::type_name::<Self>,
        ..<Event<T> as FromDelivery<'a>>::ARGUMENT
    };

    #[expect(
        refining_impl_trait,
        reason = "with a future that has a name, a payload that does not fit is reported once"
    )]
    fn from_deliveries(deliveries: &'a [Delivery<'a>]) -> Ready<Taken<Self>> {
        let count = deliveries.len();
        let mut events = Vec::with_capacity(count);
        let mut positions = Positions::of(count);
        let mut rejections = Vec::new();
        for (index, delivery) in deliveries.iter().enumerate() {
            match <Event<T> as FromDelivery<'a>>::from_delivery(delivery).into_inner() {
                Ok(event) => {
                    events.push(event);
                    positions.add(delivery);
                }
                Err(rejection) => rejections.push((index, rejection)),
            }
        }
        ready(Taken { batch: Batch { events, positions }, rejections })
    }
}
