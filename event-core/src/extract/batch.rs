//! Several events at once.

use std::ops::Deref;
use std::pin::Pin;

use super::{Argument, Event, FromDelivery};
use crate::delivery::{Delivery, Position};
use crate::event::Payload;
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
    positions: Vec<Position>,
}

impl<T> Batch<T> {
    /// A batch that comes from nowhere, for calling a handler in a unit test.
    pub fn new(events: impl IntoIterator<Item = Event<T>>) -> Self {
        Batch { events: events.into_iter().collect(), positions: Vec::new() }
    }

    /// The same events as lying at `positions`, one for each.
    #[must_use]
    pub fn with_positions(self, positions: impl IntoIterator<Item = Position>) -> Self {
        Batch { positions: positions.into_iter().collect(), ..self }
    }

    /// Where the events lie, in their order; empty for a batch that was made by [`new`](Self::new).
    #[must_use]
    pub fn positions(&self) -> &[Position] {
        &self.positions
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
pub struct Taken<'a, B> {
    /// The batch of those that fit.
    pub batch: B,
    /// Their deliveries, in order.
    pub deliveries: Vec<&'a Delivery<'a>>,
    /// For each delivery why it does not fit; `None` for those in the batch.
    pub rejections: Vec<Option<Rejection>>,
}

/// The future of [`FromDeliveries`].
pub type Taking<'a, B> = Pin<Box<dyn Future<Output = Taken<'a, B>> + Send + 'a>>;

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
    fn from_deliveries(deliveries: &'a [Delivery<'a>]) -> Taking<'a, Self>;
}

impl<'a, X: FromDelivery<'a> + Send> FromDeliveries<'a> for Vec<X> {
    const ARGUMENT: Argument<'a> =
        Argument { type_name: std::any::type_name::<Self>, ..X::ARGUMENT };

    fn from_deliveries(deliveries: &'a [Delivery<'a>]) -> Taking<'a, Self> {
        Box::pin(async move {
            let mut taken = Taken {
                batch: Vec::with_capacity(deliveries.len()),
                deliveries: Vec::with_capacity(deliveries.len()),
                rejections: Vec::with_capacity(deliveries.len()),
            };
            for delivery in deliveries {
                let made = X::from_delivery(delivery).await;
                taken.rejections.push(match made {
                    Ok(item) => {
                        taken.batch.push(item);
                        taken.deliveries.push(delivery);
                        None
                    }
                    Err(rejection) => Some(rejection),
                });
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

    fn from_deliveries(deliveries: &'a [Delivery<'a>]) -> Taking<'a, Self> {
        Box::pin(async move {
            let taken = <Vec<Event<T>>>::from_deliveries(deliveries).await;
            let positions = taken.deliveries.iter().map(|delivery| delivery.position()).collect();
            let batch = Batch { events: taken.batch, positions };
            Taken { batch, deliveries: taken.deliveries, rejections: taken.rejections }
        })
    }
}
