//! Running loops: ticking, nudging, jitter, stopping and telling how they are. Once, for all.
//!
//! A loop has only `run_once`; it never sleeps, spawns or retries inside. This file is the one home
//! of spawning tasks and threads in the engine, so that the simulator can run the very same code on
//! one thread and kill it at any moment.

use crate::port::{Clock, Fault, Ids};
use async_trait::async_trait;
use parking_lot::Mutex;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, oneshot, watch};
use tokio::task::JoinHandle;

/// Failed rounds in a row after which a loop counts as failed.
const FAILED_AFTER: u32 = 10;

/// What one round did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Round {
    /// How many things were done.
    pub done: usize,
    /// Whether more was waiting: the next round begins at once.
    pub more: bool,
    /// How many positions the loop is behind the head.
    pub behind: u64,
}

/// A loop.
#[async_trait]
pub trait Work: Send + 'static {
    /// The loop's name: a verb.
    fn name(&self) -> &'static str;

    /// Claims a bounded batch, decides, commits, and says how much it did.
    ///
    /// # Errors
    /// A [`Fault`]: the same round is tried again after the usual pause.
    async fn run_once(&mut self) -> Result<Round, Fault>;
}

/// How a loop is.
#[derive(Debug)]
pub struct Pulse {
    /// The loop's name.
    pub name: &'static str,
    failed_in_a_row: AtomicU32,
    behind: AtomicU64,
    last_ok_ms: AtomicU64,
}

/// What a loop's state is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PulseState {
    /// The last round went well.
    Healthy,
    /// The last round failed.
    Degraded,
    /// Many rounds in a row failed.
    Failed,
}

impl Pulse {
    /// Notes a good round.
    pub fn good(&self, mono: Duration) {
        self.failed_in_a_row.store(0, Ordering::Relaxed);
        self.last_ok_ms.store(millis(mono), Ordering::Relaxed);
    }

    /// Notes a failed round.
    pub fn bad(&self) {
        self.failed_in_a_row.fetch_add(1, Ordering::Relaxed);
    }

    /// How the loop is.
    #[must_use]
    pub fn state(&self) -> PulseState {
        match self.failed_in_a_row.load(Ordering::Relaxed) {
            0 => PulseState::Healthy,
            1..FAILED_AFTER => PulseState::Degraded,
            _ => PulseState::Failed,
        }
    }

    /// How many positions it is behind the head.
    #[must_use]
    pub fn behind(&self) -> u64 {
        self.behind.load(Ordering::Relaxed)
    }

    /// How long ago its last good round was, in ms.
    #[must_use]
    pub fn age_ms(&self, mono: Duration) -> u64 {
        millis(mono).saturating_sub(self.last_ok_ms.load(Ordering::Relaxed))
    }
}

fn millis(mono: Duration) -> u64 {
    u64::try_from(mono.as_millis()).unwrap_or(u64::MAX)
}

/// The tasks and threads of one engine.
pub struct Workers {
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    stop: watch::Sender<bool>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
    threads: Mutex<Vec<std::thread::JoinHandle<()>>>,
    pulses: Mutex<Vec<Arc<Pulse>>>,
}

