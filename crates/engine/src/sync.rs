//! The lock of the queue, and what stands in for it when every order of threads is tried.
//!
//! It is parking_lot's. With the feature `shuttle`, which only `tests/interleavings` switches on,
//! it is one whose every taking and giving up lets a scheduler run somebody else: the queue's own
//! code is then run in many orders of its threads. Nothing else differs.

#[cfg(not(feature = "shuttle"))]
pub(crate) use parking_lot::Mutex;
#[cfg(feature = "shuttle")]
pub(crate) use scheduled::Mutex;

#[cfg(feature = "shuttle")]
mod scheduled {
    use shuttle::sync::MutexGuard;

    /// A lock that is not poisoned: a panic ends the whole run.
    #[derive(Debug, Default)]
    pub(crate) struct Mutex<T>(shuttle::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().expect("a panic ends the run")
        }
    }
}
