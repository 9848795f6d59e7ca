//! A clock that a test moves by hand, and that tells who waits for it.

use async_trait::async_trait;
use evenkeel_engine::port::Clock;
use evenkeel_rules::time::LogTime;
use std::time::Duration;
use tokio::sync::watch;

/// 2026-01-01T00:00:00Z.
const START: i64 = 1_767_225_600_000_000;

/// What it shows, and the wall time at which it began.
pub(super) struct StepClock(watch::Sender<Face>, i64);

/// The time, and the times that are waited for.
#[derive(Default)]
struct Face {
    mono: Duration,
    waited_for: Vec<Duration>,
}

/// Takes a wait off the face when it ends, however it ends.
struct Waiting<'a>(&'a StepClock, Duration);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.0.send_modify(|face| {
            let at = face.waited_for.iter().position(|until| *until == self.1);
            face.waited_for.swap_remove(at.expect("it was put there"));
        });
    }
}

impl StepClock {
    pub(super) fn new() -> Self {
        Self::after(Duration::ZERO)
    }

    /// The clock of a process that was started some time after 2026 began.
    pub(super) fn after(time: Duration) -> Self {
        let time = i64::try_from(time.as_micros()).expect("tests are short");
        Self(watch::Sender::new(Face::default()), START + time)
    }

    /// Moves on.
    pub(super) fn step(&self, by: Duration) {
        self.0.send_modify(|face| face.mono += by);
    }

    /// Waits until somebody sleeps to just this far from the present.
    pub(super) async fn until_somebody_sleeps(&self, more: Duration) {
        let asleep = |face: &Face| face.waited_for.contains(&(face.mono + more));
        let mut face = self.0.subscribe();
        face.wait_for(asleep).await.expect("the clock is there");
    }
}

#[async_trait]
impl Clock for StepClock {
    fn now(&self) -> LogTime {
        let micros = self.mono().as_micros();
        LogTime::from_micros(self.1 + i64::try_from(micros).expect("tests are short"))
    }

    fn mono(&self) -> Duration {
        self.0.borrow().mono
    }

    async fn sleep(&self, duration: Duration) {
        let mut face = self.0.subscribe();
        let mut until = Duration::ZERO;
        self.0.send_modify(|face| {
            until = face.mono + duration;
            face.waited_for.push(until);
        });
        let _waiting = Waiting(self, until);
        let reached = face.wait_for(|face| face.mono >= until).await;
        reached.expect("the clock is there");
    }
}
