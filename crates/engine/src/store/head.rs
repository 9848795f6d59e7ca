//! What the head row has in one column each: the same in every SQL store.

use crate::port::{BatchId, Fault};
use serde::Serialize;
use serde::de::DeserializeOwned;
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

/// Leases or ended incarnations as JSON; no text at all while there never were any.
pub(super) fn json<T: Serialize + Default + PartialEq>(value: &T) -> String {
    if *value == T::default() {
        return String::new();
    }
    serde_json::to_string(value).expect("the head's parts are plain JSON")
}

/// The same, read; `what` names them.
///
/// # Errors
/// [`Fault::Corrupt`] if it is no such text.
pub(super) fn read_json<T: DeserializeOwned + Default>(text: &str, what: &str) -> Result<T, Fault> {
    if text.is_empty() {
        return Ok(T::default());
    }
    serde_json::from_str(text).map_err(|_| Fault::Corrupt(format!("the head's {what}")))
}
