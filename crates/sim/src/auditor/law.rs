//! What each invariant demands, in one sentence: the first half of every report of a failure.

/// What must be so. A name that is no invariant's is one of the simulator's own demands.
#[must_use]
pub fn demands(invariant: &str) -> &'static str {
    match invariant {
        "I1" => "no account of a SKU at a location but supply ever falls below zero",
        "I2" => "units only move, by the events of their own row, and all accounts sum to zero",
        "I3" => "a hold ends once",
        "I4" => "log time never falls; no expiry before the deadline, no other change after it",
        "I5" => "every yes has its effect, durable before it was told; a definite no has none",
        "I6" => "a key takes effect once, and is answered by that effect ever after",
        "I7" => "every stream goes through legal pairs of events, its versions without a gap",
        "I8" => "balances are the fold of all moves, and lists that of the log at their checkpoint",
        "I9" => {
            "every event that a subscriber wants reaches it, as the log says it and in the order \
             of its stream, or its stream is parked"
        }
        "I10" => "an order's money is in order, and in the end what it owes, to the cent",
        "I11" => {
            "units are sold when money was captured and go where the order goes, and a cart's line \
             has its hold until then"
        }
        "I13" => "every saga ends, and every callback is taken in or set aside",
        "I15" => "state rows are the folds of their streams",
        "I16" => "positions are dense, and each row's hash covers the row before it",
        "I17" => "a session reads nothing older than it has seen, and what it reads was so there",
        "I18" => {
            "once faults have healed everybody is answered, every hold ends and every subscriber \
             has caught up"
        }
        "I22" => "who is told sold out could not have had the units; who could have them gets them",
        "idle" => "an idle hour leaves the head where it was",
        "verify" => "verify computes all that it can and finds every invariant held",
        "determinism" => "a seed that runs twice leaves one trace",
        _ => "no assertion of engine or simulator fails",
    }
}
