//! The laws of a hold's step: order, time, body and moves.

use super::fold::{Fold, subject, wrong};
use super::holds::{HoldFold, body_fits, body_hash, core_hash, kind_of, takes};
use super::names::Of;
use super::privacy;
use super::report::{Book, Draft, Invariant, Kind as Wrong};
use super::rows::same_id;
use super::stream::{Step, Stream};
use crate::chain::{Entry, EntryEvent};
use crate::commit::hold_name;
use evenkeel_rules::event::Kind;
use evenkeel_rules::hold::Hold;
use evenkeel_rules::stock::Move;
use serde_json::json;

impl Fold {
    /// Takes a hold's event in; whether the row's next moves are the event's.
    pub(super) fn hold_event(
        &mut self,
        entry: &Entry,
        event: &EntryEvent,
        moves: &mut std::slice::Iter<'_, Move>,
        book: &mut Book,
    ) -> Result<bool, String> {
        let hold: Hold = event.data()?;
        privacy::members(event, &hold, self.position, book);
        same_id(event, hold.id.as_str())?;
        let name = hold_name(&hold.id);
        let index = self.holds.index(&name);
        let before = index.map(|index| *self.holds.get(index));
        let stream = before.map(|fold| stream_of(&fold));
        let step = self.step(stream.as_ref(), event, book);
        if step != Step::Adopted {
            self.order(before.as_ref(), event, step, book);
        }
        self.time(before.as_ref(), (entry, event), &hold, book);
        self.body(before.as_ref(), (entry, event), &hold, book);
        let after = Self::after(stream, event, step, self.position);
        self.born(stream, event, (name, Of::Hold));
        let fold = HoldFold {
            created: after.created,
            last: after.last,
            deadline: hold.deadline,
            body: body_hash(&hold),
            core: core_hash(&hold, hold.order.as_ref()),
            version: u32::try_from(after.version).unwrap_or(u32::MAX),
            kind: kind_of(event.kind, &hold),
            adopted: after.adopted,
            gapped: after.gapped,
            seen: after.seen,
        };
        match index {
            Some(index) => *self.holds.get_mut(index) = fold,
            None => drop(self.holds.push(name, fold)),
        }
        if let Some(what) = self.share_event(event.kind, &hold) {
            self.illegal(event, what, book);
        }
        if let Some(order) = &hold.order {
            self.row.note(order, (name, event.kind));
        }
        Ok(takes(event.kind, &hold, moves))
    }

    /// I3 and I7: an ended hold ends no second time, and every pair of events is a legal one.
    fn order(&self, before: Option<&HoldFold>, event: &EntryEvent, step: Step, book: &mut Book) {
        let ends = matches!(event.kind, Kind::Confirmed | Kind::Released | Kind::Expired);
        book.checked(Invariant::I3, usize::from(ends));
        match before {
            Some(fold) if ends && fold.has_ended() => {
                let draft = Draft {
                    expected: json!(fold.kind.name()),
                    found: json!(event.kind.name()),
                    detail: format!("it ended at {} already", fold.last),
                    ..wrong(Wrong::EndedTwice, subject(event), self.position)
                };
                book.find(Invariant::I3, draft);
            }
            // A gap was said already, and what lies in it is not known.
            _ if step != Step::Next => (),
            Some(_) if event.kind == Kind::Held && !event.id().starts_with("cart:") => {
                self.illegal(event, "only the line of a cart is held again", book);
            }
            _ if !Kind::may_follow(before.map(|fold| fold.kind), event.kind) => {
                self.illegal(event, "it may not follow the event before it", book);
            }
            _ => (),
        }
    }

    /// I4: before the deadline nothing expires it, from it on nothing else changes it. While money
    /// is being moved for its order the deadline counts no more.
    fn time(
        &self,
        before: Option<&HoldFold>,
        (entry, event): (&Entry, &EntryEvent),
        hold: &Hold,
        book: &mut Book,
    ) {
        let deadline = match before {
            _ if event.kind == Kind::Held => return,
            Some(fold) if fold.kind == Kind::Confirming && event.kind != Kind::Expired => return,
            Some(fold) => fold.deadline,
            // No ending moves the deadline; how an extend on a lost stream moved it is not known.
            None if event.kind == Kind::Extended || hold.order.is_some() => return,
            None => hold.deadline,
        };
        book.checked(Invariant::I4, 1);
        let (kind, legal) = match event.kind {
            Kind::Expired => (Wrong::ExpiredEarly, entry.at >= deadline),
            _ => (Wrong::ChangedLate, entry.at < deadline),
        };
        if !legal {
            let draft = Draft {
                expected: json!({"deadline": deadline}),
                found: json!({"at": entry.at}),
                detail: format!("{} at log time {}", event.kind.name(), entry.at.micros()),
                ..wrong(kind, subject(event), self.position)
            };
            book.find(Invariant::I4, draft);
        }
    }

    /// I7: the body that the event shows is the one before it, changed as this event changes it.
    fn body(
        &self,
        before: Option<&HoldFold>,
        (entry, event): (&Entry, &EntryEvent),
        hold: &Hold,
        book: &mut Book,
    ) {
        let changed = before.filter(|_| event.kind != Kind::Held);
        let kept = changed.is_none_or(|fold| {
            let deadline = match event.kind {
                Kind::Extended => hold.deadline >= fold.deadline,
                _ => hold.deadline == fold.deadline,
            };
            // An order begins on it; what was placed for one stays its.
            let order = hold
                .order
                .as_ref()
                .filter(|_| event.kind != Kind::Confirming);
            let lost = self.lost.is_gone(event.previous);
            // A lost row may have moved the deadline, or begun the order.
            let core =
                fold.core == core_hash(hold, order) || lost && fold.core == core_hash(hold, None);
            core && (deadline || lost)
        });
        if !kept || !body_fits(event.kind, hold, entry.at) {
            self.illegal(event, "the hold that it shows is not what it leaves", book);
        }
    }
}

fn stream_of(fold: &HoldFold) -> Stream {
    Stream {
        created: fold.created,
        last: fold.last,
        version: u64::from(fold.version),
        kind: fold.kind,
        adopted: fold.adopted,
        gapped: fold.gapped,
        seen: fold.seen,
    }
}
