//! Sentences: what an event says, by whom it came about, and what it follows from.
//!
//! A sentence begins with the event's type, so that it can be searched for, and says what the
//! event's data says: amounts, transactions, units, moments. Data that cannot be read falls back
//! to what the type means: a story is told as far as it can be.

use crate::callback::{Callback, SetAside, Turn};
use crate::chain::{Entry, EntryEvent};
use crate::cloud;
use evenkeel_rules::event::{Aggregate, Kind};
use evenkeel_rules::hold::{Hold, State};
use evenkeel_rules::money::{Currency, Money};
use evenkeel_rules::order::{News, Order, Patch, Reason, Refund, RefundStatus, Why, Word};
use evenkeel_rules::payment::Settled;
use evenkeel_rules::saga::journey;
use evenkeel_rules::saga::{CANCEL, ORDER};
use evenkeel_rules::stock::Move;

/// What a story's events do not say themselves.
#[derive(Debug, Default)]
pub(super) struct Words {
    /// What the order's amounts are amounts of.
    pub(super) currency: Option<Currency>,
    /// The names of the saga's steps.
    pub(super) steps: Vec<String>,
}

impl Words {
    /// The event in words, behind its type.
    pub(super) fn of(&self, event: &EntryEvent) -> String {
        let said = match event.kind.aggregate() {
            Aggregate::Order => self.order(event),
            Aggregate::Hold => hold(event),
            Aggregate::Callback => callback(event),
            Aggregate::Saga => self.step(event),
            _ => None,
        };
        let said = said.unwrap_or_else(|| event.kind.meaning().to_owned());
        format!("{}: {said}", event.kind.name())
    }

    fn money(&self, amount: i64) -> String {
        self.currency.map_or_else(
            || format!("{amount} minor units"),
            |currency| Money { amount, currency }.to_string(),
        )
    }

    fn order(&self, event: &EntryEvent) -> Option<String> {
        if event.kind == Kind::OrderCreated {
            return event.data().ok().map(|order: Order| taken(&order));
        }
        let patch: Patch = event.data().ok()?;
        match event.kind {
            Kind::PaymentPending | Kind::PaymentCompleted | Kind::PaymentFailed => {
                self.payment(event.kind, &patch)
            }
            Kind::RefundRequested | Kind::PaymentRefunded | Kind::RefundFailed => {
                self.refund(event.kind, &patch)
            }
            Kind::DeliveryInitiated => {
                let delivery = patch.shipment?.delivery?;
                Some(format!(
                    "The provider has taken the delivery on, as {delivery}."
                ))
            }
            Kind::OrderCancelled | Kind::OrderExpired => {
                let reason = because(patch.reason?);
                Some(format!("{} {reason}", event.kind.meaning()))
            }
            Kind::OrderPaid if patch.reason == Some(Reason::Late) => {
                Some("Its money came late, and its units were taken again.".to_owned())
            }
            Kind::SagaUnknown | Kind::SagaStuck => {
                let of = concerned(&patch)?;
                Some(format!("{} It is about {of}.", event.kind.meaning()))
            }
            Kind::OrderExpiring => {
                let limit = cloud::time(patch.warned_of?);
                Some(format!(
                    "Its money is not there, and its time ends at {limit}."
                ))
            }
            _ => None,
        }
    }

    fn payment(&self, kind: Kind, patch: &Patch) -> Option<String> {
        let payment = patch.payment.as_ref()?;
        let is = match kind {
            Kind::PaymentPending => Settled::Pending,
            Kind::PaymentCompleted => Settled::Completed,
            _ => Settled::Failed,
        };
        let charge = payment.charges.iter().rev().find(|it| it.status == is)?;
        let (amount, name) = (self.money(charge.amount), &charge.transaction);
        Some(match kind {
            Kind::PaymentPending => format!("The provider named transaction {name}: it waits."),
            Kind::PaymentCompleted => format!("{amount} was captured, transaction {name}."),
            _ => format!("An attempt ended without money, transaction {name}."),
        })
    }

    fn refund(&self, kind: Kind, patch: &Patch) -> Option<String> {
        let refunds = patch.refunds.as_ref()?;
        let is = match kind {
            Kind::RefundRequested => [RefundStatus::Requested; 2],
            Kind::PaymentRefunded => [RefundStatus::Completed; 2],
            _ => [RefundStatus::Failed, RefundStatus::Stuck],
        };
        let refund = refunds.iter().rev().find(|it| is.contains(&it.status()))?;
        let (amount, id) = (self.money(refund.amount), &refund.id);
        Some(match kind {
            Kind::RefundRequested => {
                format!("{amount} is to go back, refund {id}: {}", what_for(refund))
            }
            Kind::PaymentRefunded => format!("{amount} went back, refund {id}."),
            _ => format!("The provider refused to give {amount} back, refund {id}."),
        })
    }

    fn step(&self, event: &EntryEvent) -> Option<String> {
        if event.kind == Kind::SagaStarted {
            return Some(format!("A saga was begun: {}.", self.steps.join(", ")));
        }
        let patch: journey::Patch = event.data().ok()?;
        let (step, _) = patch.mark?;
        let name = self.steps.get(usize::from(step))?;
        Some(format!("{} The step is {name}.", event.kind.meaning()))
    }
}

fn taken(order: &Order) -> String {
    let line =
        |line: &evenkeel_rules::order::Line| format!("{} of {}", line.quantity.get(), line.sku);
    let lines: Vec<String> = order.lines.iter().map(line).collect();
    format!(
        "An order of {} was taken: {}, {} in all; its money has time until {}.",
        order.customer,
        lines.join(", "),
        order.total,
        cloud::time(order.limit),
    )
}

