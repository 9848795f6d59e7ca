//! The faults that the simulator injects, by name, and the dice that decide when.
//!
//! Every fault has one name, one rate and one counter: a batch of seeds counts only if each fault
//! that was allowed fired at least once. Dice are thrown in the order in which the simulation runs,
//! so one seed always meets the same faults. Once they are switched off nothing fires any more.

use std::collections::{BTreeMap, BTreeSet};

macro_rules! fault_kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal,)*) => {
        /// A fault that can be injected.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum FaultKind {
            $($(#[$doc])* $kind,)*
        }

        impl FaultKind {
            /// Every fault.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)*];

            /// The fault's name in reports and in `--faults`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)*
                }
            }
        }
    };
}

fault_kinds! {
    /// A node dies at a random moment.
    ProcessKill = "process_kill",
    /// A node dies before it locks the head.
    KillBeforeLock = "kill_before_lock",
    /// A node dies while it holds the lock and has written nothing.
    KillHoldingLock = "kill_holding_lock",
    /// A node dies while its COMMIT is under way: it may or may not become durable.
    KillBeforeSync = "kill_before_sync",
    /// A node dies after its batch is durable and before anybody was told.
    KillAfterSync = "kill_after_sync",
    /// The store crashes: what was not synced is lost.
    StoreCrash = "store_crash",
    /// The store says a definite no.
    StoreUnavailable = "store_unavailable",
    /// The store says that another writer was in the way.
    Conflict = "conflict",
    /// The disk is full.
    DiskFull = "disk_full",
    /// The outcome of a COMMIT is not told: lost, done, or done later.
    CommitUnknown = "commit_unknown",
    /// An unknown outcome cannot be looked up for a while.
    ResolveUnavailable = "resolve_unavailable",
    /// The disk does not confirm a write; the process must end.
    SyncFailed = "sync_failed",
    /// A COMMIT takes longer than callers wait.
    SlowCommit = "slow_commit",
    /// One commit of a batch cannot be written.
    Poison = "poison",
    /// A name that exists seems new to a node: it has not heard of what another wrote.
    NameUnheard = "name_unheard",
    /// A node stands still for a while.
    NodePaused = "node_paused",
    /// A node stands still with the head locked, and wakes to find the lock gone.
    WokeTooLate = "woke_too_late",
    /// A node's wall clock steps by less than five seconds.
    ClockStep = "clock_step",
    /// A node's wall clock jumps by more than five seconds, and back later.
    ClockJump = "clock_jump",
    /// A request never arrives.
    RequestLost = "request_lost",
    /// An answer never arrives.
    ReplyLost = "reply_lost",
    /// A request arrives a second time, at once or later, at either node.
    RequestDuplicated = "request_duplicated",
    /// A caller goes away while its request is worked on.
    CallerGone = "caller_gone",
    /// A provider does not answer for a while.
    ProviderDown = "provider_down",
    /// A call never reaches its provider.
    CallLost = "call_lost",
    /// A call reaches its provider after its caller gave up.
    CallLate = "call_late",
    /// A provider's answer is lost after the effect.
    AnswerLost = "answer_lost",
    /// A node stands still between reading what an order needs and the call.
    PausedBeforeCall = "paused_before_call",
    /// A node stands still between a provider's answer and noting it.
    PausedAfterCall = "paused_after_call",
    /// A node dies before a call.
    KillBeforeCall = "kill_before_call",
    /// A node dies after a call, before its outcome is noted.
    KillAfterCall = "kill_after_call",
    /// The payment provider refuses a charge.
    ChargeRefused = "charge_refused",
    /// A charge is pending, and its money moves later.
    ChargePending = "charge_pending",
    /// A charge ends without money, at once or later.
    ChargeFails = "charge_fails",
    /// A charge that ended without money is paid after all.
    ChargeRevives = "charge_revives",
    /// The payment provider gives money back by itself.
    ChargedBack = "charged_back",
    /// The payment provider takes one minor unit less or more than was asked.
    WrongAmount = "wrong_amount",
    /// The payment provider refuses to give money back.
    RefundRefused = "refund_refused",
    /// A refund is pending, and its money moves later.
    RefundPending = "refund_pending",
    /// A refund is pending, and then fails.
    RefundFails = "refund_fails",
    /// The delivery provider refuses to take an order on.
    DeliveryRefused = "delivery_refused",
    /// The delivery provider gives a parcel up.
    DeliveryFails = "delivery_fails",
    /// The delivery provider calls a parcel off too late that has not left.
    RecallRefused = "recall_refused",
    /// A service refuses a step of a saga.
    StepRefused = "step_refused",
    /// A service refuses to undo a step of a saga.
    UndoRefused = "undo_refused",
    /// A callback is never sent.
    CallbackLost = "callback_lost",
    /// A callback comes late, behind others.
    CallbackLate = "callback_late",
    /// A callback comes twice.
    CallbackDoubled = "callback_doubled",
    /// Two callbacks with one id say two things.
    CallbackAltered = "callback_altered",
    /// A callback names another amount than the provider's answer.
    CallbackContradicts = "callback_contradicts",
    /// A callback names a transaction that the provider never named.
    CallbackUnnamed = "callback_unnamed",
    /// A callback names an order that nobody placed.
    CallbackStray = "callback_stray",
    /// A subscriber is not there for a while, or says that it is in trouble.
    SubscriberDown = "subscriber_down",
    /// A subscriber wants nothing any more, and says so.
    SubscriberGone = "subscriber_gone",
    /// A subscriber refuses an event for good.
    PostRefused = "post_refused",
    /// A subscriber fails at an event, and says so.
    PostFails = "post_fails",
    /// A post never arrives.
    PostLost = "post_lost",
    /// A post arrives after its sender gave up.
    PostLate = "post_late",
    /// A post arrives twice.
    PostDoubled = "post_doubled",
    /// A subscriber's answer is lost after it took the event.
    PostAnswerLost = "post_answer_lost",
    /// A node stands still between reading what a subscriber is owed and posting it.
    PausedBeforePost = "paused_before_post",
    /// A node stands still between a subscriber's answer and noting it.
    PausedAfterPost = "paused_after_post",
    /// A node dies before a post.
    KillBeforePost = "kill_before_post",
    /// A node dies after a post, before its outcome is noted.
    KillAfterPost = "kill_after_post",
    /// Somebody says that the store is a restored backup, and stops no node for it.
    LogRestored = "log_restored",
}

