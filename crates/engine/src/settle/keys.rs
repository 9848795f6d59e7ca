//! Judging keys: a request that was answered before gets the same answer.
//!
//! A key's row is written with its effect, in the same batch, or with the final refusal that it
//! got. A momentary refusal leaves no key: the same request may be asked again.

use super::{Judge, Stop};
use crate::commit::{Commit, Outcome, Rejection};
use crate::port::{KeyRow, Mark, RefusalRow, Touch};
use evenkeel_rules::idempotency::{self, Known};

impl Judge<'_> {
    /// The answer of the first time, if the key was used before.
    pub(super) fn replay(&self, commit: &Commit) -> Result<Option<Outcome>, Stop> {
        let Some(key) = &commit.key else {
            return Ok(None);
        };
        let widen = || {
            Stop::Widen(Box::new(Touch {
                keys: vec![key.name],
                ..Touch::default()
            }))
        };
        let row = self.view.keys.get(&key.name).ok_or_else(widen)?;
        let known = row
            .as_ref()
            .map_or(Known::Absent, |row| Known::Used(row.fingerprint));
        idempotency::judge(known, &key.fingerprint)?;
        Ok(row.as_ref().map(|row| match &row.mark {
            Mark::Position(position) => Outcome::Replay {
                position: *position,
            },
            Mark::Refusal(_, rejection) => Outcome::ReplayRefused(rejection.clone()),
        }))
    }

    /// Writes a final refusal with its key, as bookkeeping.
    pub(super) fn refuse_for_good(&mut self, commit: &Commit, rejection: &Rejection) {
        let Some(key) = commit.key else {
            return;
        };
        let text = serde_json::to_string(rejection).expect("a rejection is plain JSON");
        assert!(
            text.len() <= 512,
            "a final refusal's text is at most 512 bytes"
        );
        self.writes.head.refusals += 1;
        let number = self.head().refusals;
        let (name, fingerprint) = (key.name, key.fingerprint);
        self.writes.refusals.push(RefusalRow {
            number,
            name,
            fingerprint,
            text,
        });
        let mark = Mark::Refusal(number, rejection.clone());
        self.view
            .keys
            .insert(name, Some(KeyRow { mark, fingerprint }));
    }
}
