//! The providers of the battery: they do what they are told to, stop where they are told to, and
//! keep a book of every effect.

use async_trait::async_trait;
use evenkeel_engine::gateway::memory::InstantGateway;
use evenkeel_engine::gateway::{Call, DeliveryStatus, Gateway, Receipt, Reply, Settled};
use evenkeel_rules::saga::Action;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::sync::watch;

/// An effect in the world outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Effect {
    Charge,
    Refund,
    Deliver,
    Recall,
}

impl Effect {
    /// What a step asks a provider for; nothing for a step that happens inside.
    pub(crate) fn of(action: Action) -> Option<Self> {
        match action {
            Action::Charge => Some(Self::Charge),
            Action::Refund => Some(Self::Refund),
            Action::RequestDelivery => Some(Self::Deliver),
            Action::CancelDelivery => Some(Self::Recall),
            Action::BeginConfirming
            | Action::ReleaseHold
            | Action::ConfirmUnits
            | Action::ReturnUnits
            | Action::Complete => None,
        }
    }
}

/// How a provider takes what is asked of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    /// It does it.
    Done,
    /// It says no, and does nothing.
    Refused,
    /// It tries, and it comes to nothing.
    Failed,
    /// It will do it, and has done it when it is asked.
    Pending,
    /// It cannot be reached twice, and then it can.
    NotSent,
    /// The first request is lost, and nobody knows that.
    Lost,
    /// It does it, and the first answer is lost.
    TimedOut,
    /// Every request is lost; when it is asked, it has never seen one.
    NeverSeen,
    /// It does nothing and answers nothing.
    Silent,
    /// It does it, and answers nothing, ever.
    DoneInSilence,
}

pub(crate) const MOODS: [Mood; 10] = [
    Mood::Done,
    Mood::Refused,
    Mood::Failed,
    Mood::Pending,
    Mood::NotSent,
    Mood::Lost,
    Mood::TimedOut,
    Mood::NeverSeen,
    Mood::Silent,
    Mood::DoneInSilence,
];

/// Where a call stands still until it is let go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Before the provider hears of it.
    Before,
    /// When the provider has answered.
    After,
}

#[derive(Default)]
struct Book {
    mood: Option<(Effect, Mood)>,
    /// Calls so far.
    calls: usize,
    /// Calls so far about the effect of the mood.
    about: usize,
    stops: BTreeMap<usize, Stop>,
    stopped: BTreeSet<usize>,
    /// What is said of the attempt that came to nothing.
    failed: Option<Reply>,
    /// Each key's effect, and the amount that it moved.
    done: BTreeMap<String, (Effect, i64)>,
}

pub(crate) struct Bank {
    does: InstantGateway,
    book: Mutex<Book>,
    let_go: watch::Sender<BTreeSet<usize>>,
}

impl Bank {
    pub(crate) fn new() -> Self {
        Self {
            does: InstantGateway::new(),
            book: Mutex::default(),
            let_go: watch::Sender::new(BTreeSet::new()),
        }
    }

    pub(crate) fn set_mood(&self, effect: Effect, mood: Mood) {
        self.book.lock().mood = Some((effect, mood));
    }

    /// The call of this number, the next one is [`Bank::calls`], will stand still.
    pub(crate) fn stop(&self, call: usize, stop: Stop) {
        self.book.lock().stops.insert(call, stop);
    }

    /// Whether this call stands still.
    pub(crate) fn is_stopped(&self, call: usize) -> bool {
        self.book.lock().stopped.contains(&call)
    }

    pub(crate) fn let_go(&self, call: usize) {
        self.let_go.send_modify(|calls| {
            calls.insert(call);
        });
    }

    pub(crate) fn calls(&self) -> usize {
        self.book.lock().calls
    }

    /// How often an effect was had, each key once.
    pub(crate) fn times(&self, effect: Effect) -> usize {
        let book = self.book.lock();
        book.done.values().filter(|done| done.0 == effect).count()
    }

    /// The amounts that an effect moved.
    pub(crate) fn moved(&self, effect: Effect) -> i64 {
        let book = self.book.lock();
        let of = book.done.values().filter(|done| done.0 == effect);
        of.map(|done| done.1).sum()
    }

    async fn stand(&self, call: usize, here: Stop) {
        {
            let mut book = self.book.lock();
            if book.stops.get(&call) != Some(&here) {
                return;
            }
            book.stopped.insert(call);
        }
        let mut let_go = self.let_go.subscribe();
        let gone = let_go.wait_for(|calls| calls.contains(&call)).await;
        drop(gone.expect("the bank outlives its callers"));
    }

