//! The order of allocation: from which locations units come for a line that names none.
//!
//! Read strictly, as all of the configuration: each is named once, `main` is among them, and there
//! are few, because such a line reads a row of each under the lock.

use super::keys::Value;
use evenkeel_rules::ids::LocationId;

/// Most locations of the order of allocation: each costs every such line a row under the lock.
const LOCATIONS_MAX: usize = 16;

/// The locations that a value names, in their order.
pub(super) fn locations(value: &Value) -> Result<Vec<LocationId>, String> {
    let list = match value {
        Value::Text(text) => std::slice::from_ref(text),
        Value::List(list) => list.as_slice(),
        Value::Integer(_) => return Err("must be a list of strings, not an integer".to_owned()),
        Value::Other(kind) => return Err(format!("must be a list of strings, not {kind}")),
    };
    let mut all: Vec<LocationId> = Vec::with_capacity(list.len());
    for name in list {
        let location = LocationId::new(name).map_err(|bad| format!("has {name:?}: {bad}"))?;
        if all.contains(&location) {
            return Err(format!("has {name:?} twice"));
        }
        all.push(location);
    }
    if !all.contains(&LocationId::main()) {
        let why = "units that come in without a location are there, and carts take them there";
        return Err(format!("must have \"main\" among its locations: {why}"));
    }
    if all.len() > LOCATIONS_MAX {
        return Err(format!("has more than {LOCATIONS_MAX} locations"));
    }
    Ok(all)
}
