//! The simulated world that Evenkeel proves itself in.
//!
//! The same engine code as in production runs on one thread in simulated time: two engines on one
//! store that crashes at any point and loses what was not synced, does not say what became of a
//! COMMIT, or says no; nodes that die, stand still and have odd clocks; a network that loses and
//! repeats. An independent auditor with its own model of stock watches each row become durable
//! and each answer arrive. Everything follows from one seed: a failure is one number.
//!
//! Planted bugs, ports that lie, show that the auditor can see. There is no real time, no real
//! randomness and no second thread within a seed.

mod acks;
mod archive;
pub mod auditor;
mod batch;
mod chaos;
mod client;
mod clock;
mod closing;
mod drained;
mod faults;
mod head;
mod node;
mod planted;
mod probe;
mod provider;
mod restored;
mod run;
mod rush;
pub mod sessions;
mod store;
mod subscriber;
mod verified;
mod workload;
mod world;

pub use batch::{BatchOptions, BatchReport, Failure, Progress, Transitions, run_batch};
pub use faults::{FaultKind, FaultSet, UnknownFault};
pub use planted::{Listed, Planted, planted_list};
pub use run::{Options, SeedReport, run_seed};