impl Workers {
    /// Nothing runs yet.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, ids: Arc<dyn Ids>) -> Self {
        let (stop, _) = watch::channel(false);
        Self {
            clock,
            ids,
            stop,
            tasks: Mutex::default(),
            threads: Mutex::default(),
            pulses: Mutex::default(),
        }
    }

    /// Runs a future as a task of the current runtime.
    #[expect(clippy::disallowed_methods, reason = "the one home of spawning tasks")]
    pub fn task(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.tasks.lock().push(tokio::spawn(work));
    }

    /// Runs a future on a thread of its own, with a runtime of its own.
    ///
    /// # Panics
    /// If the operating system has no thread or file left to give.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one home of spawning threads"
    )]
    pub fn thread(&self, name: &str, work: impl Future<Output = ()> + Send + 'static) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("the system has a file for it to wait on");
        let thread = std::thread::Builder::new().name(name.to_owned());
        let handle = thread
            .spawn(move || runtime.block_on(work))
            .expect("a thread is to be had");
        self.threads.lock().push(handle);
    }

    /// Runs a loop: a round every `every` (less a little jitter), at once while more waits, and
    /// whenever it is nudged.
    pub fn run(&self, mut work: impl Work, every: Duration, nudge: Arc<Notify>) {
        let pulse = self.pulse(work.name());
        let (clock, ids) = (Arc::clone(&self.clock), Arc::clone(&self.ids));
        let mut stop = self.stop.subscribe();
        self.task(async move {
            while !*stop.borrow() {
                let more = match work.run_once().await {
                    Ok(round) => {
                        pulse.behind.store(round.behind, Ordering::Relaxed);
                        pulse.good(clock.mono());
                        round.more
                    }
                    Err(fault) => {
                        tracing::warn!(worker = pulse.name, %fault, "a round failed");
                        pulse.bad();
                        false
                    }
                };
                if more {
                    tokio::task::yield_now().await;
                    continue;
                }
                let jitter = every.mul_f64(f64::from(ids.random()[0]) / 2_048.0);
                tokio::select! {
                    biased;
                    _ = stop.changed() => {}
                    () = nudge.notified() => {}
                    () = clock.sleep(every.saturating_sub(jitter)) => {}
                }
            }
        });
    }

    /// The pulse of a loop of this name, listed with the others.
    pub fn pulse(&self, name: &'static str) -> Arc<Pulse> {
        let pulse = Arc::new(Pulse {
            name,
            failed_in_a_row: AtomicU32::new(0),
            behind: AtomicU64::new(0),
            last_ok_ms: AtomicU64::new(millis(self.clock.mono())),
        });
        self.pulses.lock().push(Arc::clone(&pulse));
        pulse
    }

    /// What turns true when everything is to end.
    #[must_use]
    pub fn stopping(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }

    /// The randomness that the workers were given.
    #[must_use]
    pub fn ids(&self) -> Arc<dyn Ids> {
        Arc::clone(&self.ids)
    }

    /// How all loops are.
    #[must_use]
    pub fn pulses(&self) -> Vec<Arc<Pulse>> {
        self.pulses.lock().clone()
    }

    /// Tells all loops to end after their round.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Waits until everything has ended.
    pub async fn ended(&self) {
        let tasks = std::mem::take(&mut *self.tasks.lock());
        for task in tasks {
            if let Err(error) = task.await
                && !error.is_cancelled()
            {
                tracing::error!(%error, "a task panicked");
            }
        }
        let threads = std::mem::take(&mut *self.threads.lock());
        for thread in threads {
            drop(thread.join());
        }
    }

    /// Ends all tasks where they stand, as a killed process would.
    pub fn kill(&self) {
        self.stop();
        for task in self.tasks.lock().drain(..) {
            task.abort();
        }
    }
}

/// Runs blocking work beside the runtime.
///
/// # Errors
/// [`Fault::Unavailable`] when the runtime is shutting down.
#[expect(clippy::disallowed_methods, reason = "the one home of blocking work")]
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| Err(Fault::Unavailable("the process is stopping".to_owned())))
}

/// A thread that drives connections, with a runtime of its own: whoever waits for an answer may be
/// on any runtime, and on a busy machine the connections of the store wait behind nobody else.
#[cfg(feature = "postgres")]
#[derive(Debug)]
pub struct Wires(Option<tokio::runtime::Runtime>);

#[cfg(feature = "postgres")]
impl Wires {
    /// Starts the thread.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] if there is no thread to be had.
    pub fn new(name: &str) -> Result<Self, Fault> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name(name)
            .enable_all()
            .build();
        let runtime = runtime.map_err(|error| Fault::Unavailable(format!("no thread: {error}")))?;
        Ok(Self(Some(runtime)))
    }

    fn runtime(&self) -> &tokio::runtime::Runtime {
        self.0.as_ref().expect("it is there until it is dropped")
    }

    /// Waits for something on a thread that may wait: never one of a runtime's workers.
    pub fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime().block_on(work)
    }

    /// Drives something until it ends or the thread does.
    pub fn keep(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.runtime().spawn(work);
    }

    /// Runs something on the thread and waits for it.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] when the thread is shutting down.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Fault> {
        let done = self.runtime().spawn(work).await;
        done.map_err(|_| Fault::Unavailable("the process is stopping".to_owned()))
    }
}

