//! An order in a small world: a bank and a courier that keep what they did under its key, a ledger
//! of units, and callbacks on their way. Every decision passes [`World::apply`], which looks at
//! everything that must hold after every single event.

use super::*;
use crate::payment::Settled;
use crate::saga::State;
use crate::shipment::Status as Parcel;
use std::collections::BTreeMap;

/// What goes wrong with one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nothing.
    None,
    /// The provider says no.
    Refused,
    /// It was done, and the answer got lost.
    AnswerLost,
    /// It never came to the provider.
    CallLost,
    /// It was not made.
    NotSent,
    /// It is taken on, and done later.
    Slow,
    /// It is done with this many minor units more.
    Odd(i64),
    /// It is done in another currency.
    Foreign,
}

/// Money that a bank moved, or may move.
#[derive(Debug, Clone)]
pub(super) struct Movement {
    pub(super) transaction: String,
    pub(super) status: Settled,
    pub(super) amount: i64,
    foreign: bool,
}

impl Movement {
    pub(super) fn done(transaction: &str, amount: i64) -> Self {
        Self {
            transaction: transaction.to_owned(),
            status: Settled::Completed,
            amount,
            foreign: false,
        }
    }

    fn told(&self) -> Told {
        Told::Money(Receipt {
            transaction: self.transaction.clone(),
            status: self.status,
            amount: (!self.foreign).then_some(self.amount),
        })
    }

    fn moved(&self) -> i64 {
        let counts = self.status == Settled::Completed && !self.foreign;
        if counts { self.amount } else { 0 }
    }
}

/// What the bank did under the order's keys.
#[derive(Debug, Clone, Default)]
pub(super) struct Bank {
    pub(super) charge: Option<Movement>,
    pub(super) refunds: BTreeMap<String, Movement>,
    /// What it gave back without being asked.
    pub(super) returned: i64,
    /// What a person gave back by hand.
    by_hand: i64,
}

impl Bank {
    /// Minor units of the order's that the shop really has.
    pub(super) fn kept(&self) -> i64 {
        let back: i64 = self.refunds.values().map(Movement::moved).sum();
        let came = self.charge.as_ref().map_or(0, Movement::moved);
        came - back - self.returned - self.by_hand
    }

    /// Minor units that can still go back.
    fn left(&self) -> i64 {
        let pending = |it: &&Movement| it.status == Settled::Pending;
        let promised = self.refunds.values().filter(pending);
        self.kept() - promised.map(|it| it.amount).sum::<i64>()
    }

    /// A person gives back what is missing of a refund that is stuck, and ends it at the bank.
    fn pay_by_hand(&mut self, refund: &Refund) {
        let known = self.refunds.get_mut(refund.id.as_str());
        let moved = known.map_or(0, |known| {
            if known.status == Settled::Pending {
                known.status = Settled::Failed;
            }
            known.moved()
        });
        self.by_hand += (refund.amount - moved).min(self.left());
    }
}

/// The order's units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Stock {
    pub(super) available: u64,
    pub(super) held: u64,
    pub(super) sold: u64,
    pub(super) shipped: u64,
    pub(super) gone: u64,
}

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct World {
    pub(super) order: Order,
    pub(super) tries: Tries,
    pub(super) now: LogTime,
    pub(super) version: u64,
    pub(super) bank: Bank,
    pub(super) courier: Option<Parcel>,
    pub(super) stock: Stock,
    /// Callbacks on their way.
    pub(super) post: Vec<News>,
    /// Answers that may come again.
    pub(super) answers: Vec<(Task, Told)>,
    /// What happened, by kind.
    pub(super) story: Vec<Kind>,
    /// Callbacks that contradict.
    pub(super) aside: usize,
    /// Whether to spare the time that it takes to write everything as text and read it back.
    pub(super) is_plain: bool,
    made: usize,
}

/// Units of [`World::new`]'s order.
pub(super) const UNITS: u64 = 5;

