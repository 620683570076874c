//! Hands several records to the loop of a handler, and their outcomes back, as [`feed`](super::feed) does one.

use std::cell::Cell;
use std::future::poll_fn;
use std::task::{Context, Poll};

use super::{BatchCallFn, BatchHandlerFn, HandlerLoop};
use crate::delivery::{Delivery, HandedBatch, NextBatch, OpenedBatch};
use crate::extract::Taken;
use crate::outcome::{BatchOutcomes, Error, Fitting, Outcome, Rejection};

/// How an attempt at several records ended.
pub(crate) struct BatchEnded {
    pub(crate) results: BatchResults,
    /// Whether the outer object of one was read, and has fields that count as absent because they cannot be.
    pub(crate) has_ignored: bool,
    /// Whether the loop takes no other records.
    pub(crate) is_loop_over: bool,
}

/// How each record of an attempt ended.
pub(crate) enum BatchResults {
    /// Each was handled.
    Handled,
    /// Each as is said here, in their order.
    Each(Vec<Result<Outcome, Rejection>>),
    /// The call failed as a whole.
    Failed(Error),
}

impl BatchEnded {
    pub(crate) fn new(results: BatchResults) -> Self {
        BatchEnded { results, has_ignored: false, is_loop_over: false }
    }

    pub(crate) fn of_loop_that_is_over(error: Error) -> Self {
        BatchEnded { is_loop_over: true, ..BatchEnded::new(BatchResults::Failed(error)) }
    }
}

impl BatchResults {
    /// Whether a record returned events, which are to be sent.
    pub(crate) fn sends(&self) -> bool {
        let sends = |result: &Result<_, _>| matches!(result, Ok(Outcome::Emits(_)));
        matches!(self, BatchResults::Each(results) if results.iter().any(sends))
    }

    /// One for each of `count` records, in their order.
    pub(crate) fn each(self, count: usize) -> Vec<Result<Outcome, Rejection>> {
        let error = match self {
            BatchResults::Handled => return (0..count).map(|_| Ok(Outcome::Handled)).collect(),
            BatchResults::Each(results) if results.len() == count => return results,
            BatchResults::Each(results) => {
                let found = results.len();
                let plural = |number| if number == 1 { "" } else { "s" };
                let message = format!(
                    "the handler returned {found} outcome{} for {count} record{}",
                    plural(found),
                    plural(count)
                );
                Error::msg(message)
            }
            BatchResults::Failed(error) => error,
        };
        (0..count).map(|_| Ok(Outcome::Failed(error.again()))).collect()
    }
}

thread_local! {
    static NEXT: Cell<Option<NextBatch>> = const { Cell::new(None) };
    static ENDED: Cell<Option<BatchEnded>> = const { Cell::new(None) };
}

/// Where the loop of a handler of several records gets them from.
#[derive(Debug)]
pub struct BatchFeed<'a> {
    /// The deliveries of a loop that runs once.
    once: Option<&'a [Delivery<'a>]>,
    is_once: bool,
    /// How many records the present attempt has.
    count: usize,
    /// Those that do not fit into its batch.
    rejections: Vec<(usize, Rejection)>,
}

impl<'a> BatchFeed<'a> {
    pub(crate) fn lane() -> Self {
        BatchFeed { once: None, is_once: false, count: 0, rejections: Vec::new() }
    }

