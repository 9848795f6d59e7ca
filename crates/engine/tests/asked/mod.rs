//! What the tests ask of an engine.

use evenkeel_engine::Request;
use evenkeel_engine::commit::{Command, Key};
use evenkeel_rules::ids::TokenId;

/// A request under a key, whose fingerprint is the key itself.
pub(crate) fn request(command: Command, key: &str) -> Request {
    Request {
        command,
        key: Some(Key::new(None, key, &[key.as_bytes()])),
        actor: TokenId::new("t-1").expect("an id"),
        owner: None,
        expected: None,
        deadline: None,
    }
}
