//! The saga battery: every registered saga through the real engine, whatever fails and whenever.
//!
//! A run is one order, one provider that may be in a mood, and places at which everything stops:
//! before or after a write of the log, before or after a call. There the engine is killed, another
//! one is opened on what the store kept, and the client asks again under its key. At the end of
//! every run units and money agree with each other and with the provider's own book, no effect was
//! had twice, the saga is over or waits for a person who can see it, and `verify` is green.
//!
//! Time is the test's clock, and everything runs on one thread: a run has one trace.

#[path = "../conformance/mod.rs"]
#[expect(
    dead_code,
    unused_macros,
    reason = "the promises are run by the adapters; here their clock and faulty store are borrowed"
)]
mod conformance;

mod bank;
mod handlers;
mod play;
mod recovery;
mod runs;