    fn once(deliveries: &'a [Delivery<'a>]) -> Self {
        BatchFeed { once: Some(deliveries), is_once: true, ..BatchFeed::lane() }
    }

    /// Waits for the next records; `None` when there are no more.
    pub fn records(
        &mut self,
    ) -> impl Future<Output = Option<HandedBatch<'a>>> + Send + use<'a, '_> {
        poll_fn(move |_| {
            if self.is_once {
                return Poll::Ready(self.once.take().map(HandedBatch::Once));
            }
            // Nothing wakes it: whoever has records polls it.
            match NEXT.take() {
                Some(next) => Poll::Ready(Some(HandedBatch::Next(next))),
                None => Poll::Pending,
            }
        })
    }

    /// The batch that was made of `all`, and the first record in it; when none fits, the attempt has ended.
    pub fn taken<'r, B>(
        &mut self,
        all: &'r [Delivery<'r>],
        taken: Taken<B>,
    ) -> Option<(B, &'r Delivery<'r>)> {
        self.count = all.len();
        self.rejections = taken.rejections;
        // The first that is not where a rejection of its own would be.
        let first = self.rejections.iter().zip(0..).take_while(|((at, _), index)| at == index);
        match all.get(first.count()) {
            Some(first) => Some((taken.batch, first)),
            None => {
                self.end(false, Vec::new());
                None
            }
        }
    }

    /// An argument that was made from the first record; with the reason why it was not, the attempt has ended.
    pub fn made<T>(&mut self, argument: Result<T, Rejection>) -> Option<T> {
        let rejection = match argument {
            Ok(made) => return Some(made),
            Err(rejection) => rejection,
        };
        let fit = self.count - self.rejections.len();
        self.end(false, for_each(rejection, fit));
        None
    }

    /// The records in the batch, of all.
    pub fn fitting<'r>(&'r self, all: &'r [Delivery<'r>]) -> Fitting<'r> {
        Fitting::new(all, &self.rejections)
    }

    /// Says how the attempt ended.
    pub fn ended(&mut self, opened: &OpenedBatch<'_>, outcomes: BatchOutcomes) {
        match outcomes {
            BatchOutcomes::Handled if self.rejections.is_empty() => {
                let has_ignored = opened.has_ignored();
                let ended = BatchEnded { has_ignored, ..BatchEnded::new(BatchResults::Handled) };
                ENDED.set(Some(ended));
            }
            BatchOutcomes::Handled => {
                let fit = self.count - self.rejections.len();
                self.end(opened.has_ignored(), (0..fit).map(|_| Ok(Outcome::Handled)).collect());
            }
            BatchOutcomes::Each(outcomes) => {
                self.end(opened.has_ignored(), outcomes.into_iter().map(Ok).collect());
            }
        }
    }

    // The outcomes of those that fit, and why the others do not.
    fn end(&mut self, has_ignored: bool, outcomes: Vec<Result<Outcome, Rejection>>) {
        let rejections = std::mem::take(&mut self.rejections);
        let results = if rejections.is_empty() {
            outcomes
        } else {
            let (mut outcomes, mut rejections) =
                (outcomes.into_iter(), rejections.into_iter().peekable());
            let each = (0..self.count).map(|index| {
                match rejections.next_if(|(rejected, _)| *rejected == index) {
                    Some((_, rejection)) => Err(rejection),
                    // There is one for each that fits; were one missing, its record would be retried.
                    None => outcomes.next().unwrap_or_else(missing),
                }
            });
            each.collect()
        };
        let ended = BatchEnded { has_ignored, ..BatchEnded::new(BatchResults::Each(results)) };
        ENDED.set(Some(ended));
    }
}

fn missing() -> Result<Outcome, Rejection> {
    Ok(Outcome::Failed(Error::msg("the batch has no outcome for this record")))
}

// An argument was made from the first record and speaks of it: when there are several, each is tried
// alone, with arguments of its own.
fn for_each(rejection: Rejection, count: usize) -> Vec<Result<Outcome, Rejection>> {
    if count == 1 {
        return vec![Err(rejection)];
    }
    let error = match rejection {
        Rejection::Failed(error) => error,
        other => Error::from(other),
    };
    (0..count).map(|_| Ok(Outcome::Failed(error.again()))).collect()
}

/// Polls a loop, which works on `next` when it waits for records. A loop that panicked, or that is
/// dropped while it is pending, must not be polled again.
pub(crate) fn poll_batch_loop(
    work: &mut HandlerLoop<'_>,
    context: &mut Context<'_>,
    next: Option<NextBatch>,
) -> Poll<BatchEnded> {
    if next.is_some() {
        NEXT.set(next);
    }
    let polled = work.as_mut().poll(context);
    match (ENDED.take(), polled) {
        (Some(ended), _) => Poll::Ready(ended),
        (None, Poll::Pending) => Poll::Pending,
        (None, Poll::Ready(())) => Poll::Ready(without_outcome()),
    }
}

// What the attribute generates always says how an attempt ended.
#[cold]
fn without_outcome() -> BatchEnded {
    NEXT.take();
    BatchEnded::of_loop_that_is_over(Error::msg("the handler ended without an outcome"))
}

/// Forgets what a loop that panicked has left in the cells.
#[cold]
pub(super) fn clear() {
    drop((NEXT.take(), ENDED.take()));
}

/// Runs a handler of several records once: an outcome for each, in their order.
pub(crate) fn call_batch_once<'a>(
    handler: BatchHandlerFn,
    deliveries: &'a [Delivery<'a>],
) -> impl Future<Output = Vec<Result<Outcome, Rejection>>> + Send + 'a {
    let mut work = handler(BatchFeed::once(deliveries));
    poll_fn(move |context| {
        poll_batch_loop(&mut work, context, None).map(|ended| ended.results.each(deliveries.len()))
    })
}

/// The loop of a handler that is called for each batch.
pub(crate) fn loop_of_batch_calls(handler: BatchCallFn) -> HandlerLoop<'static> {
    let mut feed = BatchFeed::lane();
    Box::pin(async move {
        while let Some(handed) = feed.records().await {
            let Some(opened) = handed.open() else { break };
            let deliveries = opened.deliveries();
            feed.count = deliveries.len();
            let results = handler(&deliveries).await;
            let results = BatchResults::Each(BatchResults::Each(results).each(deliveries.len()));
            let ended =
                BatchEnded { has_ignored: opened.has_ignored(), ..BatchEnded::new(results) };
            ENDED.set(Some(ended));
        }
    })
}
