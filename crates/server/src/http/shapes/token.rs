//! Tokens.

use super::IdText;
use schemars::JsonSchema;
use serde::Serialize;

/// A new token's role, and for a buyer its customer.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "read by the API document")]
pub(crate) struct CreateToken {
    role: TokenRole,
    customer: Option<IdText>,
}

/// What a token may do.
#[derive(JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "read by the API document")]
pub(crate) enum TokenRole {
    Buyer,
    Shop,
    Staff,
    Operator,
    Admin,
    Auditor,
}

/// A token; its secret is shown once, in the answer that makes it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Token {
    pub(crate) id: String,
    #[schemars(with = "TokenRole")]
    pub(crate) role: &'static str,
    /// Whose holds, for a buyer's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) customer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) token: Option<String>,
    #[schemars(extend("format" = "date-time"))]
    pub(crate) created_at: String,
    /// When it was revoked.
    #[schemars(extend("format" = "date-time"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) revoked_at: Option<String>,
}
