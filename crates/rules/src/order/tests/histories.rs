//! Random histories: whatever goes wrong and whoever asks for what, once the faults heal every
//! order becomes quiet with units and money in agreement. [`World::apply`] looks after each event.

use super::world::{Fault, World};
use super::*;
use crate::payment::Settled;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::collections::BTreeSet;

#[derive(Debug, Clone, Copy)]
enum Step {
    /// What is due next is done, and this goes wrong with it.
    Call(Fault),
    /// An answer comes a second time, late.
    Repeat(usize),
    /// Time passes, in seconds.
    Wait(u64),
    Cancel,
    /// So many minor units are asked back; all that is left if nothing.
    Refund(Option<i64>),
    /// So many units of each line come back.
    Return(u64),
    /// A person decides.
    Resolve(bool),
    /// The bank ends what is pending.
    Settle(bool),
    /// The bank gives some of the charge back by itself.
    GiveBack(i64),
    /// The parcel moves on, or is dropped.
    Carry(bool),
    /// A callback arrives; it may arrive again.
    Hear(usize, bool),
    /// A callback that says another amount, or names what nobody knows.
    Lie(bool),
    /// Others buy all that is available, or units come in.
    Others(bool),
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        6 => Just(Fault::None),
        1 => Just(Fault::Refused),
        2 => Just(Fault::AnswerLost),
        2 => Just(Fault::CallLost),
        1 => Just(Fault::NotSent),
        1 => Just(Fault::Slow),
        1 => (-700..700_i64).prop_map(Fault::Odd),
        1 => Just(Fault::Foreign),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let amount = prop_oneof![1..1_200_i64, Just(1_000)];
    prop_oneof![
        12 => fault().prop_map(Step::Call),
        2 => (0..9_usize).prop_map(Step::Repeat),
        1 => prop_oneof![1..120_u64, Just(900), Just(100_000)].prop_map(Step::Wait),
        1 => Just(Step::Cancel),
        1 => Just(Step::Refund(None)),
        1 => amount.clone().prop_map(|amount| Step::Refund(Some(amount))),
        1 => (1..4_u64).prop_map(Step::Return),
        1 => any::<bool>().prop_map(Step::Resolve),
        2 => any::<bool>().prop_map(Step::Settle),
        1 => amount.prop_map(Step::GiveBack),
        3 => prop::bool::weighted(0.2).prop_map(Step::Carry),
        4 => (0..9_usize, any::<bool>()).prop_map(|(which, again)| Step::Hear(which, again)),
        1 => any::<bool>().prop_map(Step::Lie),
        1 => any::<bool>().prop_map(Step::Others),
    ]
}

/// A total, spare sets of units, and what happens.
fn histories() -> impl Strategy<Value = (i64, u64, Vec<Step>)> {
    let total = prop_oneof![6 => Just(1_000_i64), 1 => Just(0), 1 => Just(1)];
    (total, 0..2_u64, prop::collection::vec(step(), 0..40))
}

impl World {
    fn take_step(&mut self, step: Step) {
        match step {
            Step::Call(fault) => {
                self.call(fault);
            }
            Step::Repeat(which) => {
                if let Some((task, told)) = self.answers.get(which).cloned() {
                    self.report(Tries::default(), task, &told);
                }
            }
            Step::Wait(seconds) => self.now = self.now.plus(Millis(seconds * 1_000)),
            Step::Cancel => {
                if let Ok(Some(decision)) = cancel(self.asked(), self.now) {
                    self.apply(decision);
                }
            }
            Step::Refund(amount) => self.ask_back(amount),
            Step::Return(units) => self.bring_back(units),
            Step::Resolve(go_on) => self.resolve(go_on),
            Step::Settle(completed) => self.settle(if completed {
                Settled::Completed
            } else {
                Settled::Failed
            }),
            Step::GiveBack(amount) => self.give_back(amount),
            Step::Carry(dropped) => self.carry(dropped),
            Step::Hear(which, again) => self.receive(which, again),
            Step::Lie(names) => self.lie(names),
            Step::Others(buy) => self.stock.available = if buy { 0 } else { super::world::UNITS },
        }
        self.look();
    }

    /// Its customer is told when it is time; what was tried stays tried.
    fn look(&mut self) {
        let tries = self.tries;
        if let Some(decision) = warn(&self.order, self.now) {
            self.apply(decision);
            self.tries = tries;
        }
    }

    fn ask_back(&mut self, amount: Option<i64>) {
        // Ids that look made are the client's right.
        let id = refund_id(&format!("auto-{}", self.order.refunds.len() + 2));
        let amount = amount.map(|amount| money(amount, "EUR"));
        if let Ok(decision) = refund(self.asked(), (&id, amount), self.now) {
            self.apply(decision);
        }
    }

    fn bring_back(&mut self, units: u64) {
        let line = |id: &str| ReturnLine {
            sku: sku(id),
            quantity: crate::tests::units(units),
        };
        let lines = [line("lamp"), line("chair")];
        if let Ok(decision) = return_units(self.asked(), &lines, true, self.now) {
            self.apply(decision);
        }
    }

    fn receive(&mut self, which: usize, again: bool) {
        if self.post.is_empty() {
            return;
        }
        let which = which % self.post.len();
        let news = if again {
            self.post[which].clone()
        } else {
            self.post.remove(which)
        };
        self.hear(&news);
    }

    fn lie(&mut self, names: bool) {
        let known = self.order.payment.charges.first();
        let transaction = match known.filter(|_| names) {
            Some(charge) => charge.transaction.clone(),
            None => "t-nobody".to_owned(),
        };
        let waiting = self.post.len();
        self.hear(&News::Money {
            word: Word::Completed,
            transaction,
            amount: money(123_456, "EUR"),
        });
        // What stays early is set aside after a while.
        self.post.truncate(waiting);
    }
}

fn live((total, spare, steps): &(i64, u64, Vec<Step>)) -> World {
    let mut world = World::new(*total, *spare);
    world.order.warn = Millis(880_000);
    for step in steps {
        world.take_step(*step);
    }
    world.heal();
    world
}

proptest! {
    #![proptest_config(Config { cases: 8_000, failure_persistence: None, ..Config::default() })]

    #[test]
    fn any_history_ends_quiet_with_units_and_money_in_agreement(history in histories()) {
        live(&history);
    }
}

/// Histories that never reach an end would prove nothing about it.
#[test]
fn the_histories_reach_every_kind_of_event_and_every_end() {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let (mut kinds, mut ends, mut units) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for _ in 0..4_000 {
        let history = histories().new_tree(&mut runner).expect("a history");
        let world = live(&history.current());
        kinds.extend(world.story.iter().map(|kind| kind.name()));
        ends.insert(world.order.status.name());
        units.insert(format!("{:?} {:?}", world.order.status, world.order.units));
    }
    let first = [Kind::OrderCreated, Kind::OrderRejected];
    for kind in Kind::ALL {
        if kind.aggregate() == crate::event::Aggregate::Order && !first.contains(kind) {
            assert!(kinds.contains(kind.name()), "{}", kind.name());
        }
    }
    let expected = ["CANCELLED", "DELIVERED", "EXPIRED", "REFUNDED"];
    assert_eq!(ends, BTreeSet::from(expected));
    for both in ["Refunded Left", "Refunded Free"] {
        assert!(units.contains(both), "{both}");
    }
}
