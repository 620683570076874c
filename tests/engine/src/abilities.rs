//! What the engine can do so far. A check that needs more waits here for its switch.

/// Handlers by key and without order run side by side.
pub const CONCURRENCY: bool = true;
/// A handler that takes longer than its time-out is cancelled, and the attempt has failed.
pub const TIMEOUT: bool = true;
/// An error can say how long to wait for the next attempt, and that the record needs no work.
pub const VERDICTS: bool = true;
/// Handlers can take several records at once.
pub const BATCHES: bool = true;
