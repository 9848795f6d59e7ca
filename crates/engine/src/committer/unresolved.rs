//! Keys whose outcome nobody knows yet: a request with one is told to come back.

use crate::commit::Name;
use parking_lot::RwLock;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

/// Keys of a batch whose outcome is not known yet.
#[derive(Debug, Default)]
pub struct Unresolved {
    any: AtomicBool,
    keys: RwLock<BTreeSet<Name>>,
}

impl Unresolved {
    /// Whether this key is part of such a batch.
    #[must_use]
    pub fn contains(&self, name: &Name) -> bool {
        self.any.load(Ordering::Acquire) && self.keys.read().contains(name)
    }

    pub(super) fn set(&self, keys: BTreeSet<Name>) {
        self.any.store(!keys.is_empty(), Ordering::Release);
        *self.keys.write() = keys;
    }
}
