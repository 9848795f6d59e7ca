//! Reading the log, row by row, up to a position.
//!
//! The walk reads pages of [`PAGE`] rows, each a short read of its own, has every row judged by
//! the rows around it, and hands those that are to be believed to the [`Fold`]. Behind a damaged
//! row it goes on as if the damage had not been, so that no later row is blamed for it. A row is
//! folded only when the one behind it was judged: that one may show that it was rewritten.

use super::answers::Answers;
use super::fold::{Fold, wrong};
use super::judge::{Parsed, Verdict};
use super::names;
use super::orders;
use super::privacy;
use super::report::{Book, Draft, Invariant, Kind, Subject};
use super::seal;
use super::wake;
use crate::chain::{Hash, hex, origin};
use crate::port::{At, Fault, Head, LogRow, SealRow, Store};
use serde_json::json;
use std::collections::VecDeque;

/// Rows of one read.
pub(super) const PAGE: usize = 1_000;

type Page = At<Vec<LogRow>>;

/// A judged row that may not be folded yet.
pub(super) struct Prior {
    pub(super) at: u64,
    pub(super) row: Parsed,
    believed: bool,
    folded: bool,
}

/// The reading of one log.
pub(super) struct Walk<'a> {
    pub(super) store: &'a dyn Store,
    pub(super) head: Head,
    anchors: VecDeque<(u64, Hash)>,
    pub(super) buffer: VecDeque<Parsed>,
    /// The head's position when the last page was read.
    pub(super) tip: u64,
    /// Whether the last page ended at the tip.
    at_end: bool,
    /// Where the next page begins.
    next: u64,
    /// Where the last row stood.
    pub(super) slot: u64,
    /// How much further up rows stand than they were written.
    shift: i64,
    /// The hash that the next row covers; nothing when the row before it is gone.
    pub(super) previous: Option<Hash>,
    pub(super) prior: Option<Prior>,
    anchored: u64,
    mismatched: bool,
    /// Where seals are still to be made.
    stops: VecDeque<u64>,
    seals: Vec<SealRow>,
}

/// Where what is read goes.
pub(super) struct Sink<'a> {
    pub(super) fold: &'a mut Fold,
    pub(super) answers: &'a mut Answers,
    pub(super) book: &'a mut Book,
    /// The position that the fold was taken to: a head's, whatever rows there are.
    pub(super) at: u64,
}

impl<'a> Walk<'a> {
    pub(super) fn new(store: &'a dyn Store, head: Head, mut anchors: Vec<(u64, Hash)>) -> Self {
        anchors.sort_unstable();
        Self {
            previous: Some(origin(&head.log, &head.salt)),
            store,
            head,
            anchors: anchors.into(),
            buffer: VecDeque::new(),
            tip: 0,
            at_end: false,
            next: 0,
            slot: 0,
            shift: 0,
            prior: None,
            anchored: 0,
            mismatched: false,
            stops: VecDeque::new(),
            seals: Vec::new(),
        }
    }

    /// Begins behind a row instead, whose hash is known. What anchors say of the rows before is
    /// compared by nobody but who reads those rows.
    pub(super) fn begin_behind(&mut self, position: u64, hash: Hash) {
        self.previous = Some(hash);
        (self.slot, self.next) = (position, position + 1);
        self.tip = position;
        let is_below = |(at, _): &(u64, Hash)| *at <= position;
        while let Some((at, known)) = self.anchors.pop_front_if(|anchor| is_below(anchor)) {
            if at == position && known == hash {
                self.anchored = at;
            }
        }
    }

