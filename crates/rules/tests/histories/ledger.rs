//! A small ledger that does what the rules say and nothing else.

use crate::auditor::{Auditor, MAX_LIFE, Spot, Story};
use evenkeel_rules::hold::{
    self, Asker, Change, Ending, Hold, Known, Place, Rejection, State, Supply, Wanted,
};
use evenkeel_rules::ids::{CustomerId, HoldId, LocationId, Reference, SkuId};
use evenkeel_rules::money::{Currency, Money};
use evenkeel_rules::quantity::Quantity;
use evenkeel_rules::sku::Terms;
use evenkeel_rules::stock::{self, Account, Balances, Move};
use evenkeel_rules::time::{LogTime, Millis};
use std::collections::BTreeMap;

/// How many ids there are to choose from: few, so that some are in use.
const IDS: usize = 24;

/// What happens in a history. Numbers name SKUs, locations and holds modulo how many there are.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// So many ms pass.
    Wait(u8),
    /// Units come in.
    Receive(usize, u64),
    /// Units are found.
    Find(usize, u64),
    /// Units are written off.
    WriteOff(usize, u64),
    /// A hold of these (place, units), with a ttl in ms; an id that may be in use.
    Place(usize, Vec<(usize, u64)>, u64),
    /// All of a hold is sold.
    Confirm(usize),
    /// Some of a hold is sold: (place, units).
    ConfirmPart(usize, Vec<(usize, u64)>),
    /// A hold is given back.
    Release(usize),
    /// A hold's deadline is moved: ttl in ms.
    Extend(usize, u64),
    /// The sweep looks at a hold.
    Expire(usize),
}

