//! The fuzz targets of rules and engine, which are the functions that the engine's tests drive.

#[path = "../crates/engine/tests/fuzz/judge.rs"]
mod judge;
#[allow(dead_code, reason = "its mistakes are for the engine's tests")]
#[path = "../crates/engine/tests/fuzz/naive.rs"]
mod naive;
#[path = "../crates/engine/tests/fuzz/parsers.rs"]
mod parsers;

/// Makes functions that only this crate sees into targets.
macro_rules! targets {
    ($($module:ident $target:ident,)*) => {
        $(
            /// The target of this name.
            pub fn $target(bytes: &[u8]) {
                $module::$target(bytes);
            }
        )*
    };
}

targets! {
    parsers acks,
    parsers anchors,
    parsers entries,
    parsers filters,
    parsers ids,
    judge judge,
    parsers tokens,
    parsers urls,
}
