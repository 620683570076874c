//! Events on their way to the broker.
//!
//! These futures have names because what a handler sends is checked by the compiler: the future of an
//! `async fn` would repeat its bounds, and report one wrong event three times.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use serde::Serialize;
use tokio::task::coop::consume_budget;

use super::{EventProducer, SendAllError, SendError};
use crate::broker::{Acknowledged, BrokerError, PortFuture};
use crate::event::{Contract, ContractInfo};

/// What the broker will say of one event.
pub(super) type Acknowledgement = PortFuture<'static, Result<Acknowledged, BrokerError>>;

/// Sends an event when it is awaited: what [`Producer::send`](super::Producer::send) returns.
#[must_use = "nothing is sent before it is awaited"]
pub struct Sending<'p, E> {
    producer: &'p EventProducer,
    event: &'p E,
    underway: Option<Acknowledgement>,
}

impl<'p, E> Sending<'p, E> {
    pub(super) fn new(producer: &'p EventProducer, event: &'p E) -> Self {
        Sending { producer, event, underway: None }
    }
}

impl<E: Contract + Serialize> Future for Sending<'_, E> {
    type Output = Result<Acknowledged, SendError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let underway = match &mut this.underway {
            Some(underway) => underway,
            none => none.insert(this.producer.hand_over(this.event)?),
        };
        let acknowledged = underway.as_mut().poll(context);
        acknowledged.map_err(|source| not_acknowledged(E::INFO, source))
    }
}

impl<E> fmt::Debug for Sending<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let underway = self.underway.is_some();
        f.debug_struct("Sending").field("underway", &underway).finish_non_exhaustive()
    }
}

/// Sends events when it is awaited: what [`Producer::send_all`](super::Producer::send_all) returns.
#[must_use = "nothing is sent before it is awaited"]
pub struct SendingAll<'p, 'e, E> {
    producer: &'p EventProducer,
    events: Vec<&'e E>,
    underway: Option<PortFuture<'static, Result<Vec<Acknowledged>, SendAllError>>>,
}

impl<'p, 'e, E> SendingAll<'p, 'e, E> {
    pub(super) fn new(
        producer: &'p EventProducer,
        events: impl IntoIterator<Item = &'e E>,
    ) -> Self {
        SendingAll { producer, events: events.into_iter().collect(), underway: None }
    }
}

impl<E: Contract + Serialize> Future for SendingAll<'_, '_, E> {
    type Output = Result<Vec<Acknowledged>, SendAllError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let underway = match &mut this.underway {
            Some(underway) => underway,
            none => {
                // All are handed over at once, so that they keep their order.
                let started = this.events.iter().map(|event| this.producer.hand_over(*event));
                none.insert(Box::pin(all(started.collect(), E::INFO)))
            }
        };
        underway.as_mut().poll(context)
    }
}

impl<E> fmt::Debug for SendingAll<'_, '_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendingAll").field("events", &self.events.len()).finish_non_exhaustive()
    }
}

async fn all(
    started: Vec<Result<Acknowledgement, SendError>>,
    contract: &'static ContractInfo,
) -> Result<Vec<Acknowledged>, SendAllError> {
    let total = started.len();
    let mut sent = Vec::with_capacity(total);
    let mut failed = Vec::new();
    // All are under way, whichever is waited for first.
    for (index, sending) in started.into_iter().enumerate() {
        // Others have their turn, also where all have an answer already.
        consume_budget().await;
        let result = match sending {
            Ok(underway) => underway.await.map_err(|source| not_acknowledged(contract, source)),
            Err(error) => Err(error),
        };
        match result {
            Ok(acknowledged) => sent.push(acknowledged),
            Err(error) => failed.push((index, error)),
        }
    }
    if failed.is_empty() { Ok(sent) } else { Err(SendAllError { total, failed }) }
}

pub(super) fn not_acknowledged(contract: &ContractInfo, source: BrokerError) -> SendError {
    SendError::NotAcknowledged {
        what: format!("event {}", contract.name),
        topic: contract.topic.to_owned(),
        source,
    }
}
