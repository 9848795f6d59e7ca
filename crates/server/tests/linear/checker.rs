//! Whether a history could have happened one request after the other.
//!
//! The search is that of Wing and Gong, with the memory that Lowe added: from what has been done so
//! far, every request is tried before which no unfinished one must stand, and no pair of
//! (requests done, state) is tried twice. A history holds if some order explains every answer. A
//! request without a known answer may stand anywhere after it began, or nowhere.
//!
//! One answer is allowed to be old: the gate's sold out. Where one node alone writes, the gate
//! knows of every write whose caller was answered, but a look reads the store, which knows of a
//! write a moment before the gate does.

use crate::model::{Answer, Ask, State};
use std::collections::BTreeSet;

/// Most requests of one history: they are counted in one word.
pub(crate) const MOST: usize = 64;

/// A request and its answer. Moments are numbers of one counter, each given out once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) began: u64,
    pub(crate) ended: u64,
    pub(crate) ask: Ask,
    pub(crate) answer: Answer,
}

impl Call {
    /// The moment by which it was done for sure.
    const fn until(&self) -> u64 {
        match self.answer {
            Answer::Unknown => u64::MAX,
            _ => self.ended,
        }
    }

    /// Whether it must stand after another in every order.
    pub(crate) fn follows(&self, other: &Self) -> bool {
        let may_be_older = self.answer == Answer::SoldOut && matches!(other.ask, Ask::Look(_));
        other.until() < self.began && !may_be_older
    }
}

/// Whether some order of the calls explains their answers, from so many units on.
pub(crate) fn holds(calls: &[Call], units: u64) -> bool {
    assert!(calls.len() <= MOST, "a history is small");
    let known = |at: &usize| calls[*at].answer != Answer::Unknown;
    let goal = (0..calls.len())
        .filter(known)
        .fold(0, |all, at| all | bit(at));
    let earlier = |call: &Call| {
        let all = (0..calls.len()).filter(|at| call.follows(&calls[*at]));
        all.fold(0, |all, at| all | bit(at))
    };
    let earlier: Vec<u64> = calls.iter().map(earlier).collect();
    let mut seen = BTreeSet::new();
    let mut todo = vec![(0_u64, State::with(units))];
    while let Some((done, state)) = todo.pop() {
        if done & goal == goal {
            return true;
        }
        if !seen.insert((done, state)) {
            continue;
        }
        let open = (0..calls.len()).filter(|at| done & bit(*at) == 0);
        for at in open.filter(|at| earlier[*at] & !done == 0) {
            let (said, after) = state.take(calls[at].ask);
            if said == calls[at].answer || calls[at].answer == Answer::Unknown {
                todo.push((done | bit(at), after));
            }
        }
    }
    false
}

const fn bit(at: usize) -> u64 {
    1 << at
}