impl World {
    /// A pending order of three lamps and two chairs, and `spare` sets of its units besides.
    pub(super) fn new(total: i64, spare: u64) -> Self {
        let (taken, hold_units) = taken(total);
        let mut world = Self {
            order: taken.created.clone(),
            tries: Tries::default(),
            now: NOW,
            version: 1,
            bank: Bank::default(),
            courier: None,
            stock: Stock {
                available: spare * UNITS,
                held: hold_units,
                ..Stock::default()
            },
            post: Vec::new(),
            answers: Vec::new(),
            story: Vec::new(),
            aside: 0,
            is_plain: false,
            made: 0,
        };
        if let Some(decision) = taken.then {
            world.apply(decision);
        }
        world
    }

    pub(super) fn is_spare(&self) -> bool {
        self.order.status == Status::Expired && self.stock.available >= UNITS
    }

    /// Takes a decision in, after looking at every event of it.
    pub(super) fn apply(&mut self, decision: Decision) {
        assert!(!decision.events.is_empty(), "a decision has events");
        let mut fold = self.order.clone();
        for (kind, patch) in decision.events {
            let patch = if self.is_plain { patch } else { reread(&patch) };
            let was = (fold.status, fold.payment_status());
            fold = patch.apply(fold);
            let is = (fold.status, fold.payment_status());
            assert!(
                was.0 == is.0 || was.0.next(is.0).is_ok(),
                "{was:?} {is:?} {kind:?}"
            );
            assert!(
                was.1 == is.1 || was.1.may_become(is.1),
                "{was:?} {is:?} {kind:?}"
            );
            assert_amounts(&fold);
            self.story.push(kind);
            self.version += 1;
        }
        assert_eq!(fold, decision.order, "the events tell all that was decided");
        assert!(self.is_plain || reread(&fold) == fold);
        self.order = fold;
        self.tries = Tries::default();
        self.move_units(&decision.units);
        self.assert_units();
    }

    fn move_units(&mut self, change: &UnitsChange) {
        let stock = &mut self.stock;
        let (from, to, units) = match change {
            UnitsChange::None => return,
            UnitsChange::Confirm => (&mut stock.held, &mut stock.sold, UNITS),
            UnitsChange::Release => (&mut stock.held, &mut stock.available, UNITS),
            UnitsChange::Reacquire => (&mut stock.available, &mut stock.sold, UNITS),
            UnitsChange::Unsell => (&mut stock.sold, &mut stock.available, UNITS),
            UnitsChange::Ship => (&mut stock.sold, &mut stock.shipped, UNITS),
            UnitsChange::Return { lines, .. } => {
                let units = lines.iter().map(|(_, units)| units.get()).sum();
                (&mut stock.shipped, &mut stock.gone, units)
            }
        };
        *from = from.checked_sub(units).expect("no account goes below zero");
        *to += units;
    }

    /// The ledger says of the order's units what the order says, and its status agrees.
    fn assert_units(&self) {
        let (held, sold, left) = match self.order.units {
            Units::Held => (UNITS, 0, 0),
            Units::Sold => (0, UNITS, 0),
            Units::Left => (0, 0, UNITS),
            Units::Free => (0, 0, 0),
        };
        let back: u64 = self.order.lines.iter().map(|line| line.returned).sum();
        let stands = (self.stock.held, self.stock.sold, self.stock.shipped + back);
        assert_eq!(stands, (held, sold, left), "{:?}", self.order);
        let agree = match self.order.status {
            Status::Pending => self.order.units == Units::Held,
            Status::Paid | Status::Confirmed => {
                self.order.units == Units::Sold || self.order.is_cancelling()
            }
            Status::Shipped | Status::Delivered => self.order.units == Units::Left,
            Status::Refunded => matches!(self.order.units, Units::Left | Units::Free),
            Status::Cancelled | Status::Expired | Status::Rejected => {
                self.order.units == Units::Free
            }
        };
        assert!(agree, "{:?}", self.order);
    }

