//! The services over real HTTP, with a clock that stands still until a test moves it.

mod cards;
mod deliveries;
mod knobs;
mod refunds;
mod refusals;
mod restarts;
mod stage;
mod step_clock;
