//! A page of the log, as a subscription sees it.

use super::keep::Spot;
use crate::chain::Entry;
use crate::cloud::{self, Place};
use crate::lineage::Lineage;
use crate::port::{Fault, LogRow};
use evenkeel_rules::subscription::Subscription;
use evenkeel_rules::time::LogTime;

/// An event that a subscription wants.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) spot: Spot,
    pub(super) stream: String,
    /// The event's id.
    pub(super) id: String,
    /// The event, as JSON.
    pub(super) body: String,
}

/// The events of a row that a subscription wants.
pub(super) fn items(
    row: &LogRow,
    lineage: &Lineage,
    wants: &Subscription,
    found: &mut Vec<Item>,
) -> Result<(), Fault> {
    let entry = Entry::read(&row.text).map_err(Fault::Corrupt)?;
    for (index, event) in entry.events.iter().enumerate() {
        if !wants.wants(event.kind) {
            continue;
        }
        let place = Place {
            lineage,
            position: row.position,
            index,
            at: entry.at,
        };
        found.push(Item {
            spot: (row.position, u32::try_from(index).unwrap_or(u32::MAX)),
            stream: event.stream.clone(),
            id: place.id(),
            body: cloud::text(place, event),
        });
    }
    Ok(())
}

/// When a row was written; nothing if it cannot be read.
pub(super) fn at_of(text: &[u8]) -> Option<LogTime> {
    Entry::read(text).ok().map(|entry| entry.at)
}