    /// The mood in which this call is taken, and how many calls about the same went before.
    fn taken(&self, effect: Effect) -> (Mood, usize) {
        let mut book = self.book.lock();
        match book.mood {
            Some((of, mood)) if of == effect => {
                book.about += 1;
                (mood, book.about - 1)
            }
            _ => (Mood::Done, 0),
        }
    }

    /// Does what is asked, and notes it.
    async fn does(&self, call: &Call, timeout: Duration) -> Reply {
        let reply = self.does.call(call, timeout).await;
        let done = match (call, &reply) {
            (Call::Charge { key, .. }, Reply::Money(it)) => {
                Some((key, Effect::Charge, it.amount.amount))
            }
            (Call::Refund { key, .. }, Reply::Money(it)) => {
                Some((key, Effect::Refund, it.amount.amount))
            }
            (Call::Deliver { key, .. }, Reply::Delivery { .. }) => Some((key, Effect::Deliver, 0)),
            (Call::CancelDelivery { key, .. }, Reply::Delivery { .. }) => {
                Some((key, Effect::Recall, 0))
            }
            _ => None,
        };
        if let Some((key, effect, amount)) = done {
            let mut book = self.book.lock();
            book.done.insert(key.clone(), (effect, amount));
        }
        reply
    }

    async fn reply(&self, call: &Call, timeout: Duration) -> Reply {
        let (effect, asks) = about(call);
        let (mood, before) = self.taken(effect);
        match (mood, before) {
            (Mood::NotSent, 0 | 1) => {
                let why = "nobody listens".to_owned();
                Reply::NotSent { why }
            }
            (Mood::Lost, 0) | (Mood::Silent, _) => Reply::Unknown,
            (Mood::NeverSeen, _) if !asks => Reply::Unknown,
            (Mood::Refused, _) if !asks => Reply::Refused { code: None },
            (Mood::Failed, _) => self.failed(call),
            (Mood::Pending, 0) => pending(self.does(call, timeout).await),
            (Mood::TimedOut, 0) | (Mood::DoneInSilence, _) => {
                self.does(call, timeout).await;
                Reply::Unknown
            }
            _ => self.does(call, timeout).await,
        }
    }

    /// It was tried and came to nothing; whoever asks is told the same.
    fn failed(&self, call: &Call) -> Reply {
        let mut book = self.book.lock();
        let (Call::Charge { amount, .. } | Call::Refund { amount, .. }) = call else {
            let delivery = match call {
                Call::CancelDelivery { delivery, .. } => delivery.clone(),
                _ => "d-failed".to_owned(),
            };
            let status = DeliveryStatus::Failed;
            if matches!(call, Call::Deliver { .. } | Call::CancelDelivery { .. }) {
                book.failed = Some(Reply::Delivery { delivery, status });
            }
            return book.failed.clone().unwrap_or(Reply::NeverSeen);
        };
        let reply = Reply::Money(Receipt {
            transaction: "t-failed".to_owned(),
            status: Settled::Failed,
            amount: *amount,
            code: None,
        });
        book.failed = Some(reply.clone());
        reply
    }
}

#[async_trait]
impl Gateway for Bank {
    async fn call(&self, call: &Call, timeout: Duration) -> Reply {
        let number = {
            let mut book = self.book.lock();
            book.calls += 1;
            book.calls - 1
        };
        self.stand(number, Stop::Before).await;
        let reply = self.reply(call, timeout).await;
        self.stand(number, Stop::After).await;
        reply
    }
}

/// An answer that comes before the work is done.
fn pending(reply: Reply) -> Reply {
    match reply {
        Reply::Money(receipt) => Reply::Money(Receipt {
            status: Settled::Pending,
            ..receipt
        }),
        Reply::Delivery { delivery, status } => Reply::Delivery {
            delivery,
            status: match status {
                DeliveryStatus::Cancelled => DeliveryStatus::Initiated,
                _ => DeliveryStatus::Requested,
            },
        },
        other => other,
    }
}

/// What a call is about, and whether it only asks.
fn about(call: &Call) -> (Effect, bool) {
    match call {
        Call::Charge { .. } => (Effect::Charge, false),
        Call::AskCharge { .. } => (Effect::Charge, true),
        Call::Refund { .. } => (Effect::Refund, false),
        Call::AskRefund { .. } => (Effect::Refund, true),
        Call::Deliver { .. } => (Effect::Deliver, false),
        Call::AskDelivery { .. } => (Effect::Deliver, true),
        Call::CancelDelivery { .. } => (Effect::Recall, false),
        Call::Step { .. } => unreachable!("an order calls no service of anybody's"),
    }
}
