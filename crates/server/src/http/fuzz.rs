//! What is fuzzed of the HTTP API: heads, queries, bodies, callbacks. See `crate::fuzz`.

use super::fields;
use super::head;
use super::json::{self as body, Value, canonical};
use super::problem::Code;
use super::query::{Query, cursor, decode};
use super::routes::{money, parcel};
use super::time;
use super::wire::Scan;
use ::http::{HeaderMap, HeaderName, HeaderValue, Uri};
use serde::de::IgnoredAny;

/// Header lines up to the first empty one, and what follows it. Lines that are none are left out.
pub(crate) fn headers(bytes: &[u8]) -> (HeaderMap, &[u8]) {
    let mut headers = HeaderMap::new();
    let mut rest = bytes;
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let (line, after) = (&rest[..end], &rest[end + 1..]);
        rest = after;
        if line.is_empty() {
            break;
        }
        let colon = line.iter().position(|byte| *byte == b':');
        let Some((name, value)) = colon.map(|at| (&line[..at], &line[at + 1..])) else {
            continue;
        };
        let name = HeaderName::from_bytes(name);
        let value = HeaderValue::from_bytes(value.trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value)
            && headers.len() < 1_000
        {
            headers.append(name, value);
        }
    }
    (headers, rest)
}

/// What heads say is within the bounds that they promise.
pub fn heads(bytes: &[u8]) {
    let (headers, rest) = headers(bytes);
    if let Some(secret) = head::bearer(&headers) {
        assert!(secret.bytes().all(|byte| byte.is_ascii_graphic()));
    }
    if let Ok(Some(key)) = head::key(&headers) {
        assert!(head::is_key(key), "{key:?}");
    }
    if let Ok(asked) = head::at_least(&headers) {
        assert!(asked.wait.0 <= 30_000, "{asked:?}");
    }
    drop((head::if_match(&headers), head::deadline(&headers)));
    let json = ["application/json"];
    let _any = (head::takes(&headers, &json), head::is_kind(&headers, &json));
    assert!(!head::is_json(&headers) || head::is_kind(&headers, &json));
    if let Ok(uri) = Uri::try_from(rest)
        && head::sizes(&uri, &headers, 0).is_ok()
    {
        assert!(headers.len() <= head::FIELDS_MAX && uri.path().len() <= head::URI_MAX);
    }
}

/// A body that is taken is JSON for others too, and has one canonical form.
pub fn json(bytes: &[u8]) {
    let others = serde_json::from_slice::<IgnoredAny>(bytes);
    match body::parse(bytes) {
        Ok(value) => {
            assert!(others.is_ok(), "others refuse {bytes:?}");
            let mut once = Vec::new();
            canonical(&value, &mut once);
            let again = body::parse(&once).expect("the canonical form is JSON");
            let mut twice = Vec::new();
            canonical(&again, &mut twice);
            assert_eq!(once, twice);
            assert!(nests(&value) <= body::DEPTH_MAX);
        }
        Err(problem) if problem.code() == Code::MalformedJson => {
            assert!(others.is_err(), "others take {bytes:?}");
        }
        Err(_) => {}
    }
}

fn nests(value: &Value<'_>) -> usize {
    match value {
        Value::List(items) => 1 + items.iter().map(nests).max().unwrap_or(0),
        Value::Object(members) => {
            1 + members
                .iter()
                .map(|(_, value)| nests(value))
                .max()
                .unwrap_or(0)
        }
        Value::Null | Value::Bool(_) | Value::Integer(_) | Value::Decimal(_) | Value::Text(_) => 0,
    }
}

/// What providers call back with is read, or refused with the places of its mistakes.
pub fn callbacks(bytes: &[u8]) {
    let Ok(value) = body::parse(bytes) else {
        return;
    };
    let payment = fields::read(&value, money).map(drop);
    let delivery = fields::read(&value, parcel).map(drop);
    assert!(
        payment.is_err() || delivery.is_err(),
        "one body, two meanings"
    );
    for problem in [payment, delivery].into_iter().filter_map(Result::err) {
        let said: serde_json::Value =
            serde_json::from_slice(&problem.document("/v1")).expect("a problem document is JSON");
        assert_eq!(said["status"], 422, "{said}");
    }
}

/// A query is read within its bounds, and a cursor only if its list gave it out.
pub fn queries(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let mut query = Query::new(Some(text), &["limit", "cursor", "from", "sku"]);
    assert!((1..=200).contains(&query.limit()), "{text:?}");
    let from = query.from();
    assert!(from.is_none_or(|from| from <= evenkeel_rules::quantity::MAX));
    if let Ok(Some(spot)) = query.cursor("holds") {
        let given = cursor("holds", spot);
        let asked = format!("cursor={given}");
        let again = Query::new(Some(&asked), &["cursor"]);
        assert!(matches!(again.cursor("holds"), Ok(Some(same)) if same == spot));
        assert!(again.cursor("skus").is_err(), "{given} is of one list");
    }
    drop(query.finish());
    for of_query in [false, true] {
        if let Some(plain) = decode(text, of_query) {
            assert!(plain.len() <= text.len());
        }
    }
}

/// A moment that is read is the same when it is written and read again, to the millisecond.
pub fn times(bytes: &[u8]) {
    let Some(moment) = std::str::from_utf8(bytes).ok().and_then(time::parse) else {
        return;
    };
    let again = time::parse(&time::text(moment)).expect("what is written can be read");
    assert!(
        (0..1_000).contains(&(moment.micros() - again.micros())),
        "{moment:?}"
    );
}

/// A head with two lengths is seen however the connection cuts it.
pub fn wires(bytes: &[u8]) {
    let whole = Scan::default().feed(bytes);
    for size in [1, 2, 7, 64] {
        let mut scan = Scan::default();
        let parts = bytes.chunks(size);
        let seen = parts.fold(false, |seen, part| seen | scan.feed(part));
        assert_eq!(seen, whole, "in parts of {size}");
    }
}