/// What came of a step, in words that a test can count.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    /// It was accepted.
    Done(&'static str),
    /// It was refused with this code.
    Refused(&'static str, String),
}

/// The rules' ledger.
pub(crate) struct Ledger {
    now: LogTime,
    spots: Vec<Spot>,
    terms: Vec<Terms>,
    balances: BTreeMap<Spot, Balances>,
    stories: BTreeMap<HoldId, Story>,
    order: Vec<HoldId>,
    auditor: Auditor,
}

fn terms(sku: SkuId, max_per_order: Option<u64>) -> Terms {
    Terms {
        sku,
        name: "a thing".to_owned(),
        price: Money {
            amount: 100,
            currency: Currency::new("EUR").expect("EUR is in the list"),
        },
        max_per_order: max_per_order.map(units),
        max_per_customer: None,
        sale: None,
    }
}

fn units(units: u64) -> Quantity {
    Quantity::new(units).expect("the generator makes quantities only")
}

fn code(rejection: &Rejection) -> String {
    let value = serde_json::to_value(rejection).expect("a rejection is data");
    value["code"].as_str().expect("it has a code").to_owned()
}

impl Ledger {
    /// An empty ledger with two SKUs at two locations, one SKU with a limit.
    pub(crate) fn new() -> Self {
        let skus = ["lamp", "chair"].map(|id| SkuId::new(id).expect("a well-formed SKU"));
        let locations =
            ["main", "east"].map(|id| LocationId::new(id).expect("a well-formed location"));
        let spots = skus
            .iter()
            .flat_map(|sku| locations.iter().map(move |at| (sku.clone(), at.clone())))
            .collect();
        let [lamp, chair] = skus;
        Self {
            now: LogTime::from_micros(0),
            spots,
            terms: vec![terms(lamp, None), terms(chair, Some(5))],
            balances: BTreeMap::new(),
            stories: BTreeMap::new(),
            order: Vec::new(),
            auditor: Auditor::default(),
        }
    }

    /// Takes one step and looks at everything after it.
    pub(crate) fn take(&mut self, step: &Step) -> Outcome {
        let outcome = self.step(step);
        self.check();
        outcome
    }

    fn step(&mut self, step: &Step) -> Outcome {
        match step {
            Step::Wait(ms) => {
                self.now = self.now.plus(Millis(u64::from(*ms)));
                Outcome::Done("wait")
            }
            Step::Receive(place, n) => self.change(*place, stock::Change::Receive(units(*n))),
            Step::Find(place, n) => self.change(*place, stock::Change::Find(units(*n))),
            Step::WriteOff(place, n) => self.change(*place, stock::Change::WriteOff(units(*n))),
            Step::Place(id, lines, ttl) => self.place(*id, lines, Millis(*ttl)),
            Step::Confirm(hold) => self.end("confirm", *hold, |known, now| {
                hold::confirm(known, Asker::default(), None, now)
            }),
            Step::ConfirmPart(hold, lines) => {
                let lines = self.wanted(lines);
                self.end("confirm part", *hold, |known, now| {
                    hold::confirm(known, Asker::default(), Some(&lines), now)
                })
            }
            Step::Release(hold) => self.end("release", *hold, |known, now| {
                hold::release(known, Asker::default(), now)
            }),
            Step::Expire(hold) => self.end("expire", *hold, |known, now| {
                let hold = known.map(|known| known.hold);
                hold::expire(hold, now).map(|(hold, moves)| Change::Changed(hold, moves))
            }),
            Step::Extend(hold, ttl) => self.extend(*hold, Millis(*ttl)),
        }
    }

    fn at(&self, place: usize) -> Spot {
        self.spots[place % self.spots.len()].clone()
    }

    fn wanted(&self, lines: &[(usize, u64)]) -> Vec<Wanted> {
        let line = |(place, n): &(usize, u64)| {
            let (sku, location) = self.at(*place);
            let quantity = units(*n);
            Wanted {
                sku,
                location,
                quantity,
            }
        };
        lines.iter().map(line).collect()
    }

    fn balances_at(&self, place: &Spot) -> Balances {
        self.balances.get(place).copied().unwrap_or_default()
    }

    /// Commits a move: the rules' guard and the auditor each judge it.
    fn commit(&mut self, made: &Move) {
        let place = (made.sku.clone(), made.location.clone());
        let after = self
            .balances_at(&place)
            .after(made.operation, made.quantity);
        self.balances.insert(
            place,
            after.expect("an accepted command's moves can be made"),
        );
        self.auditor.book(made);
    }

    fn change(&mut self, place: usize, change: stock::Change) -> Outcome {
        let place = self.at(place);
        let before = self.balances_at(&place);
        match stock::change(true, before, &change) {
            Ok(after) => {
                let (operation, quantity) = change.operation();
                let (sku, location) = place.clone();
                let reference = Reference::new("po-1").expect("a well-formed reference");
                self.commit(&Move {
                    operation,
                    sku,
                    location,
                    quantity,
                    reference,
                });
                assert_eq!(
                    self.balances_at(&place),
                    after,
                    "the rule's answer is its move"
                );
                Outcome::Done("change")
            }
            Err(refused) => {
                let value = serde_json::to_value(&refused).expect("a rejection is data");
                let code = value["code"].as_str().expect("it has a code");
                Outcome::Refused("change", code.to_owned())
            }
        }
    }

    /// Which overdue holds the lines need ended, and what would then be available to each line.
    /// Nothing is committed: that waits until the place is accepted.
    fn pull(&self, lines: &[Wanted]) -> (Vec<HoldId>, BTreeMap<Spot, u64>) {
        let mut available: BTreeMap<Spot, u64> = BTreeMap::new();
        for spot in &self.spots {
            available.insert(spot.clone(), self.balances_at(spot).available());
        }
        let mut pulled: Vec<HoldId> = Vec::new();
        for line in lines {
            let holds = self.stories.values().map(|story| &story.hold);
            let front: Vec<&Hold> = holds.filter(|hold| !pulled.contains(&hold.id)).collect();
            let found = available[&(line.sku.clone(), line.location.clone())];
            for index in hold::pull(
                line,
                (std::slice::from_ref(&line.location), found),
                &front,
                self.now,
            ) {
                pulled.push(front[index].id.clone());
                for freed in &front[index].lines {
                    let spot = (freed.sku.clone(), freed.location.clone());
                    *available.entry(spot).or_default() += freed.quantity.get();
                }
            }
        }
        (pulled, available)
    }

    fn place(&mut self, id: usize, lines: &[(usize, u64)], ttl: Millis) -> Outcome {
        let id = HoldId::new(&format!("h-{}", id % IDS)).expect("a well-formed id");
        let command = Place {
            id: id.clone(),
            customer: CustomerId::new("c-1").expect("a well-formed customer"),
            lines: self.wanted(lines),
            ttl,
        };
        let summed = hold::sum(&command.lines).expect("small sums fit");
        let (pulled, available) = self.pull(&summed);
        let supply_of = |line: &Wanted| Supply {
            terms: self.terms.iter().find(|terms| terms.sku == line.sku),
            available: available[&(line.sku.clone(), line.location.clone())],
            has: 0,
        };
        let supply: Vec<Supply<'_>> = command.lines.iter().map(supply_of).collect();
        let taken = self.stories.contains_key(&id);
        let (hold, moves) = match hold::place(&command, taken, &supply, self.now) {
            Ok(placed) => placed,
            Err(refused) => {
                if let Rejection::SoldOut { sku } = &refused {
                    let short = |line: &Wanted| {
                        let spot = (line.sku.clone(), line.location.clone());
                        line.sku == *sku && available[&spot] < line.quantity.get()
                    };
                    assert!(summed.iter().any(short), "a false sold-out: {command:?}");
                }
                return Outcome::Refused("place", code(&refused));
            }
        };
        let outcome = Outcome::Done(if pulled.is_empty() {
            "place"
        } else {
            "place with pull"
        });
        for id in pulled {
            let due = &self.stories[&id].hold;
            let expired = hold::expire(Some(due), self.now);
            let (after, moves) = expired.expect("only due holds are pulled");
            self.write(&id, after, &moves);
        }
        self.insert(hold, &moves);
        outcome
    }

    fn insert(&mut self, hold: Hold, moves: &[Move]) {
        for made in moves {
            self.commit(made);
        }
        let id = hold.id.clone();
        let story = Story {
            deadlines: vec![hold.deadline],
            hold,
            version: 1,
            endings: Vec::new(),
        };
        assert!(
            self.stories.insert(id.clone(), story).is_none(),
            "an id is used once"
        );
        self.order.push(id);
    }

    /// Writes an ending.
    fn write(&mut self, id: &HoldId, after: Hold, moves: &[Move]) {
        let ending = match after.state {
            State::Confirmed => Ending::Confirm,
            State::Released => Ending::Release,
            State::Expired => Ending::Expire,
            State::Held | State::Confirming => panic!("an ending leaves no live hold"),
        };
        for made in moves {
            self.commit(made);
        }
        let story = self
            .stories
            .get_mut(id)
            .expect("an ending is of a hold that exists");
        story.endings.push((ending, self.now));
        story.version += 1;
        story.hold = after;
    }

    fn named(&self, hold: usize) -> Option<HoldId> {
        let index = hold % (self.order.len() + 1);
        self.order.get(index).cloned()
    }

    fn end(
        &mut self,
        name: &'static str,
        hold: usize,
        rule: impl FnOnce(Option<Known<'_>>, LogTime) -> Result<Change, Rejection>,
    ) -> Outcome {
        let id = self.named(hold);
        let known = id.as_ref().map(|id| Known {
            hold: &self.stories[id].hold,
            version: self.stories[id].version,
        });
        match rule(known, self.now) {
            Err(refused) => Outcome::Refused(name, code(&refused)),
            Ok(Change::Unchanged) => Outcome::Refused(name, "unchanged".to_owned()),
            Ok(Change::Changed(after, moves)) => {
                self.write(&id.expect("nothing ends without a hold"), after, &moves);
                Outcome::Done(name)
            }
        }
    }

    fn extend(&mut self, hold: usize, ttl: Millis) -> Outcome {
        let id = self.named(hold);
        let known = id.as_ref().map(|id| Known {
            hold: &self.stories[id].hold,
            version: self.stories[id].version,
        });
        match hold::extend(known, Asker::default(), (ttl, MAX_LIFE), self.now) {
            Err(refused) => Outcome::Refused("extend", code(&refused)),
            Ok(after) => {
                let id = id.expect("nothing is extended without a hold");
                let story = self.stories.get_mut(&id).expect("it was just read");
                story.deadlines.push(after.deadline);
                story.version += 1;
                story.hold = after;
                Outcome::Done("extend")
            }
        }
    }

    /// Looks at every invariant that a history must keep.
    fn check(&self) {
        for story in self.stories.values() {
            story.check();
        }
        for place in &self.spots {
            let balances = self.balances_at(place);
            for account in Account::ALL {
                let folded = self.auditor.units(place, account);
                let stands = i128::from(balances.get(account));
                assert_eq!(
                    stands, folded,
                    "the fold of the moves: {place:?} {account:?}"
                );
            }
            let of_lines = |state: State, units: fn(&hold::Line) -> u64| -> i128 {
                let holds = self.stories.values().map(|story| &story.hold);
                holds
                    .filter(|hold| hold.state == state)
                    .flat_map(|hold| &hold.lines)
                    .filter(|line| (&line.sku, &line.location) == (&place.0, &place.1))
                    .map(|line| i128::from(units(line)))
                    .sum()
            };
            let held = of_lines(State::Held, |line| line.quantity.get());
            assert_eq!(
                self.auditor.units(place, Account::Held),
                held,
                "units of live holds"
            );
            let sold = of_lines(State::Confirmed, |line| line.confirmed.unwrap_or(0));
            assert_eq!(
                self.auditor.units(place, Account::Sold),
                sold,
                "units confirmed"
            );
        }
    }

    /// Lets every deadline pass and sweeps: afterwards every hold has ended.
    pub(crate) fn finish(&mut self) {
        self.now = self.now.plus(Millis(10_000));
        for hold in 0..self.order.len() {
            self.take(&Step::Expire(hold));
        }
        for story in self.stories.values() {
            assert_eq!(
                story.endings.len(),
                1,
                "I3: exactly one ending after the deadline"
            );
        }
    }
}
