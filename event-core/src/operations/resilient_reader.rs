//! A reader that survives transient errors.

use crate::broker::{BrokerError, Reader};
use crate::delivery::RecordBatch;

/// What was read.
pub(super) enum Read {
    /// Records.
    Records(RecordBatch),
    /// What passes by itself: nothing was left out, and it goes on.
    Error(BrokerError),
    /// All was read.
    End,
}

/// A reader that can be polled again after an error.
pub(super) struct ResilientReader<R> {
    reader: R,
    last_error: Option<BrokerError>,
}

impl<R: Reader> ResilientReader<R> {
    pub(super) fn new(reader: R) -> Self {
        ResilientReader { reader, last_error: None }
    }

    /// What comes next. Cancel safe.
    ///
    /// # Errors
    ///
    /// An error that is not transient, and an error after which the reader ended.
    pub(super) async fn next(&mut self) -> Result<Read, BrokerError> {
        match self.reader.next().await {
            Some(Ok(batch)) => {
                self.last_error = None;
                Ok(Read::Records(batch))
            }
            Some(Err(error)) if error.is_retriable() => {
                self.last_error = Some(error.clone());
                Ok(Read::Error(error))
            }
            Some(Err(error)) => Err(error),
            None => self.last_error.take().map_or(Ok(Read::End), Err),
        }
    }
}