const fn because(reason: Reason) -> &'static str {
    match reason {
        Reason::Declined => "The payment provider said no.",
        Reason::NotDone => "The payment provider never saw the charge.",
        Reason::Partial => "Less than its total was captured until its limit.",
        Reason::Unpaid => "Nothing was captured until its limit.",
        Reason::Requested => "Somebody asked for it.",
        Reason::ReviewRejected => "A reviewer said no.",
        Reason::Late => "Its money came too late.",
        Reason::CancelledBefore => "It was cancelled before it was ordered.",
    }
}

const fn what_for(refund: &Refund) -> &'static str {
    match refund.why {
        Why::Asked => "somebody asked for it.",
        Why::Cancelled => "the order was cancelled.",
        Why::Late => "it came when the order had ended.",
        Why::Excess => "more came than the order costs.",
        Why::Partial => "less came than the order costs.",
    }
}

/// Which call of an order's is not known, or stuck.
fn concerned(patch: &Patch) -> Option<String> {
    if let Some(refunds) = &patch.refunds {
        let refund = refunds
            .iter()
            .rev()
            .find(|it| it.run.unknown || stuck(it))?;
        return Some(format!("refund {}", refund.id));
    }
    if let Some(cancel) = &patch.cancel {
        return Some(format!(
            "cancel's step {}",
            CANCEL.get(usize::from(cancel.run.step))?.name
        ));
    }
    let run = patch.saga?;
    Some(format!(
        "the order's step {}",
        ORDER.get(usize::from(run.step))?.name
    ))
}

fn stuck(refund: &Refund) -> bool {
    refund.status() == RefundStatus::Stuck
}

fn hold(event: &EntryEvent) -> Option<String> {
    let hold: Hold = event.data().ok()?;
    let (id, until) = (&hold.id, cloud::time(hold.deadline));
    Some(match (event.kind, hold.state) {
        (Kind::Held, State::Confirming) => format!("Hold {id} was placed for the order."),
        (Kind::Held, _) => {
            format!("Hold {id} of {} was placed, until {until}.", hold.customer)
        }
        (Kind::Extended, _) => format!("The deadline of hold {id} was moved to {until}."),
        (Kind::Confirming, _) => {
            let order = hold.order.as_ref()?;
            format!("Order {order} began on hold {id}: its deadline counts no more.")
        }
        (Kind::Confirmed, _) => format!("Hold {id} was confirmed."),
        (Kind::Released, _) => format!("Hold {id} was given back."),
        (Kind::Expired, _) => format!("The deadline of hold {id} passed, {until}."),
        _ => return None,
    })
}

fn callback(event: &EntryEvent) -> Option<String> {
    if event.kind == Kind::CallbackSetAside {
        let turn: Turn = event.data().ok()?;
        let why = match turn.why? {
            SetAside::OtherBody => "Its event id came before with another body: set aside.",
            SetAside::UnknownOrder => "Nobody knows its order: set aside.",
            SetAside::Contradicts => "It contradicts what the provider said: set aside.",
        };
        return Some(why.to_owned());
    }
    if event.kind != Kind::CallbackStored {
        return None;
    }
    let callback: Callback = event.data().ok()?;
    let says = match &callback.news {
        News::Money {
            word,
            transaction,
            amount,
        } => {
            let word = match word {
                Word::Completed => "completed",
                Word::Failed => "failed",
                Word::Refunded => "refunded",
            };
            format!("transaction {transaction} {word}, {amount}")
        }
        News::Parcel { delivery, status } => format!("delivery {delivery} is {}", status.name()),
    };
    let (kind, provider) = (callback.sender.name(), &callback.provider);
    Some(format!("The {kind} provider {provider} says: {says}."))
}

/// A move in words.
pub(super) fn moved(made: &Move) -> String {
    let (from, to) = made.operation.accounts();
    format!(
        "{}: {} of {} at {}, from {} to {}",
        made.operation.word(),
        made.quantity.get(),
        made.sku,
        made.location,
        from.name(),
        to.name(),
    )
}

/// By whom a row came about.
pub(super) fn by(entry: &Entry, own: &[&EntryEvent]) -> String {
    let asked = |command: &str| format!("{} asked: {}", entry.actor, command.replace('_', " "));
    match entry.cause.kind.as_str() {
        "saga" => "the order's saga: a call was answered, or its time was up".to_owned(),
        "handler" => "a handler: its call was answered".to_owned(),
        "step" => "the saga: a call was answered, or its time was up".to_owned(),
        "sweep" => "the sweep: a deadline had passed".to_owned(),
        "warn" => "the clock: the order's limit is near".to_owned(),
        "callback" => "a provider called".to_owned(),
        "inbox" => "the inbox: a stored callback was taken in".to_owned(),
        // A place that is short ends what is overdue before the sweep comes.
        command if own.iter().all(|event| event.kind == Kind::Expired) => {
            format!("{}, for units that were overdue", asked(command))
        }
        command => asked(command),
    }
}

/// The row that the engine acted on: what it did of its own follows from something.
pub(super) fn follows(entry: &Entry, own: &[&EntryEvent]) -> Option<u64> {
    let own_work = ["saga", "handler", "step", "sweep", "warn", "inbox"];
    if !own_work.contains(&entry.cause.kind.as_str()) {
        return None;
    }
    let is_callback = |event: &&&EntryEvent| event.kind.aggregate() == Aggregate::Callback;
    let stored = own.iter().find(is_callback);
    let is_earlier = |before: &u64| (1..entry.position).contains(before);
    match stored {
        Some(event) => Some(event.previous).filter(is_earlier),
        // The stream's events of this very row name each other.
        None => own
            .iter()
            .map(|event| event.previous)
            .filter(is_earlier)
            .max(),
    }
}

#[cfg(test)]
mod tests;
