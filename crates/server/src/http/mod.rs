//! Who may ask, over HTTP.

pub(crate) mod fields;
pub(crate) mod head;
pub(crate) mod json;
pub(crate) mod problem;
pub(crate) mod query;
pub(crate) mod time;
