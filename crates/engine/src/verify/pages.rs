//! Reading every state row of one kind, newest first, though some of them cannot be read.
//!
//! Each page is a short read of its own. Where one fails, its rows are read one at a time from then
//! on; the row that still fails is that of what the log made last before it, is said to be
//! unreadable, and is passed over. What the log made later than the first page was in no page's
//! reach, and is not missed. A row must be what its stream folds to, unless rows of the log are
//! lost that may have made the difference.

use super::fold::{Lost, wrong};
use super::report::{Book, Draft, Invariant, Kind, Subject};
use super::rows::PAGE;
use super::stream::Stream;
use crate::port::{At, Fault};
use serde_json::{Value, json};

/// How far down the rows were read.
pub(super) struct Pages {
    /// The next page's rows were created before this position.
    pub(super) before: u64,
    /// It has this many rows at most.
    pub(super) limit: usize,
    /// The position that the first page is exact at; 0 without one.
    pub(super) first: u64,
    done: bool,
}

/// What came of reading a page.
pub(super) enum Read<R> {
    /// Some row cannot be read: the next read is for one alone.
    Again,
    /// The one row that was asked for cannot be read, for this reason. Somebody must pass over it.
    Unreadable(String),
    /// Its rows.
    Rows(At<Vec<R>>),
}

impl Pages {
    pub(super) fn new() -> Self {
        Self {
            before: u64::MAX,
            limit: PAGE,
            first: 0,
            done: false,
        }
    }

    /// Whether there may be another page.
    pub(super) fn are_left(&self) -> bool {
        !self.done
    }

    /// Takes the next page in, or the reason why it cannot be read.
    ///
    /// # Errors
    /// A [`Fault`] of the store that says nothing about its rows.
    pub(super) fn read<R>(
        &mut self,
        page: Result<At<Vec<R>>, Fault>,
        created: impl Fn(&R) -> u64,
    ) -> Result<Read<R>, Fault> {
        match page {
            Ok(page) => {
                self.turn(&page, created);
                Ok(Read::Rows(page))
            }
            Err(Fault::Corrupt(_)) if self.limit > 1 => {
                self.limit = 1;
                Ok(Read::Again)
            }
            Err(Fault::Corrupt(what)) => Ok(Read::Unreadable(what)),
            Err(fault) => Err(fault),
        }
    }

    /// Goes on behind a page.
    pub(super) fn turn<R>(&mut self, page: &At<Vec<R>>, created: impl Fn(&R) -> u64) {
        if self.first == 0 {
            self.first = page.position;
        }
        match page.rows.last() {
            Some(last) if page.rows.len() == self.limit => self.before = created(last),
            _ => self.done = true,
        }
    }

    /// Goes on behind an unreadable row that a position created; without one, this is the end.
    pub(super) fn pass(&mut self, created: Option<u64>) {
        self.before = created.unwrap_or(self.before);
        self.done = created.is_none();
    }

    /// Finds out whose row is unreadable, says so, and goes on behind it.
    pub(super) fn pass_over<'a, I: ToString>(
        &mut self,
        made: impl Iterator<Item = (I, &'a mut Stream)>,
        (kind, what): (&'static str, &str),
        book: &mut Book,
    ) {
        let earlier = made.filter(|(_, stream)| stream.created < self.before);
        let newest = earlier.max_by_key(|(_, stream)| stream.created);
        let created = newest.map(|(id, stream)| {
            stream.seen = true;
            unreadable(Subject::new(kind, id), (stream.created, what), book);
            stream.created
        });
        self.pass(created);
    }

    /// Reports what the log made and no page had.
    pub(super) fn missing<'a, I: ToString>(
        &self,
        made: impl Iterator<Item = (I, &'a Stream)>,
        kind: &'static str,
        book: &mut Book,
    ) {
        let reach = made.filter(|(_, stream)| stream.created <= self.first);
        for (id, stream) in reach.filter(|(_, stream)| !stream.seen) {
            let draft = Draft {
                expected: stream.told(),
                detail: format!("the log made this {kind}; its row is gone"),
                ..wrong(Kind::StateEdited, Subject::new(kind, id), stream.last)
            };
            book.find(Invariant::I15, draft);
        }
    }
}

/// Reports a state row that cannot be read.
pub(super) fn unreadable(subject: Subject, (created, what): (u64, &str), book: &mut Book) {
    let draft = Draft {
        detail: format!("the row cannot be read: {what}"),
        ..wrong(Kind::StateEdited, subject, created)
    };
    book.find(Invariant::I15, draft);
}

/// A state row beside the stream that it should be the fold of.
pub(super) struct Beside {
    pub(super) subject: Subject,
    /// Its birth, its last event and its version.
    pub(super) place: [u64; 3],
    /// The stream in the log, if there is one, and whether the rest of the row is its fold.
    pub(super) known: Option<(Stream, bool)>,
}

impl Beside {
    /// Reports a row that is not its fold, unless a lost row explains it; whether it was reported.
    /// `more` is what stands in the fold and in the row beside their places.
    pub(super) fn differs(
        self,
        more: impl FnOnce() -> (Value, Value),
        lost: &mut Lost,
        book: &mut Book,
    ) -> bool {
        let [created, last, version] = self.place;
        let stream = self.known.map(|(stream, _)| stream);
        let same = |(stream, same): (Stream, bool)| same && stream.fits(self.place);
        let written = [created, last, stream.map_or(last, |stream| stream.last)];
        if self.known.is_some_and(same) || written.iter().any(|at| lost.explains(*at)) {
            return false;
        }
        let (folded, stands) = more();
        let kind = self.subject.kind;
        let draft = Draft {
            expected: stream.map_or(Value::Null, |stream| both(stream.told(), folded)),
            found: both(
                json!({"created": created, "last": last, "version": version}),
                stands,
            ),
            detail: match stream {
                Some(_) => "the row is not the fold of its stream".to_owned(),
                None => format!("no row of the log made this {kind}"),
            },
            ..wrong(Kind::StateEdited, self.subject, last)
        };
        book.find(Invariant::I15, draft);
        true
    }
}

/// The members of both.
fn both(mut place: Value, more: Value) -> Value {
    if let (Some(place), Value::Object(more)) = (place.as_object_mut(), more) {
        place.extend(more);
    }
    place
}