#[cfg(feature = "postgres")]
impl Drop for Wires {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// Drives something on the caller's runtime until it ends or the runtime does.
#[cfg(feature = "postgres")]
#[expect(clippy::disallowed_methods, reason = "the one home of spawning tasks")]
pub fn keep_here(work: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(work);
}

/// Runs a future that computes for long on a thread beside the runtime's workers, which gives way
/// to them, so that what they serve does not wait for it. When the caller is dropped the future is
/// dropped too, where it next waits or yields: a stop never waits for the end of its work.
///
/// # Errors
/// The future's, or [`Fault::Unavailable`] when the runtime is shutting down.
pub async fn apart<T: Send + 'static>(
    work: impl Future<Output = Result<T, Fault>> + Send + 'static,
) -> Result<T, Fault> {
    let runtime = tokio::runtime::Handle::current();
    let (caller, left) = oneshot::channel::<()>();
    let done = giving_way("apart", move || {
        runtime.block_on(async move {
            tokio::select! {
                biased;
                _ = left => Err(Fault::Unavailable("nobody waits for it".to_owned())),
                done = work => done,
            }
        })
    });
    let done = done.await;
    drop(caller);
    done
}

/// How much work that gives way is behind all other threads: a tenth of a processor's time where
/// they want all of it, and everything that they leave.
const WAY_GIVEN: i32 = 10;

/// Puts this thread behind the others. Elsewhere than on Linux that would be the whole process; a
/// thread that may not works as before.
fn give_way() {
    if cfg!(target_os = "linux") {
        let _as_before = rustix::process::nice(WAY_GIVEN);
    }
}

/// Runs blocking work that no buyer waits for. Its thread gives way to all others: on a machine
/// whose processors are all busy, read models fall behind instead of requests.
///
/// The thread is the work's own, because one that gave way may not take it back.
///
/// # Errors
/// [`Fault::Unavailable`] when the runtime is shutting down, or there is no thread to be had.
#[expect(
    clippy::disallowed_methods,
    reason = "the one home of spawning threads"
)]
pub async fn giving_way<T: Send + 'static>(
    name: &'static str,
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    blocking(move || {
        let thread = std::thread::Builder::new().name(name.to_owned());
        let thread = thread.spawn(move || {
            give_way();
            work()
        });
        let thread = thread.map_err(|error| Fault::Unavailable(format!("no thread: {error}")))?;
        let done = thread.join();
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::getpriority_process;

    /// Says when it is dropped.
    struct Dropped(Option<oneshot::Sender<()>>);

    impl Drop for Dropped {
        fn drop(&mut self) {
            let _nobody_waits = self.0.take().map(|told| told.send(()));
        }
    }

    #[tokio::test]
    async fn work_apart_runs_on_another_thread_and_gives_what_it_came_to() {
        let here = std::thread::current().id();
        let there = apart(async {
            tokio::task::yield_now().await;
            Ok(std::thread::current().id())
        });
        assert_ne!(there.await.expect("the runtime runs"), here);
    }

    #[tokio::test]
    async fn work_apart_ends_when_its_caller_goes_away() {
        let (began, begun) = oneshot::channel();
        let (told, dropped) = oneshot::channel();
        let endless = async move {
            let _dropped = Dropped(Some(told));
            let _nobody_waits = began.send(());
            for _ in 0..u64::MAX {
                tokio::task::yield_now().await;
            }
            Ok(())
        };
        let mut caller = Box::pin(apart(endless));
        tokio::select! {
            biased;
            _ = &mut caller => panic!("it never ends by itself"),
            begun = begun => begun.expect("it begins"),
        }
        drop(caller);
        dropped.await.expect("it is dropped where it yields");
    }

    #[tokio::test]
    async fn work_that_gives_way_leaves_all_other_threads_where_they_are() {
        let stands = || getpriority_process(None).expect("a thread knows how it stands");
        let before = stands();
        let within = giving_way("work", move || Ok(stands())).await;
        let within = within.expect("it is done");
        if cfg!(target_os = "linux") {
            assert_eq!(within, (before + WAY_GIVEN).min(19));
        }
        assert_eq!(stands(), before);
    }
}
