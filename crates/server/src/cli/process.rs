//! What the operating system does to a serving process, and what it makes of it.
//!
//! SIGTERM and SIGINT ask it to end. SIGXFSZ (a file grew beyond the process's limit) would kill
//! it; taken as a signal, the write fails instead and becomes a definite no. With
//! `EVENKEEL_DIE_WITH_PARENT=1` a process whose parent ends is ended with it, so that a demo that
//! was killed leaves no server behind.

use std::time::Duration;

use evenkeel_engine::Engine;
use evenkeel_engine::committer::Broken;
use rustix::process::{Signal as Sent, getppid, set_parent_process_death_signal};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::failure::Failure;

/// How often the engine is asked whether the disk has failed it, or the log was restored.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Why serving ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Somebody asked for it.
    Asked,
    /// It cannot go on.
    Broken(Broken),
}

/// What can end a serving process in an orderly way.
pub(super) struct Ends {
    terminate: Signal,
    interrupt: Signal,
    /// Kept so that the signal's default, which kills, stays replaced.
    _file_too_large: Signal,
}

impl Ends {
    /// Takes the signals; from here on none of them kills.
    pub(super) fn listen() -> Result<Self, Failure> {
        let taken =
            |kind| signal(kind).map_err(|error| Failure::Refused(format!("no signals: {error}")));
        Ok(Self {
            terminate: taken(SignalKind::terminate())?,
            interrupt: taken(SignalKind::interrupt())?,
            _file_too_large: taken(SignalKind::from_raw(Sent::XFSZ.as_raw()))?,
        })
    }

    /// Waits until somebody asks.
    pub(super) async fn asked(&mut self) {
        tokio::select! {
            biased;
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// Waits until one of them happens.
    pub(super) async fn any(&mut self, engine: &Engine) -> End {
        loop {
            tokio::select! {
                biased;
                () = self.asked() => return End::Asked,
                () = engine.clock().sleep(LOOK_EVERY) => {}
            }
            if let Some(what) = engine.broken() {
                return End::Broken(what);
            }
        }
    }
}

/// Ends this process when its parent ends, even if that happens while this is being arranged.
pub(super) fn die_with_parent() -> Result<(), Failure> {
    let parent = getppid();
    let arranged = set_parent_process_death_signal(Some(Sent::KILL));
    arranged.map_err(|error| Failure::Refused(format!("cannot follow the parent: {error}")))?;
    if getppid() == parent {
        Ok(())
    } else {
        Err(Failure::Refused("the parent has ended".to_owned()))
    }
}