impl FaultKind {
    /// The fault with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    /// How often in a thousand opportunities it fires in a seed of middling trouble; nothing for
    /// what the chaos loop brings about by itself.
    const fn rate(self) -> u64 {
        match self {
            Self::ProcessKill
            | Self::KillBeforeLock
            | Self::KillHoldingLock
            | Self::KillBeforeSync
            | Self::KillAfterSync
            | Self::StoreCrash
            | Self::NodePaused
            | Self::WokeTooLate
            | Self::ClockStep
            | Self::ClockJump
            | Self::LogRestored => 0,
            Self::KillBeforePost | Self::KillAfterPost => 2,
            Self::SyncFailed | Self::SubscriberGone => 3,
            Self::SlowCommit | Self::PausedBeforePost | Self::PausedAfterPost => 4,
            Self::SubscriberDown | Self::PostRefused => 8,
            Self::PostFails | Self::PostLost | Self::PostLate => 12,
            Self::PostDoubled | Self::PostAnswerLost => 20,
            Self::Poison | Self::DiskFull | Self::StoreUnavailable => 6,
            Self::Conflict => 10,
            Self::CommitUnknown => 16,
            Self::RequestLost | Self::CallerGone => 20,
            Self::ReplyLost => 30,
            Self::RequestDuplicated => 70,
            Self::ResolveUnavailable => 300,
            Self::ProviderDown | Self::KillBeforeCall | Self::KillAfterCall => 6,
            Self::PausedBeforeCall | Self::PausedAfterCall | Self::CallbackUnnamed => 10,
            Self::ChargedBack | Self::CallbackStray => 15,
            Self::DeliveryRefused
            | Self::DeliveryFails
            | Self::ChargeRefused
            | Self::CallbackAltered
            | Self::CallbackContradicts => 20,
            Self::CallLost | Self::CallLate | Self::AnswerLost | Self::ChargeFails => 30,
            Self::StepRefused | Self::UndoRefused => 60,
            Self::WrongAmount | Self::RefundRefused | Self::RefundFails => 40,
            Self::RecallRefused | Self::CallbackLate | Self::CallbackDoubled => 60,
            Self::RefundPending | Self::CallbackLost => 80,
            Self::ChargePending | Self::NameUnheard => 100,
            Self::ChargeRevives => 300,
        }
    }
}

/// Which faults may fire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultSet(BTreeSet<FaultKind>);

/// A name that is no fault's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownFault(pub String);