    /// Folds every row up to `until`, the head's position of some read.
    ///
    /// # Errors
    /// A [`Fault`] of the store.
    pub(super) async fn advance(&mut self, until: u64, to: &mut Sink<'_>) -> Result<(), Fault> {
        while self.fill(until, to).await? {
            let row = self.buffer.pop_front().expect("the buffer was filled");
            self.gap(&row, to);
            let stands = row.slot.min(self.place(row.slot));
            if stands > until && stands <= self.tip {
                self.buffer.push_front(row);
                break;
            }
            let verdict = self.judge(&row, to.book).await?;
            self.wake(to).await?;
            self.accept(row, verdict, to);
            if to.fold.secrets.is_full() {
                privacy::look(self.store, to.fold, to.book).await?;
            }
            if to.fold.names.len() >= names::BATCH {
                names::look_up(self.store, to.fold, to.book).await?;
            }
        }
        self.wake(to).await?;
        self.fold_prior(to);
        self.end(until, to);
        to.at = until;
        privacy::look(self.store, to.fold, to.book).await?;
        names::look_up(self.store, to.fold, to.book).await
    }

    /// Where a row in this slot was written.
    pub(super) fn place(&self, slot: u64) -> u64 {
        slot.saturating_add_signed(-self.shift)
    }

    /// Whether a slot is not beyond the head.
    pub(super) fn is_within(&self, slot: u64) -> bool {
        slot.min(self.place(slot)) <= self.tip
    }

    /// Reads on until a row and the one behind it are there; whether there is a row.
    async fn fill(&mut self, until: u64, to: &mut Sink<'_>) -> Result<bool, Fault> {
        while self.buffer.len() < 2 && !(self.at_end && self.tip >= until) {
            let Some((page, limit)) = self.read(to).await? else {
                continue;
            };
            tokio::task::yield_now().await;
            self.tip = page.position;
            self.at_end = page.rows.len() < limit;
            let Some(last) = page.rows.last() else {
                break;
            };
            self.next = last.position + 1;
            self.buffer.extend(page.rows.into_iter().map(Parsed::new));
        }
        Ok(!self.buffer.is_empty())
    }

    /// The next page, and how many rows it has at most; nothing where it stands in a segment that
    /// cannot be read, which is said and passed over.
    async fn read(&mut self, to: &mut Sink<'_>) -> Result<Option<(Page, usize)>, Fault> {
        let what = match self.store.log(self.next, PAGE).await {
            Ok(page) => return Ok(Some((page, PAGE))),
            Err(Fault::Corrupt(what)) => what,
            Err(fault) => return Err(fault),
        };
        let from = self.next.max(1);
        let segments = self.store.segments().await?.rows;
        let mut segments = segments.into_iter();
        let Some(segment) = segments.find(|row| (row.first..=row.last).contains(&from)) else {
            return Err(Fault::Corrupt(what));
        };
        // The damage may be in the segment behind, or in a later frame of this one.
        let left = usize::try_from(segment.last + 1 - from).unwrap_or(PAGE);
        for limit in [left.min(PAGE), 1] {
            match self.store.log(from, limit).await {
                Ok(page) => return Ok(Some((page, limit))),
                Err(Fault::Corrupt(_)) => (),
                Err(fault) => return Err(fault),
            }
        }
        unreadable((from, segment.last), &what, to);
        self.next = segment.last + 1;
        Ok(None)
    }

    /// Notes rows that are missing before this one.
    fn gap(&mut self, row: &Parsed, to: &mut Sink<'_>) {
        if row.slot <= self.slot + 1 || !self.is_within(row.slot) {
            return;
        }
        let (first, last) = (self.place(self.slot + 1), self.place(row.slot - 1));
        let covers = self.previous.is_some_and(|previous| row.covers(&previous));
        if covers && row.says() == Some(first) {
            let draft = Draft {
                expected: json!(first),
                found: json!(row.slot),
                detail: "the row and those behind it stand at other positions".to_owned(),
                ..wrong(Kind::EntryEdited, Subject::entry(first), first)
            };
            to.book.find(Invariant::I16, draft);
            self.shift += (row.slot - self.slot - 1).cast_signed();
        } else {
            removed((first, last), to);
            self.previous = None;
        }
        self.slot = row.slot - 1;
    }

