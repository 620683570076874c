//! Hands records to the loop of a handler, and its outcomes back.
//!
//! A handler is a loop: it waits for a record, makes the arguments, runs the function, says how that
//! ended, and waits for the next. So its future is made once and used for record after record.
//! Whoever polls the loop has the record that is next put in a cell of the thread, and finds the
//! outcome in another when the poll returns: both are only used within one call of `poll`, which is
//! on one thread, so nothing is locked and nothing is allocated.
//!
//! A lane makes the loop of a handler once and polls it in place for record after record, so that no future is
//! made, boxed or moved for a record, nor for a batch (`batch_feed`). A loop that waits for something is polled
//! again when that wakes the lane; one that panicked or ran out of time is dropped and recreated. A loop between
//! two records holds nothing of either.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::delivery::{Delivery, Handed, Next, NextRecord, Opened};
use crate::outcome::{Error, Outcome, Rejection};

/// The loop of a handler.
pub type HandlerLoop<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// How an attempt ended.
pub(crate) struct Ended {
    pub(crate) result: Result<Outcome, Rejection>,
    /// Whether the outer object was read, and has fields that count as absent because they cannot be.
    pub(crate) has_ignored: bool,
    /// Whether the loop takes no other record.
    pub(crate) is_loop_over: bool,
}

impl Ended {
    pub(crate) fn new(result: Result<Outcome, Rejection>) -> Self {
        Ended { result, has_ignored: false, is_loop_over: false }
    }

    pub(crate) fn of_loop_that_is_over(result: Result<Outcome, Rejection>) -> Self {
        Ended { is_loop_over: true, ..Ended::new(result) }
    }
}

thread_local! {
    static NEXT: Cell<Option<NextRecord>> = const { Cell::new(None) };
    static ENDED: Cell<Option<Ended>> = const { Cell::new(None) };
}

/// Where the loop of a handler gets its records from.
#[derive(Debug)]
pub struct Feed<'a> {
    /// The delivery of a loop that runs once.
    once: Option<&'a Delivery<'a>>,
    is_once: bool,
}

impl<'a> Feed<'a> {
    pub(crate) fn lane() -> Self {
        Feed { once: None, is_once: false }
    }

    fn once(delivery: &'a Delivery<'a>) -> Self {
        Feed { once: Some(delivery), is_once: true }
    }

    /// Waits for the next record; `None` when there is no more.
    pub fn record(&mut self) -> impl Future<Output = Option<Handed<'a>>> + Send + use<'a, '_> {
        poll_fn(move |_| {
            if self.is_once {
                return Poll::Ready(self.once.take().map(Handed::Once));
            }
            // Nothing wakes it: whoever has a record polls it.
            match NEXT.take() {
                Some(next) => Poll::Ready(Some(Handed::Next(Next(next)))),
                None => Poll::Pending,
            }
        })
    }

    /// An argument that was made; with the reason why it was not, the attempt has ended.
    pub fn made<T>(&mut self, argument: Result<T, Rejection>) -> Option<T> {
        match argument {
            Ok(made) => Some(made),
            Err(rejection) => {
                ENDED.set(Some(Ended::new(Err(rejection))));
                None
            }
        }
    }

    /// Says how the attempt ended.
    pub fn ended(&mut self, opened: &Opened<'_>, result: Result<Outcome, Rejection>) {
        let ended = Ended { has_ignored: opened.has_ignored(), ..Ended::new(result) };
        ENDED.with(|cell| cell.set(Some(ended)));
    }
}

/// Polls a loop, which works on `next` when it waits for a record. A loop that panicked, or that is
/// dropped while it is pending, must not be polled again.
pub(crate) fn poll_loop(
    work: &mut HandlerLoop<'_>,
    context: &mut Context<'_>,
    next: Option<NextRecord>,
) -> Poll<Ended> {
    if next.is_some() {
        NEXT.with(|cell| cell.set(next));
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
fn without_outcome() -> Ended {
    NEXT.take();
    let error = Error::msg("the handler ended without an outcome");
    Ended::of_loop_that_is_over(Ok(Outcome::Failed(error)))
}

/// Forgets what a loop that panicked has left in the cells.
#[cold]
pub(super) fn clear() {
    drop((NEXT.take(), ENDED.take()));
}

/// Runs a handler once.
pub(crate) fn call_once<'a>(
    handler: super::HandlerFn,
    delivery: &'a Delivery<'a>,
) -> impl Future<Output = Result<Outcome, Rejection>> + Send + 'a {
    let mut work = handler(Feed::once(delivery));
    poll_fn(move |context| poll_loop(&mut work, context, None).map(|ended| ended.result))
}

/// The loop of a handler that is called for each record.
pub(crate) fn loop_of_calls(handler: super::CallFn) -> HandlerLoop<'static> {
    let mut feed = Feed::lane();
    Box::pin(async move {
        while let Some(handed) = feed.record().await {
            let Some(opened) = handed.open() else { break };
            let delivery = opened.delivery();
            let result = handler(&delivery).await;
            feed.ended(&opened, result);
        }
    })
}
