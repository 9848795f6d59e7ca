//! Who may ask: roles and the life of a bearer token.
//!
//! A token has a role and, for a buyer, exactly one customer. Its secret never reaches this crate:
//! what is kept of it is a hash in the store's row. A revoked token stays revoked.

use crate::ids::{CustomerId, TokenId};
use crate::time::LogTime;
use serde::{Deserialize, Serialize};

/// What a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// One customer's own holds.
    Buyer,
    /// Any customer's holds, which it must name; confirms.
    Shop,
    /// Catalogue and stock by hand.
    Staff,
    /// All but tokens.
    Operator,
    /// Operator plus tokens.
    Admin,
    /// Every read but tokens, no write.
    Auditor,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 6] = [
        Self::Buyer,
        Self::Shop,
        Self::Staff,
        Self::Operator,
        Self::Admin,
        Self::Auditor,
    ];

    /// The role's name in bodies.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Buyer => "buyer",
            Self::Shop => "shop",
            Self::Staff => "staff",
            Self::Operator => "operator",
            Self::Admin => "admin",
            Self::Auditor => "auditor",
        }
    }

    /// The role with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}

/// A token as it stands, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Its public name.
    pub id: TokenId,
    /// What it may do.
    pub role: Role,
    /// Whose holds it may touch; present for buyers and only for them.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub customer: Option<CustomerId>,
    /// When it was made.
    pub created_at: LogTime,
    /// When it was revoked.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub revoked_at: Option<LogTime>,
}

/// Why a token command was refused, in the order of checking. Both are momentary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "code")]
pub enum Rejection {
    /// No token has this id.
    #[error("there is no such token")]
    #[serde(rename = "not_found")]
    NotFound,
    /// A buyer without a customer, or another role with one.
    #[error("a buyer's token names one customer, and no other role's does")]
    #[serde(rename = "schema")]
    Customer,
}

/// Judges the making of a token.
///
/// # Errors
/// [`Rejection::Customer`] when role and customer do not go together.
pub fn create(
    id: TokenId,
    role: Role,
    customer: Option<CustomerId>,
    now: LogTime,
) -> Result<Token, Rejection> {
    if (role == Role::Buyer) != customer.is_some() {
        return Err(Rejection::Customer);
    }
    Ok(Token {
        id,
        role,
        customer,
        created_at: now,
        revoked_at: None,
    })
}

/// Judges a revocation; nothing when it is revoked already.
///
/// # Errors
/// [`Rejection::NotFound`] when there is no such token.
pub fn revoke(token: Option<&Token>, now: LogTime) -> Result<Option<Token>, Rejection> {
    let token = token.ok_or(Rejection::NotFound)?;
    if token.revoked_at.is_some() {
        return Ok(None);
    }
    Ok(Some(Token {
        revoked_at: Some(now),
        ..token.clone()
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> TokenId {
        TokenId::new("t-1").expect("a well-formed id")
    }

    #[test]
    fn a_buyer_names_its_customer_and_nobody_else_does() {
        let now = LogTime::from_micros(1);
        for role in Role::ALL {
            for customer in [None, CustomerId::new("c-1").ok()] {
                let expected = (role == Role::Buyer) == customer.is_some();
                let made = create(id(), role, customer.clone(), now);
                assert_eq!(made.is_ok(), expected, "{role:?} {customer:?}");
                if !expected {
                    assert_eq!(made, Err(Rejection::Customer));
                }
            }
            assert_eq!(Role::from_name(role.name()), Some(role));
        }
    }

    #[test]
    fn a_token_is_revoked_once() {
        let (made_at, now) = (LogTime::from_micros(1), LogTime::from_micros(2));
        let token = create(id(), Role::Shop, None, made_at).expect("a shop has no customer");
        assert_eq!(revoke(None, now), Err(Rejection::NotFound));
        let revoked = revoke(Some(&token), now)
            .expect("it exists")
            .expect("it was live");
        assert_eq!(revoked.revoked_at, Some(now));
        assert_eq!(revoke(Some(&revoked), now), Ok(None));
    }
}