    /// Books a verdict; what is to be believed will be folded.
    fn accept(&mut self, row: Parsed, verdict: Verdict, to: &mut Sink<'_>) {
        let place = self.place(row.slot);
        if verdict == Verdict::Inserted {
            self.inserted(&row, to);
            return;
        }
        if verdict == Verdict::Rewritten
            && let Some(prior) = &mut self.prior
        {
            prior.believed = false;
            edited(prior.at, "its text and its hash were changed", to);
        }
        self.fold_prior(to);
        self.slot = row.slot;
        self.previous = Some(row.hash);
        let mut at = place;
        let mut believed = true;
        match verdict {
            Verdict::Good | Verdict::Inserted | Verdict::Rewritten => (),
            Verdict::Text(what) => {
                edited(place, what, to);
                believed = false;
            }
            Verdict::Hash(computed) => {
                edited(place, "its hash was changed, its text was not", to);
                self.previous = Some(computed);
            }
            Verdict::Wording => {
                let what = match &row.entry {
                    Ok(entry) => format!("it was rewritten: its text says {}", entry.position),
                    Err(what) => format!("it was rewritten: {what}"),
                };
                edited(place, &what, to);
            }
            Verdict::After(says) => {
                removed((place, says - 1), to);
                self.shift -= (says - place).cast_signed();
                at = says;
            }
        }
        if row.slot > self.tip {
            to.fold.lost.pushed.get_or_insert(at);
        }
        self.anchor(at, to);
        self.prior = Some(Prior {
            at,
            row,
            believed,
            folded: false,
        });
    }

    /// Makes ready what folding the last judged row needs.
    async fn wake(&self, to: &mut Sink<'_>) -> Result<(), Fault> {
        let prior = self.prior.as_ref();
        let prior = prior.filter(|prior| prior.believed && !prior.folded);
        match prior.map(|prior| &prior.row.entry) {
            Some(Ok(entry)) => {
                wake::wake(self.store, entry, to.fold).await?;
                orders::wake(self.store, entry, to.fold).await
            }
            Some(Err(_)) | None => Ok(()),
        }
    }

    /// Folds the last judged row, unless that was done.
    fn fold_prior(&mut self, to: &mut Sink<'_>) {
        let Some(prior) = self.prior.as_mut().filter(|prior| !prior.folded) else {
            return;
        };
        prior.folded = true;
        to.answers.before(prior.at, to.fold, to.book);
        match prior.row.entry.as_ref().ok().filter(|_| prior.believed) {
            Some(entry) => {
                to.fold.apply(entry, prior.at, to.book);
                to.fold.secrets.note(entry, prior.at, &prior.row.text);
                to.answers.note(entry, prior.at);
            }
            None => to.fold.lost.gone.push((prior.at, prior.at)),
        }
        let stands = (prior.at, prior.row.hash);
        self.seal(stands, to);
    }

    fn inserted(&mut self, row: &Parsed, to: &mut Sink<'_>) {
        let place = self.place(row.slot);
        let beyond = !self.is_within(row.slot);
        let detail = if beyond {
            "a row stands beyond the head"
        } else {
            "the rows around it are chained without it"
        };
        let draft = Draft {
            found: json!(hex(&row.hash)),
            detail: detail.to_owned(),
            ..wrong(Kind::EntryInserted, Subject::entry(place), place)
        };
        to.book.find(Invariant::I16, draft);
        to.fold.lost.inserted.push(row.says().unwrap_or(place));
        if beyond {
            to.fold.lost.doubtful.push((place, place));
        } else if row.slot > self.slot {
            if self.goes_on_from(row.slot, &row.hash) == Some(true) {
                // The rows behind were hashed anew, with this one among them.
                self.previous = Some(row.hash);
            }
            self.shift += 1;
            self.slot = row.slot;
        }
    }

    /// Compares the chain with the anchors at a position.
    fn anchor(&mut self, position: u64, to: &mut Sink<'_>) {
        while self.anchors.front().is_some_and(|(at, _)| *at <= position) {
            let (at, hash) = self.anchors.pop_front().expect("it was looked at");
            if at != position {
                continue;
            }
            if self.previous == Some(hash) {
                self.anchored = at;
            } else if !self.mismatched {
                self.mismatched = true;
                let from = self.anchored + 1;
                let draft = Draft {
                    expected: json!(hex(&hash)),
                    found: json!(self.previous.map(|hash| hex(&hash))),
                    detail: format!("rewritten between {from} and {at}: the anchor differs"),
                    ..wrong(Kind::EntryEdited, Subject::entry(at), at)
                };
                to.book.find(Invariant::I16, draft);
                to.fold.lost.doubtful.push((from, at));
            }
        }
    }

