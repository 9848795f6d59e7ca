//! Texts with a grammar, as request bodies and paths have them: what is refused for its form is
//! not allowed by the API document either.

use super::order::METHOD_MAX;
use crate::http::head::KEY_MAX;
use evenkeel_rules::event::Kind;
use evenkeel_rules::ids::{ID_MAX, SKU_MAX, STEP_MAX};
use evenkeel_rules::money::Currency;
use schemars::JsonSchema;
use std::collections::BTreeSet;

/// What `If-Match` may say.
pub(crate) const TAG: &str = r#"^(\*|"(0|[1-9][0-9]{0,15})")$"#;
/// A time as RFC 3339 has it. Not as a format: generators of clients know no such headers.
pub(crate) const TIME: &str =
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})$";
/// A position, as a number or with the log that it is of.
pub(crate) const POSITION: &str = r"^([!-+\--~]+\.[0-9]+:)?[0-9]+$";
/// Positions as answers name them.
pub(crate) const POSITIONS: &str = r"^[!-+\--~]+\.[0-9]+:[0-9]+( *, *[!-+\--~]+\.[0-9]+:[0-9]+)*$";
/// Any text: it has no NUL.
pub(crate) const ANY: &str = r"^[^\u0000]*$";

/// 24 to 64 bytes in base64, behind the standard's prefix.
const SECRET: &str = concat!(
    "^whsec_([A-Za-z0-9+/]{4}){8,20}([A-Za-z0-9+/]{4}|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=",
    "|([A-Za-z0-9+/]{4})?[A-Za-z0-9+/][AQgw]==)?$"
);

/// Makes texts of which the document says the pattern.
macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident = $pattern:expr;)*) => {$(
        $(#[$doc])*
        #[derive(JsonSchema)]
        #[schemars(inline, transparent, extend("pattern" = $pattern))]
        #[expect(dead_code, reason = "read by the API document")]
        pub(crate) struct $name(String);
    )*};
}

texts! {
    /// A name that a client chooses: of a hold, an order, a customer, a location.
    IdText = id();
    /// A SKU, or a cart's id.
    SkuText = sku();
    /// The name of a saga's step.
    StepText = named(STEP_MAX);
    /// An idempotency key without quotes, as a line of an import has it.
    KeyText = format!("^{}$", bare_key());
    /// A secret that signs posts.
    SecretText = SECRET;
    /// A type of events, a beginning of types, or all.
    TypesText = types();
    /// A way to pay, in one word.
    MethodText = format!("^[a-z0-9_.-]{{1,{METHOD_MAX}}}$");
}

/// Where something is posted to.
#[derive(JsonSchema)]
#[schemars(inline, transparent, extend("format" = "uri", "pattern" = r"^https?://\S+$"))]
#[expect(dead_code, reason = "read by the API document")]
pub(crate) struct UrlText(String);

/// A pattern of the names that clients choose.
pub(crate) fn id() -> String {
    named(ID_MAX)
}

/// A pattern of SKUs and of carts' ids.
pub(crate) fn sku() -> String {
    named(SKU_MAX)
}

/// A pattern of idempotency keys, in quotes or without.
pub(crate) fn key() -> String {
    let bare = bare_key();
    format!(r#"^({bare}|"{bare}")$"#)
}

/// A pattern of names of at most so many characters, as the rules have them.
fn named(max: usize) -> String {
    format!("^[A-Za-z0-9][A-Za-z0-9._:~-]{{0,{}}}$", max - 1)
}

fn bare_key() -> String {
    format!("[!#-~]{{1,{KEY_MAX}}}")
}

/// A pattern of every filter that matches a type which is published.
fn types() -> String {
    let mut filters = BTreeSet::new();
    for kind in Kind::ALL.iter().filter(|kind| kind.is_public()) {
        let name = kind.name().replace('.', r"\.");
        let ends = name.match_indices('.').map(|(end, _)| end + 1);
        filters.extend(ends.map(|end| format!(r"{}\*", &name[..end])));
        filters.insert(name);
    }
    let filters: Vec<String> = filters.into_iter().collect();
    format!(r"^(\*|{})$", filters.join("|"))
}

/// A pattern of the codes of ISO 4217 that are known.
pub(super) fn currencies() -> String {
    let codes: Vec<&str> = Currency::codes().collect();
    format!("^({})$", codes.join("|"))
}
