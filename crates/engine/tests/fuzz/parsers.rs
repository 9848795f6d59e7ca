//! What is fuzzed of rules and engine: one plain function for each reader of foreign text.

use evenkeel_engine::chain::Entry;
use evenkeel_engine::gateway::outbound::Url;
use evenkeel_engine::token::Position;
use evenkeel_engine::verify::{Acks, read_anchors};
use evenkeel_rules::event::{FORMAT, Kind};
use evenkeel_rules::ids::{CartId, HoldId, ID_MAX, SKU_MAX, SkuId};
use evenkeel_rules::money::Currency;
use evenkeel_rules::subscription::Filter;
use serde::de::IgnoredAny;

fn text(bytes: &[u8]) -> &str {
    // The longest beginning that is text.
    match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default(),
    }
}

/// An id is taken as it is or not at all, and its alphabet needs no escape anywhere.
pub(crate) fn ids(bytes: &[u8]) {
    let text = text(bytes);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._:~-".contains(&byte);
    let right = text.bytes().all(plain) && !text.is_empty();
    let right = right && text.as_bytes()[0].is_ascii_alphanumeric();
    let hold = HoldId::new(text).map(|id| id.as_str().to_owned());
    assert_eq!(
        hold.as_deref().ok(),
        (right && text.len() <= ID_MAX).then_some(text)
    );
    let sku = SkuId::new(text).map(|id| id.as_str().to_owned());
    assert_eq!(
        sku.as_deref().ok(),
        (right && text.len() <= SKU_MAX).then_some(text)
    );
    assert_eq!(CartId::new(text).is_ok(), sku.is_ok());
    let quoted = serde_json::to_string(text).expect("text is JSON");
    assert_eq!(
        serde_json::from_str::<HoldId>(&quoted).is_ok(),
        hold.is_ok()
    );
    if let Ok(currency) = Currency::new(text) {
        assert_eq!(serde_json::to_value(currency).expect("plain"), text);
    }
}

/// A token of consistency is what it is written as; leading zeros apart.
pub(crate) fn tokens(bytes: &[u8]) {
    let text = text(bytes);
    let Ok(position) = text.parse::<Position>() else {
        return;
    };
    let written = position.to_string();
    assert!(written.len() <= text.len() && text.len() <= 256, "{text:?}");
    assert_eq!(written.parse(), Ok(position), "{text:?}");
    assert!(
        !written.contains(','),
        "a list of tokens could be read in two ways"
    );
}

/// A log entry is of a format that this program knows, and its parts are what they say.
pub(crate) fn entries(bytes: &[u8]) {
    let Ok(entry) = Entry::read(bytes) else {
        return;
    };
    assert!(entry.format <= FORMAT, "{}", entry.format);
    for event in &entry.events {
        assert!(event.stream.ends_with(event.id()), "{}", event.stream);
        // Not as a value: a lone surrogate is JSON by its grammar.
        let kept = serde_json::from_str::<IgnoredAny>(event.data.get());
        assert!(kept.is_ok(), "what was kept is JSON");
    }
    if let Some((name, _)) = entry.key() {
        let hex: String = name.iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(
            entry.cause.id.eq_ignore_ascii_case(&hex),
            "{}",
            entry.cause.id
        );
    }
}

/// A filter matches something that is published, or is none.
pub(crate) fn filters(bytes: &[u8]) {
    let text = text(bytes);
    let by_hand = |kind: &Kind| {
        let name = kind.name();
        let begins = text.strip_suffix('*').filter(|begin| begin.ends_with('.'));
        kind.is_public()
            && (text == "*" || text == name || begins.is_some_and(|begin| name.starts_with(begin)))
    };
    let wanted: Vec<Kind> = Kind::ALL.iter().copied().filter(by_hand).collect();
    match Filter::new(text) {
        Ok(filter) => {
            let all = Kind::ALL.iter().copied().filter(|kind| kind.is_public());
            let matched: Vec<Kind> = all.filter(|kind| filter.matches(*kind)).collect();
            assert_eq!(matched, wanted, "{text:?}");
            assert!(!matched.is_empty() && filter.as_str() == text);
        }
        Err(_) => assert!(wanted.is_empty(), "{text:?} matches {wanted:?}"),
    }
}

/// An address to be called has a host and a port, and names them the same when read again.
pub(crate) fn urls(bytes: &[u8]) {
    let text = text(bytes);
    let Ok(url) = Url::parse(text) else {
        return;
    };
    assert!(!url.host().is_empty() && url.port() > 0, "{text:?}");
    let again = Url::parse(&url.uri().to_string());
    let again = again.unwrap_or_else(|why| panic!("{text:?} is not read again: {why:?}"));
    assert_eq!(
        (again.host(), again.port()),
        (url.host(), url.port()),
        "{text:?}"
    );
    assert_eq!(again.address(), url.address(), "{text:?}");
}

/// A file of answers is read to its end or to the first line that is none.
pub(crate) fn acks(bytes: &[u8]) {
    let read = format!("{:?}", Acks::read(bytes));
    assert!(!read.is_empty());
}

/// Anchors are the same when they are written and read again.
pub(crate) fn anchors(bytes: &[u8]) {
    let text = text(bytes);
    let Ok(anchors) = read_anchors(text) else {
        return;
    };
    assert!(anchors.len() <= text.matches('\n').count(), "{text:?}");
    let line = |(position, hash): &(u64, [u8; 32])| {
        let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(
            text.to_ascii_lowercase().contains(&hex),
            "{hex} of {text:?}"
        );
        format!("{position} {hex}\n")
    };
    let again: String = anchors.iter().map(line).collect();
    assert_eq!(read_anchors(&again), Ok(anchors), "{text:?}");
}
