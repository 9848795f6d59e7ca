//! What is promised, and in which ways it may turn out to be broken.
//!
//! The rows of a report are the [`Invariant`]s, in the order of the design; a finding in one of
//! them is of a [`Kind`], whose name is for programs and never changes. Where an invariant is
//! checked that `verify` does not compute stands here too.

use serde::Serialize;

/// The invariants of the design, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each one's name is in `Invariant::name`")]
pub enum Invariant {
    I1,
    I2,
    I3,
    I4,
    I5,
    I6,
    I7,
    I8,
    I9,
    I10,
    I11,
    I12,
    I13,
    I14,
    I15,
    I16,
    I17,
    I18,
    I19,
    I20,
    I21,
    I22,
}

impl Invariant {
    /// Every invariant.
    pub const ALL: [Self; 22] = [
        Self::I1,
        Self::I2,
        Self::I3,
        Self::I4,
        Self::I5,
        Self::I6,
        Self::I7,
        Self::I8,
        Self::I9,
        Self::I10,
        Self::I11,
        Self::I12,
        Self::I13,
        Self::I14,
        Self::I15,
        Self::I16,
        Self::I17,
        Self::I18,
        Self::I19,
        Self::I20,
        Self::I21,
        Self::I22,
    ];

    /// The id in reports: `I1` to `I22`.
    #[must_use]
    pub fn id(self) -> String {
        format!("I{}", self as usize + 1)
    }

    /// What it promises, in a few words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::I1 => "never oversell",
            Self::I2 => "conservation",
            Self::I3 => "a hold ends once",
            Self::I4 => "no early expiry, no late confirm",
            Self::I5 => "nothing acknowledged is lost",
            Self::I6 => "exactly-once effects",
            Self::I7 => "legal transitions only",
            Self::I8 => "balances equal the fold",
            Self::I9 => "outbox",
            Self::I10 => "money",
            Self::I11 => "units and money agree",
            Self::I12 => "fencing",
            Self::I13 => "sagas end",
            Self::I14 => "two-phase commit",
            Self::I15 => "state rows",
            Self::I16 => "audit chain",
            Self::I17 => "session reads",
            Self::I18 => "liveness",
            Self::I19 => "bounded",
            Self::I20 => "reconciliation",
            Self::I21 => "privacy",
            Self::I22 => "no false sold-out",
        }
    }

    /// Where it is checked when `verify` does not compute it; nothing for those that it does.
    pub(super) const fn elsewhere(self) -> Option<&'static str> {
        match self {
            Self::I1
            | Self::I2
            | Self::I3
            | Self::I4
            | Self::I6
            | Self::I7
            | Self::I8
            | Self::I9
            | Self::I10
            | Self::I11
            | Self::I12
            | Self::I13
            | Self::I15
            | Self::I16
            | Self::I21 => None,
            Self::I5 | Self::I22 => Some("with --acks FILE: the answers that load and demo wrote"),
            Self::I14 => Some("no two-phase commit yet: comes with it"),
            Self::I17 => Some("the simulator: an acks file does not say what a reader had seen"),
            Self::I18 | Self::I19 => Some("the simulator"),
            Self::I20 => Some("no reconciliation yet: comes with a second store"),
        }
    }
}

/// What a finding is about, in one word. The first ten name a damaged store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A balance is not what the log adds up to.
    BalanceEdited,
    /// A log row's text or hash is not what was written.
    EntryEdited,
    /// A log row that no commit wrote.
    EntryInserted,
    /// A log row is gone from the middle.
    EntryRemoved,
    /// The log ends too early.
    TailCut,
    /// A stream's versions are not dense.
    VersionGap,
    /// A state row is not the fold of its stream.
    StateEdited,
    /// A hold's state row is gone.
    HoldMissing,
    /// A key or an id is not in the name index.
    KeyMissing,
    /// A segment of the log is missing or damaged.
    SegmentDamaged,
    /// A seal says other things than the log.
    SealEdited,
    /// A checkpoint is beyond the head.
    CheckpointAhead,
    /// What a list shows is not the fold of the log at its checkpoint.
    ViewDiffers,
    /// An account fell below zero or passed its bound.
    Oversold,
    /// A row's moves are not those of its events.
    MovesDiffer,
    /// A hold ended again.
    EndedTwice,
    /// A hold outlived its deadline and the grace.
    NotEnded,
    /// A hold expired before its deadline.
    ExpiredEarly,
    /// A hold was changed at or after its deadline.
    ChangedLate,
    /// Log time fell.
    TimeFell,
    /// One key took effect twice.
    EffectTwice,
    /// An event that may not follow the one before it.
    IllegalTransition,
    /// What was acknowledged has no effect.
    EffectLost,
    /// What was refused has an effect.
    EffectOfRefusal,
    /// A sold-out answer although enough units were available.
    FalseSoldOut,
    /// An order's state row is gone.
    OrderMissing,
    /// An order's amounts do not agree with each other.
    MoneyDiffers,
    /// An order's units are not where its status, its hold or the row's moves have them.
    UnitsDiffer,
    /// An order was confirmed, and its money was not captured.
    SoldUnpaid,
    /// More of a transaction goes back than it took.
    RefundedTwice,
    /// A saga over anybody's services took a turn that its steps do not allow.
    SagaBroken,
    /// Something is not at its end, and nobody will look at it.
    Forgotten,
    /// Something is long due, and nobody took its next step.
    NotDone,
    /// A private text is not the one that came.
    TextEdited,
    /// A private text is gone, and nobody erased it.
    TextMissing,
    /// Something private stands in the log.
    TextLeaked,
    /// It was written under a token that another lease had taken over from.
    TokenFell,
    /// It was written under a token that nobody was given for it.
    TokenUnknown,
    /// An engine wrote under no lease what it writes under one.
    Unfenced,
}
