use super::*;
use crate::chain::{Entry, origin};
use crate::commit::Effect;
use crate::port::KeyRow;
use crate::testing::{
    NOW, ask, at, change, confirm, expire, extend, hold_id, keyed, make_token, place, place_for,
    put, release, revoke, sku, token_id, units,
};
use evenkeel_rules::hold::{self, State};
use evenkeel_rules::stock::{self, Change};
use evenkeel_rules::token;
use std::collections::VecDeque;

mod formats;
mod lineage;
mod paths;
mod shares;
mod upkeep;
mod warn;
mod widen;

/// A store without a store: the rows that were written so far.
struct World {
    view: View,
    ledger: Ledger,
    clock: LogTime,
    batches: u8,
}

impl World {
    fn new() -> Self {
        let salt = [5; 16];
        let head = Head {
            log: "main".to_owned(),
            salt,
            incarnation: 1,
            ended: Vec::new(),
            position: 0,
            hash: origin("main", &salt),
            time: LogTime::default(),
            format: evenkeel_rules::event::FORMAT,
            refusals: 0,
            floor: 1,
            leases: evenkeel_rules::lease::Leases::default(),
            batches: VecDeque::new(),
        };
        Self {
            view: View::new(head),
            ledger: Ledger::default(),
            clock: NOW,
            batches: 0,
        }
    }

    /// `lamp` with five units, `chair` with one, hold `h-1` of two lamps, token `t-1`.
    fn stocked() -> Self {
        let mut world = Self::new();
        let commits = [
            put("lamp"),
            put("chair"),
            change("lamp", Change::Receive(units(5))),
            change("chair", Change::Receive(units(1))),
            place("h-1", &[("lamp", 2)]),
            make_token("t-1"),
        ];
        for command in commits {
            let verdicts = world.run(&[ask(command)]);
            assert!(matches!(
                verdicts[0],
                Verdict::Told(Outcome::Accepted { .. })
            ));
        }
        world
    }

    fn after(mut self, ms: u64) -> Self {
        self.clock = self.clock.plus(Millis(ms));
        self
    }

    /// Every row that exists, and *absent* for whatever else the tests ask about.
    fn full_view(&self, commits: &[Commit]) -> View {
        let mut view = self.view.clone();
        for key in commits.iter().filter_map(|commit| commit.key) {
            view.keys.entry(key.name).or_insert(None);
        }
        for id in ["h-1", "h-2", "h-3", "h-4"] {
            view.holds.entry(hold_id(id)).or_insert(None);
        }
        for id in ["t-1", "t-2"] {
            view.tokens.entry(token_id(id)).or_insert(None);
        }
        for id in ["lamp", "chair", "sofa"] {
            view.skus.entry(sku(id)).or_insert(None);
            view.balances.entry(at(id)).or_insert(None);
        }
        let now = self.clock.max(view.head.time);
        let rows = view.holds.values().flatten();
        let mut front: Vec<HoldRow> = rows
            .filter(|row| row.hold.is_overdue(now))
            .cloned()
            .collect();
        front.sort_by_key(|row| (row.hold.deadline, row.created));
        view.front = Some(front);
        view
    }

    fn judge(&mut self, view: View, commits: &[Commit]) -> Settled {
        self.batches += 1;
        let context = Context {
            clock: self.clock,
            batch: [self.batches; 16],
            max_life: Millis(3_600_000),
            warn: Millis(0),
            allocation: &[],
        };
        let commits: Vec<&Commit> = commits.iter().collect();
        settle(&mut self.ledger, view, &commits, context)
    }

    fn settle(&mut self, commits: &[Commit]) -> Settled {
        let view = self.full_view(commits);
        self.judge(view, commits)
    }

    /// Judges a batch and keeps what it writes.
    fn run(&mut self, commits: &[Commit]) -> Vec<Verdict> {
        let settled = self.settle(commits);
        if let Some(writes) = settled.writes {
            self.keep(writes);
        }
        settled.verdicts
    }

    fn keep(&mut self, writes: Writes) {
        for write in writes.holds {
            self.view
                .holds
                .insert(write.row.hold.id.clone(), Some(write.row));
        }
        for write in writes.skus {
            let id = write.row.sku.terms.sku.clone();
            self.view.skus.insert(id, Some(write.row));
        }
        for write in writes.balances {
            self.view.balances.insert(write.place, Some(write.now));
        }
        for write in writes.tokens {
            let id = write.row.token.id.clone();
            self.view.tokens.insert(id, Some(write.row));
        }
        for write in writes
            .names
            .iter()
            .filter(|write| write.fingerprint != [0; 16])
        {
            let mark = Mark::Position(write.position);
            let fingerprint = write.fingerprint;
            self.view
                .keys
                .insert(write.name, Some(KeyRow { mark, fingerprint }));
        }
        for row in writes.refusals {
            let said = serde_json::from_str(&row.text).expect("it is JSON");
            let mark = Mark::Refusal(row.number, said);
            let fingerprint = row.fingerprint;
            self.view
                .keys
                .insert(row.name, Some(KeyRow { mark, fingerprint }));
        }
        self.view.head = writes.head;
    }
}

fn outcome(verdict: &Verdict) -> &Outcome {
    match verdict {
        Verdict::Told(outcome) => outcome,
        other => panic!("nothing to tell: {other:?}"),
    }
}

fn refused(verdict: &Verdict) -> Rejection {
    match outcome(verdict) {
        Outcome::Refused { rejection, .. } => rejection.clone(),
        other => panic!("not refused: {other:?}"),
    }
}

fn accepted(verdict: &Verdict) -> (u64, &Effect) {
    match outcome(verdict) {
        Outcome::Accepted { position, effect } => (*position, effect),
        other => panic!("not accepted: {other:?}"),
    }
}

fn sold_out(id: &str) -> Rejection {
    hold::Rejection::SoldOut { sku: sku(id) }.into()
}
