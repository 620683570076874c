//! The engine against a model of a few lines.
//!
//! A program is a list of steps: deliver, finish, fail, revoke, crash and so on. The engine is driven
//! through its ports alone: a consumer that does what the program says, handlers that wait until the
//! program ends them, a producer that can refuse. After every step the engine is given time to do
//! all that it can, and what it did is compared with the model.

mod engine;
mod facts;
mod lane;
mod program;

pub use facts::{CommitFault, Facts, Ran};
pub use program::{Step, Which, run};
