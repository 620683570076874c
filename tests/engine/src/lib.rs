//! A simulation of whole services on the broker in memory, from one seed.
//!
//! Everything that is chance comes from the seed: what is published and when, how long handlers
//! take and how they fail, and what goes wrong around them. The clock is paused and there is one
//! thread, so a seed always replays to the same history. What happens is taken down by a
//! [`World`](world::World), which also checks it: some of it at once, the rest when all is quiet.

pub mod dice;
pub mod handlers;
pub mod member;
pub mod model;
pub mod script;
pub mod simulation;
pub mod stats;
pub mod verdict;
pub mod weather;
pub mod world;
