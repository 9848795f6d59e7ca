//! Texts with a grammar, as request bodies and paths have them: what is refused for its form is
//! not allowed by the API document either.

use evenkeel_rules::event::Kind;
use evenkeel_rules::money::Currency;
use schemars::JsonSchema;
use std::collections::BTreeSet;

/// A name that a client chooses.
pub(crate) const ID: &str = "^[A-Za-z0-9][A-Za-z0-9._:~-]{0,127}$";
/// A SKU, or a cart's id.
pub(crate) const SKU: &str = "^[A-Za-z0-9][A-Za-z0-9._:~-]{0,59}$";
/// An idempotency key, in quotes or without.
pub(crate) const KEY: &str = r##"^([!#-~]{1,255}|"[!#-~]{1,255}")$"##;
/// One without quotes, as a line of an import has it.
pub(crate) const BARE_KEY: &str = "^[!#-~]{1,255}$";
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

/// A name that a client chooses: of a hold, an order, a customer, a location.
#[derive(JsonSchema)]
#[schemars(inline, transparent, extend("pattern" = ID))]
#[expect(dead_code, reason = "read by the API document")]
pub(crate) struct IdText(String);

/// A SKU, or a cart's id.
#[derive(JsonSchema)]
#[schemars(inline, transparent, extend("pattern" = SKU))]
#[expect(dead_code, reason = "read by the API document")]
pub(crate) struct SkuText(String);

/// The name of a saga's step.
#[derive(JsonSchema)]
#[schemars(inline, transparent, extend("pattern" = "^[A-Za-z0-9][A-Za-z0-9._:~-]{0,63}$"))]
#[expect(dead_code, reason = "read by the API document")]
pub(crate) struct StepText(String);

/// Where something is posted to.
#[derive(JsonSchema)]
#[schemars(inline, transparent, extend("format" = "uri", "pattern" = r"^https?://\S+$"))]
#[expect(dead_code, reason = "read by the API document")]
pub(crate) struct UrlText(String);

/// 24 to 64 bytes in base64, behind the standard's prefix.
const SECRET: &str = concat!(
    "^whsec_([A-Za-z0-9+/]{4}){8,20}([A-Za-z0-9+/]{4}|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=",
    "|([A-Za-z0-9+/]{4})?[A-Za-z0-9+/][AQgw]==)?$"
);

/// A secret that signs posts.
#[derive(JsonSchema)]
#[schemars(inline, transparent, extend("pattern" = SECRET))]
#[expect(dead_code, reason = "read by the API document")]
pub(crate) struct SecretText(String);

/// A type of events, a beginning of types, or all.
#[derive(JsonSchema)]
#[schemars(inline, transparent, extend("pattern" = types()))]
#[expect(dead_code, reason = "read by the API document")]
pub(crate) struct TypesText(String);

/// A way to pay, in one word.
#[derive(JsonSchema)]
#[schemars(inline, transparent, extend("pattern" = "^[a-z0-9_.-]{1,40}$"))]
#[expect(dead_code, reason = "read by the API document")]
pub(crate) struct MethodText(String);

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