    pub(super) fn asked(&self) -> Asked<'_> {
        Asked {
            order: Some(&self.order),
            version: self.version,
            customer: None,
            expected: None,
        }
    }

    /// Does what is due next, whenever that is; whether anything was.
    pub(super) fn call(&mut self, fault: Fault) -> bool {
        let random = self.version.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let Some(due) = self.order.due(self.tries, random) else {
            return false;
        };
        self.now = self.now.max(due.at);
        self.do_now(due.task, fault);
        true
    }

    pub(super) fn do_now(&mut self, task: Task, fault: Fault) {
        let told = self.provider(task, fault);
        let repeats = match told {
            Told::Money(_) | Told::Parcel { .. } | Told::Unknown => true,
            Told::Refused | Told::NeverSeen | Told::NotSent => false,
        };
        if repeats {
            self.answers.push((task, told.clone()));
        }
        self.report(self.tries, task, &told);
    }

    pub(super) fn report(&mut self, tries: Tries, task: Task, told: &Told) {
        let spare = self.is_spare();
        match report(&self.order, tries, (task, told), spare, self.now) {
            Report::Changed(decision) => self.apply(*decision),
            Report::Tried(tries) => self.tries = tries,
        }
    }

    /// What a provider answers, and what it does.
    fn provider(&mut self, task: Task, fault: Fault) -> Told {
        match fault {
            Fault::NotSent => return Told::NotSent,
            Fault::CallLost => return Told::Unknown,
            Fault::None
            | Fault::Refused
            | Fault::AnswerLost
            | Fault::Slow
            | Fault::Odd(_)
            | Fault::Foreign => {}
        }
        let told = match task {
            Task::Charge => self.charge(fault),
            Task::AskCharge => {
                let charge = self.bank.charge.as_ref();
                charge.map_or(Told::NeverSeen, Movement::told)
            }
            Task::Refund(number) => self.refund(number, fault),
            Task::AskRefund(number) => {
                let id = self.order.refunds[number].id.to_string();
                let refund = self.bank.refunds.get(&id);
                refund.map_or(Told::NeverSeen, Movement::told)
            }
            Task::Deliver => self.deliver(fault),
            Task::AskDelivery => self.courier.map_or(Told::NeverSeen, parcel),
            Task::Recall => self.recall(),
        };
        if fault == Fault::AnswerLost {
            return Told::Unknown;
        }
        told
    }

    fn name(&mut self, prefix: &str) -> String {
        self.made += 1;
        format!("{prefix}-{}", self.made)
    }

    fn charge(&mut self, fault: Fault) -> Told {
        if self.bank.charge.is_none() {
            let movement = self.movement("t", self.order.total.amount, fault);
            self.tell_of(&movement, Word::Completed);
            self.bank.charge = Some(movement);
        }
        let charge = self.bank.charge.as_ref().expect("it was made");
        if charge.status == Settled::Failed {
            return Told::Refused;
        }
        charge.told()
    }

    fn movement(&mut self, prefix: &str, amount: i64, fault: Fault) -> Movement {
        let odd = if let Fault::Odd(odd) = fault { odd } else { 0 };
        Movement {
            transaction: self.name(prefix),
            status: match fault {
                Fault::Refused => Settled::Failed,
                Fault::Slow => Settled::Pending,
                Fault::None
                | Fault::AnswerLost
                | Fault::CallLost
                | Fault::NotSent
                | Fault::Odd(_)
                | Fault::Foreign => Settled::Completed,
            },
            amount: (amount + odd).max(1),
            foreign: fault == Fault::Foreign,
        }
    }

    /// A callback leaves about how a movement ended.
    fn tell_of(&mut self, movement: &Movement, completed: Word) {
        let word = match movement.status {
            Settled::Pending => return,
            Settled::Completed => completed,
            Settled::Failed => Word::Failed,
        };
        let currency = if movement.foreign { "USD" } else { "EUR" };
        self.post.push(News::Money {
            word,
            transaction: movement.transaction.clone(),
            amount: money(movement.amount, currency),
        });
    }

    fn refund(&mut self, number: usize, fault: Fault) -> Told {
        let refund = &self.order.refunds[number];
        let (id, amount) = (refund.id.to_string(), refund.amount);
        if let Some(known) = self.bank.refunds.get(&id) {
            return known.told();
        }
        if fault == Fault::Refused || amount > self.bank.left() {
            return Told::Refused;
        }
        let fault = match fault {
            Fault::Odd(odd) => Fault::Odd(-odd.abs()),
            Fault::Foreign
            | Fault::None
            | Fault::Refused
            | Fault::AnswerLost
            | Fault::CallLost
            | Fault::NotSent
            | Fault::Slow => fault,
        };
        let movement = Movement {
            foreign: false,
            ..self.movement("r", amount, fault)
        };
        self.tell_of(&movement, Word::Refunded);
        let told = movement.told();
        self.bank.refunds.insert(id, movement);
        told
    }

    fn deliver(&mut self, fault: Fault) -> Told {
        if fault == Fault::Refused && self.courier.is_none() {
            return Told::Refused;
        }
        let taken_on = if fault == Fault::Slow {
            Parcel::Requested
        } else {
            Parcel::Initiated
        };
        parcel(*self.courier.get_or_insert(taken_on))
    }

    fn recall(&mut self) -> Told {
        match self.courier {
            None => Told::NeverSeen,
            Some(Parcel::Requested | Parcel::Initiated | Parcel::Cancelled) => {
                self.courier = Some(Parcel::Cancelled);
                parcel(Parcel::Cancelled)
            }
            Some(Parcel::InTransit | Parcel::Delivered | Parcel::Failed) => Told::Refused,
        }
    }

    /// The bank ends what is pending.
    pub(super) fn settle(&mut self, status: Settled) {
        let mut ended = Vec::new();
        let charge = self.bank.charge.iter_mut().map(|it| (it, Word::Completed));
        let refunds = self.bank.refunds.values_mut();
        let refunds = refunds.map(|it| (it, Word::Refunded));
        for (movement, word) in charge.chain(refunds) {
            if movement.status == Settled::Pending {
                movement.status = status;
                ended.push((movement.clone(), word));
            }
        }
        for (movement, word) in ended {
            self.tell_of(&movement, word);
        }
    }

    /// The bank gives some of the charge back by itself, once.
    pub(super) fn give_back(&mut self, amount: i64) {
        let amount = amount.min(self.bank.left());
        if self.bank.returned > 0 || amount < 1 {
            return;
        }
        self.bank.returned = amount;
        let charge = self.bank.charge.as_ref().expect("money came");
        self.post.push(News::Money {
            word: Word::Refunded,
            transaction: charge.transaction.clone(),
            amount: money(amount, "EUR"),
        });
    }

    /// The courier carries the parcel on, or drops it; a callback leaves about it.
    pub(super) fn carry(&mut self, dropped: bool) {
        let next = match self.courier {
            Some(Parcel::Requested | Parcel::Initiated) if dropped => Parcel::Failed,
            Some(Parcel::Requested) => Parcel::Initiated,
            Some(Parcel::Initiated) => Parcel::InTransit,
            Some(Parcel::InTransit) => Parcel::Delivered,
            None | Some(Parcel::Delivered | Parcel::Cancelled | Parcel::Failed) => return,
        };
        self.courier = Some(next);
        self.post.push(News::Parcel {
            delivery: "d-1".to_owned(),
            status: next,
        });
    }

    /// A callback comes in. One that is early has the provider asked, and is looked at again; one
    /// that stays early waits in the post.
    pub(super) fn hear(&mut self, news: &News) {
        for _ in 0..4 {
            match hear(&self.order, news, self.is_spare(), self.now) {
                Heard::Changed(decision) => return self.apply(*decision),
                Heard::Known => return,
                Heard::Contradicts => {
                    self.aside += 1;
                    self.ask(news);
                    return;
                }
                Heard::Early => self.ask(news),
            }
        }
        self.post.push(news.clone());
    }

    fn ask(&mut self, news: &News) {
        if matches!(news, News::Money { .. })
            && let Some(decision) = watch(&self.order, self.now)
        {
            self.apply(decision);
        }
        if let Some(due) = self.order.due(self.tries, 0) {
            self.do_now(due.task, Fault::None);
        }
    }

    /// A person decides what waits for one; money that could not go back goes back by hand.
    pub(super) fn resolve(&mut self, go_on: bool) {
        if !self.order.is_flagged() {
            return;
        }
        for news in std::mem::take(&mut self.post) {
            self.hear(&news);
        }
        // A person sees what the bank gave back, and lets it decide what is left.
        let open = |it: &Refund| it.transaction.is_none() && it.run.state == State::Stuck;
        let overtaken = |it: &Refund| open(it) && self.order.is_overtaken(it);
        let go_on = go_on || self.order.refunds.iter().any(overtaken);
        if !self.order.is_flagged() {
            return;
        }
        if !go_on {
            for refund in &self.order.refunds {
                if refund.run.state == State::Stuck {
                    self.bank.pay_by_hand(refund);
                }
            }
        }
        let resolved = resolve(self.asked(), go_on, CONFIRMING, self.now);
        self.apply(resolved.expect("it waits for a person"));
    }

    /// All faults heal: what is pending ends, callbacks arrive, persons decide, until nothing more
    /// happens. Fails if that takes for ever.
    pub(super) fn heal(&mut self) {
        let (mut waited, mut quiet) = (0, 0);
        for round in 0..400 {
            self.settle(Settled::Completed);
            for news in std::mem::take(&mut self.post) {
                self.hear(&news);
            }
            if self.order.is_flagged() {
                waited += 1;
                self.resolve(waited % 3 != 0);
            }
            if round % 3 == 2 {
                self.carry(false);
            }
            let called = self.call(Fault::None);
            let waits = self.order.is_flagged();
            quiet = if called || waits || !self.order.is_quiet() {
                0
            } else {
                quiet + 1
            };
            // What stays early is set aside.
            if quiet > 3 {
                return self.assert_settled();
            }
        }
        panic!("it never becomes quiet: {self:#?}");
    }

    /// Units and money agree, and the bank's own books agree with the order's.
    pub(super) fn assert_settled(&self) {
        let order = &self.order;
        assert!(order.is_quiet(), "{self:#?}");
        let kept = order.payment.captured() - order.refunded();
        assert_eq!(kept, order.amount_due(), "owed is kept: {self:#?}");
        assert_eq!(
            kept,
            self.bank.kept(),
            "the bank's books say the same: {self:#?}"
        );
        assert_eq!(order.refunded(), order.refund_requested(), "{self:#?}");
        if kept > 0 {
            assert_eq!(
                order.units,
                Units::Left,
                "money is kept for units: {self:#?}"
            );
        }
        if order.units == Units::Left && order.total.amount > 0 {
            let given = kept > 0 || order.granted() > 0;
            assert!(given, "units are paid for, or were given: {self:#?}");
        }
    }
}

fn parcel(status: Parcel) -> Told {
    Told::Parcel {
        delivery: "d-1".to_owned(),
        status,
    }
}

fn reread<T: serde::Serialize + serde::de::DeserializeOwned>(value: &T) -> T {
    let text = serde_json::to_string(value).expect("it is data");
    serde_json::from_str(&text).expect("it was written by us")
}

/// I10 at every event.
fn assert_amounts(order: &Order) {
    let amounts = [
        0,
        order.refunded(),
        order.refund_requested(),
        order.payment.captured(),
        order.payment.authorised(),
    ];
    assert!(amounts.is_sorted(), "{amounts:?} {order:#?}");
    assert!(order.granted() <= order.refund_requested(), "{order:#?}");
}
