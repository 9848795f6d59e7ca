//! Where a stream stands, and how its next event is judged.
//!
//! A stream's events count up from 1 and each points to the one before it. One that follows events
//! on lost rows is taken as it is; a gap that no lost row explains is said once, and the count goes
//! on from there. That a state row was found for a stream is kept whatever happens to it since: a
//! store that is written meanwhile does not lose it.

use super::fold::{Fold, NameCheck, subject, wrong};
use super::names::Of;
use super::report::{Book, Draft, Invariant, Kind as Wrong};
use crate::chain::EntryEvent;
use crate::commit::Name;
use evenkeel_rules::event::Kind;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A stream's end.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Stream {
    /// The position of its first event, or where it was first heard of (see `adopted`).
    pub(super) created: u64,
    /// The position of its last event.
    pub(super) last: u64,
    /// Its events.
    pub(super) version: u64,
    /// Its last event.
    pub(super) kind: Kind,
    /// Its first events are on log rows that are lost: where it was created is not known.
    pub(super) adopted: bool,
    /// Its versions are not dense: said once, and not compared any more.
    pub(super) gapped: bool,
    /// A state row was found for it.
    #[serde(skip)]
    pub(super) seen: bool,
}

impl Stream {
    /// Whether a state row stands where this stream does, by its birth, last event and version.
    pub(super) fn fits(&self, [created, last, version]: [u64; 3]) -> bool {
        (self.adopted || self.created == created)
            && self.last == last
            && (self.gapped || self.version == version)
    }

    /// Its birth, its last event and its version.
    pub(super) fn place(&self) -> [u64; 3] {
        [self.created, self.last, self.version]
    }

    /// Where it stands, for a finding.
    pub(super) fn told(&self) -> Value {
        json!({"created": self.created, "last": self.last, "version": self.version,
            "event": self.kind.name()})
    }
}

/// How an event stands to its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// The next one.
    Next,
    /// It follows events on lost rows.
    Adopted,
    /// A finding was made; the stream goes on from here.
    Gapped,
}

impl Fold {
    /// Judges an event's place in its stream; the stream after it.
    pub(super) fn advance(
        &self,
        before: Option<Stream>,
        event: &EntryEvent,
        book: &mut Book,
    ) -> (Stream, Step) {
        let step = self.step(before.as_ref(), event, book);
        let follows = Kind::may_follow(before.map(|stream| stream.kind), event.kind);
        if !follows && step == Step::Next {
            self.illegal(event, "it may not follow the event before it", book);
        }
        (Self::after(before, event, step, self.position), step)
    }

    /// Notes that the name index must know the id of what an event began.
    pub(super) fn born(
        &mut self,
        before: Option<Stream>,
        event: &EntryEvent,
        (name, of): (Name, Of),
    ) {
        if before.is_none() && event.previous == 0 {
            self.names.push(NameCheck {
                name,
                position: self.position,
                fingerprint: [0; 16],
                of,
            });
        }
    }

    /// Judges an event's version and the pointer to the one before it.
    pub(super) fn step(
        &self,
        before: Option<&Stream>,
        event: &EntryEvent,
        book: &mut Book,
    ) -> Step {
        let (last, version) = before.map_or((0, 0), |stream| (stream.last, stream.version));
        if event.version == version + 1 && event.previous == last {
            return Step::Next;
        }
        if event.previous > last && self.lost.is_gone(event.previous) {
            return Step::Adopted;
        }
        if before.is_some_and(|stream| stream.gapped) {
            return Step::Gapped;
        }
        if event.version == version + 1 {
            let what = format!(
                "it points to {} as the event before it, not to {last}",
                event.previous
            );
            self.illegal(event, &what, book);
            return Step::Gapped;
        }
        let position = self.position;
        let draft = Draft {
            expected: json!(version + 1),
            found: json!(event.version),
            detail: format!(
                "{} goes from version {version} to {}",
                event.stream, event.version
            ),
            ..wrong(Wrong::VersionGap, subject(event), position)
        };
        book.find(Invariant::I7, draft);
        Step::Gapped
    }

    /// The stream after an event.
    pub(super) fn after(before: Option<Stream>, event: &EntryEvent, step: Step, at: u64) -> Stream {
        // A gap is said once: the count of events is what the state row has then.
        let version = match step {
            Step::Next | Step::Adopted => event.version,
            Step::Gapped => before.map_or(1, |stream| stream.version + 1),
        };
        Stream {
            created: before.map_or(at, |stream| stream.created),
            last: at,
            version,
            kind: event.kind,
            adopted: before.map_or(step == Step::Adopted, |stream| stream.adopted),
            gapped: before.is_some_and(|stream| stream.gapped) || step == Step::Gapped,
            seen: before.is_some_and(|stream| stream.seen),
        }
    }
}
