//! A reader that outlives trouble which passes by itself.

use crate::broker::{BrokerError, Reader};
use crate::delivery::RecordBatch;

/// What was read.
pub(super) enum Read {
    /// Records.
    Records(RecordBatch),
    /// What passes by itself: nothing was left out, and it goes on.
    Trouble(BrokerError),
    /// All was read.
    End,
}

/// A reader that may be asked on after a trouble.
pub(super) struct Patient<R> {
    reader: R,
    trouble: Option<BrokerError>,
}

impl<R: Reader> Patient<R> {
    pub(super) fn new(reader: R) -> Self {
        Patient { reader, trouble: None }
    }

    /// What comes next. Cancel safe.
    ///
    /// # Errors
    ///
    /// What does not pass, and a trouble with nothing behind it, because that ended the reader.
    pub(super) async fn next(&mut self) -> Result<Read, BrokerError> {
        match self.reader.next().await {
            Some(Ok(batch)) => {
                self.trouble = None;
                Ok(Read::Records(batch))
            }
            Some(Err(error)) if error.is_retriable() => {
                self.trouble = Some(error.clone());
                Ok(Read::Trouble(error))
            }
            Some(Err(error)) => Err(error),
            None => self.trouble.take().map_or(Ok(Read::End), Err),
        }
    }
}
