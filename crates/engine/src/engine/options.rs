//! How an engine is to behave: what it runs, how often, and how long it waits.
//!
//! Every part of an engine reads its own fields and nobody changes them while it runs. A field
//! never says what is allowed: that is the rules', and the same on every node.
//!
//! Defaults are those of a single node on a disk of its own.

use evenkeel_rules::ids::LocationId;
use evenkeel_rules::limits::Limits;
use evenkeel_rules::time::Millis;
use std::time::Duration;

/// How the committer runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threads {
    /// On a thread of its own: for stores whose `lock` and `finish` block.
    Own,
    /// As a task of the current runtime: for the simulator.
    Shared,
}

/// Who makes the first calls of orders.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OrderMode {
    /// The runner, which goes from one step to the next.
    #[default]
    Orchestrated,
    /// Handlers on events, each with a checkpoint of its own.
    Choreographed,
}

impl OrderMode {
    /// Every mode.
    pub const ALL: [Self; 2] = [Self::Orchestrated, Self::Choreographed];

    /// The mode as the configuration spells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Orchestrated => "orchestrated",
            Self::Choreographed => "choreographed",
        }
    }
}

/// How an engine is to behave.
#[derive(Debug, Clone)]
pub struct Options {
    /// How the committer runs.
    pub threads: Threads,
    /// Whether this node ends overdue holds.
    pub sweep: bool,
    /// How often the sweep looks.
    pub sweep_every: Duration,
    /// How often the log's tail looks; the gate is at most this much behind, and a round.
    pub tail_every: Duration,
    /// Whether the judge remembers rows from batch to batch.
    pub cache: bool,
    /// Whether nothing is written while the node's clock is off the store's, where that has one.
    /// Only a clock that is made up says no.
    pub compare_clocks: bool,
    /// Most commits that wait in each lane; beyond it the answer is no.
    pub queue_max: usize,
    /// Longest that a client's commit is expected to wait for the batches before its own, as the
    /// last ones went; beyond it the answer is no.
    pub queue_wait: Duration,
    /// How long a caller waits for its answer before it is told that the outcome is unknown. What
    /// was not begun after half of it is answered no.
    pub wait: Duration,
    /// Longest life of a hold, however often it is extended.
    pub max_life: Millis,
    /// How long before the limit of an order that waits for its money its customer is told, by an
    /// event `order.expiring`; never, if zero.
    pub warn: Millis,
    /// Where units come from when a line does not say: whole from the first that has all of it,
    /// else split in this order. `main` alone if empty.
    pub allocation: Vec<LocationId>,
    /// How much one customer may keep from the others.
    pub limits: Limits,
    /// The node's name among those that share the store; a made one if missing. A node that starts
    /// again under its name takes its lease over at once.
    pub node: Option<String>,
    /// How often this node renews its lease, which lasts two beats beyond the longest call.
    pub beat_every: Duration,
    /// Whether this node makes the calls that orders need, and takes callbacks in.
    pub saga: bool,
    /// Who makes the first calls of orders. Nodes that share a store have the same mode.
    pub order_mode: OrderMode,
    /// How often due orders and callbacks are looked for.
    pub saga_every: Duration,
    /// How long a call to a payment provider or a step may take; then its outcome is unknown.
    pub call_timeout: Duration,
    /// How long a call to a delivery provider may take.
    pub delivery_timeout: Duration,
    /// Whether this node posts events to subscribers.
    pub relay: bool,
    /// How often it is looked for what subscribers were not told of.
    pub relay_every: Duration,
    /// How long a post to a subscriber may take.
    pub post_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            threads: Threads::Own,
            sweep: true,
            sweep_every: Duration::from_millis(50),
            tail_every: Duration::from_millis(50),
            cache: true,
            compare_clocks: true,
            queue_max: 16_384,
            queue_wait: Duration::from_secs(1),
            wait: Duration::from_secs(10),
            max_life: Millis(3_600_000),
            warn: Millis(0),
            allocation: Vec::new(),
            limits: Limits::default(),
            node: None,
            beat_every: Duration::from_millis(500),
            saga: true,
            order_mode: OrderMode::default(),
            saga_every: Duration::from_millis(50),
            call_timeout: Duration::from_millis(2_000),
            delivery_timeout: Duration::from_millis(2_000),
            relay: true,
            relay_every: Duration::from_millis(20),
            post_timeout: Duration::from_millis(5_000),
        }
    }
}
