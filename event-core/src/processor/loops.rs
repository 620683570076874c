//! The loops of the handlers of a lane, each made when its first record comes.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Poll};

use super::attempt::{failed_by_panic, panic_error};
use crate::delivery::{NextBatch, NextRecord};
use crate::handler::{
    BatchEnded, BatchFeed, Ended, Feed, HandlerCall, HandlerLoop, clear, loop_of_batch_calls,
    loop_of_calls, poll_batch_loop, poll_loop,
};
use crate::router::Route;

/// The loop of a handler in a lane; it is recreated after a panic.
#[derive(Default)]
pub(super) struct LoopSlot(Option<HandlerLoop<'static>>);

impl LoopSlot {
    /// Cancels what the handler works on.
    pub(super) fn cancel(&mut self) {
        let work = self.0.take();
        // What is dropped is the handler's own, which may panic like the handler.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(work)));
    }

    /// Has the handler of `route` work on `next`, or go on with what it works on. It is ready when the
    /// attempt has ended, also by a panic.
    pub(super) fn poll(
        &mut self,
        route: &Route,
        context: &mut Context<'_>,
        next: Option<NextRecord>,
    ) -> Poll<Ended> {
        let polled = self.poll_with(route, |work| poll_loop(work, context, next));
        let polled = polled.unwrap_or_else(|panic| {
            Poll::Ready(Ended::of_loop_that_is_over(Ok(failed_by_panic(panic.as_ref()))))
        });
        if matches!(&polled, Poll::Ready(ended) if ended.is_loop_over) {
            self.cancel();
        }
        polled
    }

    /// The same for a handler of several records at once.
    pub(super) fn poll_batch(
        &mut self,
        route: &Route,
        context: &mut Context<'_>,
        next: Option<NextBatch>,
    ) -> Poll<BatchEnded> {
        let polled = self.poll_with(route, |work| poll_batch_loop(work, context, next));
        let polled = polled.unwrap_or_else(|panic| {
            Poll::Ready(BatchEnded::of_loop_that_is_over(panic_error(panic.as_ref())))
        });
        if matches!(&polled, Poll::Ready(ended) if ended.is_loop_over) {
            self.cancel();
        }
        polled
    }

    fn poll_with<T>(
        &mut self,
        route: &Route,
        poll: impl FnOnce(&mut HandlerLoop<'static>) -> Poll<T>,
    ) -> Result<Poll<T>, Box<dyn Any + Send>> {
        let work = self.0.get_or_insert_with(|| begin(route));
        let polled = catch_unwind(AssertUnwindSafe(|| poll(work)));
        if polled.is_err() {
            clear();
        }
        polled
    }
}

fn begin(route: &Route) -> HandlerLoop<'static> {
    match route.handler.call {
        HandlerCall::Each(handler) => handler(Feed::lane()),
        HandlerCall::Call(handler) => loop_of_calls(handler),
        HandlerCall::Batch(handler) => handler(BatchFeed::lane()),
        HandlerCall::BatchCall(handler) => loop_of_batch_calls(handler),
    }
}
