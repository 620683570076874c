//! A dead letter that is on its way, and what is handled behind it meanwhile.
//!
//! An acknowledgement takes milliseconds, in which a partition goes on. Nothing behind the letter is settled
//! before it, and all of it is settled in its order. A letter that is not taken at once is waited for.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::Progress;
use crate::delivery::{Offset, OpenBatch};
use crate::event::NameAt;
use crate::processor::settle::{Settled, Settler};
use crate::router::Route;

/// How many records are handled at most behind a letter.
const MAX_BEHIND: usize = 4096;

/// Settles a record, and has what it takes to do so.
pub(super) type Settling = Pin<Box<dyn Future<Output = Settled> + Send>>;

pub(super) struct Letter {
    settling: Settling,
    offset: Offset,
    behind: Vec<Handled>,
}

/// A record that was handled.
pub(super) struct Handled {
    pub(super) batch: Arc<OpenBatch>,
    pub(super) index: usize,
    pub(super) route: Arc<Route>,
    pub(super) name: NameAt,
}

impl Letter {
    pub(super) fn new(settling: Settling, offset: Offset) -> Self {
        Letter { settling, offset, behind: Vec::new() }
    }

    /// Whether another record may be handled behind it.
    pub(super) fn has_room(&self, settler: &Settler) -> bool {
        settler.is_letter_on_its_way() && self.behind.len() < MAX_BEHIND
    }

    pub(super) fn push(&mut self, handled: Handled) {
        self.behind.push(handled);
    }

    /// Ready when it is there, and what was handled behind it is settled; or when it is given up.
    pub(super) fn poll(
        &mut self,
        settler: &Settler,
        progress: &Progress,
        context: &mut Context<'_>,
    ) -> Poll<Settled> {
        ready!(self.settling.as_mut().poll(context))?;
        progress.settled(self.offset);
        settler.engine.count_settled(1 + self.behind.len() as u64);
        for Handled { batch, index, route, name } in self.behind.drain(..) {
            if let Some(record) = batch.records.get(index) {
                let event = name.text(record.value.unwrap_or_default()).unwrap_or_default();
                settler.handled_in(&route, record, None, event);
                progress.settled(record.offset);
            }
        }
        Poll::Ready(Ok(()))
    }
}