    /// At the end of what there is: is it the end that the head names?
    fn end(&mut self, until: u64, to: &mut Sink<'_>) {
        let ends = self.place(self.slot).max(self.slot);
        if ends < until {
            tail_cut((ends + 1, until), "the log ends before its head", to);
            (self.slot, self.shift) = (until, 0);
            (self.previous, self.prior) = (None, None);
        }
        let beyond = self.anchors.iter().find(|(at, _)| *at > self.tip);
        if let Some((at, _)) = beyond {
            let what = "an anchor is beyond the head: log and head were cut together";
            tail_cut((self.tip + 1, *at), what, to);
            self.anchors.clear();
        }
        let clean = to.book.is_clean(Invariant::I16);
        if clean && until == self.head.position && self.previous != Some(self.head.hash) {
            let draft = Draft {
                expected: json!(self.previous.map(|hash| hex(&hash))),
                found: json!(hex(&self.head.hash)),
                detail: "the head's hash is not the last row's".to_owned(),
                ..wrong(
                    Kind::StateEdited,
                    Subject::new("head", &self.head.log),
                    until,
                )
            };
            to.book.find(Invariant::I16, draft);
        }
    }

    /// Has seals made of the fold at positions that it has still to come by.
    pub(super) fn seal_at(&mut self, mut stops: Vec<u64>) {
        stops.sort_unstable();
        stops.dedup();
        self.stops = stops.into();
    }

    /// Makes a seal where one is wanted, of the fold as the last judged row left it.
    fn seal(&mut self, (at, hash): (u64, Hash), to: &Sink<'_>) {
        while let Some(stop) = self.stops.pop_front_if(|stop| *stop <= at) {
            if stop == at && to.fold.position == at {
                self.seals.extend(seal::of(to.fold, &self.head, &hash));
            }
        }
    }

    /// The seals that were made, lowest first.
    pub(super) fn seals(&mut self) -> Vec<SealRow> {
        std::mem::take(&mut self.seals)
    }

    /// The last position at which the log was found as an anchor says; 0 without one.
    pub(super) fn anchored(&self) -> u64 {
        self.anchored
    }
}

fn edited(position: u64, what: &str, to: &mut Sink<'_>) {
    let draft = wrong(Kind::EntryEdited, Subject::entry(position), position);
    let detail = what.to_owned();
    to.book.find(Invariant::I16, Draft { detail, ..draft });
}

fn removed((first, last): (u64, u64), to: &mut Sink<'_>) {
    to.fold.lost.gone.push((first, last));
    let draft = Draft {
        expected: json!({"from": first, "to": last}),
        detail: format!("{} rows are gone", last.saturating_sub(first) + 1),
        ..wrong(Kind::EntryRemoved, Subject::entry(first), first)
    };
    to.book.find(Invariant::I16, draft);
}

/// Names a segment that cannot be read.
pub(super) fn unreadable((first, last): (u64, u64), what: &str, to: &mut Sink<'_>) {
    let draft = Draft {
        expected: json!({"from": first, "to": last}),
        detail: format!("{what}: restore the file"),
        ..wrong(Kind::SegmentDamaged, Subject::new("segment", first), first)
    };
    to.book.find(Invariant::I16, draft);
}

/// Says once that the log's end is missing.
pub(super) fn tail_cut((first, last): (u64, u64), what: &str, to: &mut Sink<'_>) {
    to.fold.lost.gone.push((first, last));
    if to.book.has(Invariant::I16, Kind::TailCut) {
        return;
    }
    let draft = Draft {
        expected: json!(last),
        found: json!(first - 1),
        detail: what.to_owned(),
        ..wrong(Kind::TailCut, Subject::entry(first), first)
    };
    to.book.find(Invariant::I16, draft);
}