impl std::fmt::Display for UnknownFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = FaultKind::ALL.iter().map(|kind| kind.name()).collect();
        let known = names.join(", ");
        write!(
            f,
            "no fault is called {:?}; known are all, none, {known}",
            self.0
        )
    }
}

impl std::error::Error for UnknownFault {}

impl FaultSet {
    /// Every fault.
    #[must_use]
    pub fn all() -> Self {
        Self(FaultKind::ALL.iter().copied().collect())
    }

    /// No fault at all.
    #[must_use]
    pub const fn none() -> Self {
        Self(BTreeSet::new())
    }

    /// Reads names separated by commas; `all` and `none` are names too.
    ///
    /// # Errors
    /// [`UnknownFault`] with the first name that is no fault's.
    pub fn parse(list: &str) -> Result<Self, UnknownFault> {
        let mut set = Self::none();
        for name in list
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
        {
            match (name, FaultKind::from_name(name)) {
                ("all", _) => set = Self::all(),
                ("none", _) => {}
                (_, Some(kind)) => {
                    set.0.insert(kind);
                }
                (_, None) => return Err(UnknownFault(name.to_owned())),
            }
        }
        Ok(set)
    }

    /// Whether a fault may fire.
    #[must_use]
    pub fn has(&self, kind: FaultKind) -> bool {
        self.0.contains(&kind)
    }

    /// The faults that may fire, in the order of their declaration.
    pub fn iter(&self) -> impl Iterator<Item = FaultKind> {
        self.0.iter().copied()
    }
}

/// The dice of one seed.
#[derive(Debug)]
pub(crate) struct Dice {
    rng: fastrand::Rng,
    allowed: FaultSet,
    on: bool,
    /// How much trouble this seed has: rates are multiplied by this and divided by four.
    trouble: u64,
    counts: BTreeMap<FaultKind, u64>,
}

impl Dice {
    pub(crate) fn new(seed: u64, allowed: FaultSet) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let trouble = [1, 2, 4, 8][rng.usize(0..4)];
        Self {
            rng,
            allowed,
            on: false,
            trouble,
            counts: BTreeMap::new(),
        }
    }

    pub(crate) fn switch(&mut self, on: bool) {
        self.on = on;
    }

    pub(crate) const fn is_on(&self) -> bool {
        self.on
    }

    pub(crate) const fn trouble(&self) -> u64 {
        self.trouble
    }

    /// A number between two, both included.
    pub(crate) fn range(&mut self, from: u64, to: u64) -> u64 {
        self.rng.u64(from..=to)
    }

    /// Whether something that may happen so often in a thousand times happens.
    pub(crate) fn chance(&mut self, per_mille: u64) -> bool {
        self.rng.u64(0..1_000) < per_mille
    }

    /// Whether a fault may fire now.
    pub(crate) fn may(&self, kind: FaultKind) -> bool {
        self.on && self.allowed.has(kind)
    }

    /// Whether a fault fires at this opportunity.
    pub(crate) fn fires(&mut self, kind: FaultKind) -> bool {
        self.may(kind) && self.chance((kind.rate() * self.trouble / 4).max(1))
    }

    pub(crate) fn count(&mut self, kind: FaultKind) {
        *self.counts.entry(kind).or_default() += 1;
    }

    pub(crate) const fn counts(&self) -> &BTreeMap<FaultKind, u64> {
        &self.counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_has_one_name_and_a_list_of_names_is_a_set() {
        for kind in FaultKind::ALL {
            assert_eq!(FaultKind::from_name(kind.name()), Some(*kind));
        }
        let set = FaultSet::parse("store_crash, poison").expect("both are known");
        assert!(set.has(FaultKind::Poison) && !set.has(FaultKind::Conflict));
        assert_eq!(FaultSet::parse("all"), Ok(FaultSet::all()));
        assert_eq!(FaultSet::parse("none"), Ok(FaultSet::none()));
        let unknown = FaultSet::parse("poison,plague").expect_err("no such fault");
        assert_eq!(unknown, UnknownFault("plague".to_owned()));
    }

    #[test]
    fn nothing_fires_before_the_dice_are_switched_on_or_when_it_is_not_allowed() {
        let poison = FaultSet::parse("poison").expect("it is known");
        let mut dice = Dice::new(1, poison);
        assert!((0..9_000).all(|_| !dice.fires(FaultKind::Poison)));
        dice.switch(true);
        assert!((0..9_000).any(|_| dice.fires(FaultKind::Poison)));
        assert!((0..9_000).all(|_| !dice.fires(FaultKind::Conflict)));
    }
}
