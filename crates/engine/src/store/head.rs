//! What the head row has in one column each: the same in every SQL store.

use crate::lineage::Ended;
use crate::port::{BatchId, Fault};
use evenkeel_rules::lease::Leases;
use std::collections::VecDeque;

/// The ids of the last batches, sixteen bytes each.
pub(super) fn batches(batches: &VecDeque<BatchId>) -> Vec<u8> {
    batches.iter().flatten().copied().collect()
}

/// The same, read.
///
/// # Errors
/// [`Fault::Corrupt`] if one of them is cut off.
pub(super) fn read_batches(bytes: &[u8]) -> Result<VecDeque<BatchId>, Fault> {
    let (ids, rest) = bytes.as_chunks::<16>();
    if !rest.is_empty() {
        return Err(Fault::Corrupt("the head's batches".to_owned()));
    }
    Ok(ids.iter().copied().collect())
}

/// Leases as JSON; no text at all while nobody ever had one.
pub(super) fn leases(leases: &Leases) -> String {
    if leases.last == 0 {
        return String::new();
    }
    serde_json::to_string(leases).expect("leases are plain JSON")
}

/// The same, read.
///
/// # Errors
/// [`Fault::Corrupt`] if it is no such text.
pub(super) fn read_leases(text: &str) -> Result<Leases, Fault> {
    if text.is_empty() {
        return Ok(Leases::default());
    }
    serde_json::from_str(text).map_err(|_| Fault::Corrupt("the head's leases".to_owned()))
}

/// Where earlier incarnations ended, as JSON; no text at all before the first restore.
pub(super) fn ended(ended: &[Ended]) -> String {
    if ended.is_empty() {
        return String::new();
    }
    serde_json::to_string(ended).expect("they are plain JSON")
}

/// The same, read.
///
/// # Errors
/// [`Fault::Corrupt`] if it is no such text.
pub(super) fn read_ended(text: &str) -> Result<Vec<Ended>, Fault> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    serde_json::from_str(text).map_err(|_| Fault::Corrupt("the head's incarnations".to_owned()))
}
