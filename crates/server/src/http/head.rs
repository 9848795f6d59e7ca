//! What a request says before its body: the headers that mean something here, read strictly.
//!
//! Each function reads one header and either knows what it says or refuses it. A header that must
//! stand once and stands twice is refused, never read as one of the two. Nothing here looks at a
//! body or at state.

use super::problem::{Code, Problem};
use evenkeel_rules::time::{LogTime, Millis};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, IF_MATCH};
use http::{HeaderMap, HeaderName, Uri};

/// Longest URI.
pub(crate) const URI_MAX: usize = 8 * 1024;
/// Largest header block, names and values with their separators.
pub(crate) const HEADERS_MAX: usize = 64 * 1024;
/// Most header fields.
pub(crate) const FIELDS_MAX: usize = 100;
/// Largest body.
pub(crate) const BODY_MAX: usize = 1024 * 1024;
/// Longest idempotency key.
pub(crate) const KEY_MAX: usize = 255;
/// Longest wait for a position.
const WAIT_MAX: u64 = 30_000;
/// The wait when the request names none.
const WAIT_DEFAULT: Millis = Millis(1000);

/// The header that names an intent.
pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// The header that marks a repeated answer.
pub(crate) const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// The header of consistency tokens.
pub(crate) const POSITION: HeaderName = HeaderName::from_static("evenkeel-position");
const WAIT: HeaderName = HeaderName::from_static("evenkeel-wait");
const DEADLINE: HeaderName = HeaderName::from_static("evenkeel-deadline");
const CONSISTENCY: HeaderName = HeaderName::from_static("evenkeel-consistency");

/// Step 1 of the precedence: what is too large is not looked at.
///
/// # Errors
/// `uri_too_long`, `headers_too_large` or `too_large`, in this order.
pub(crate) fn sizes(uri: &Uri, headers: &HeaderMap, body: usize) -> Result<(), Problem> {
    let query = uri.query().map_or(0, |query| query.len() + 1);
    if uri.path().len() + query > URI_MAX {
        return Err(Problem::new(Code::UriTooLong));
    }
    let block: usize = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 4)
        .sum();
    if headers.len() > FIELDS_MAX || block > HEADERS_MAX {
        return Err(Problem::new(Code::HeadersTooLarge));
    }
    if body > BODY_MAX {
        return Err(Problem::new(Code::TooLarge));
    }
    Ok(())
}

/// The bearer token's secret; nothing when there is not exactly one well-formed header.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = single(headers, &AUTHORIZATION).ok()??;
    let (scheme, secret) = value.split_once(' ')?;
    let secret = secret.trim_start_matches(' ');
    let formed = !secret.is_empty() && secret.bytes().all(|byte| byte.is_ascii_graphic());
    (scheme.eq_ignore_ascii_case("bearer") && formed).then_some(secret)
}

/// The idempotency key, without quotes; `abc` and `"abc"` are the same key.
///
/// # Errors
/// `bad_key` for anything but one header of 1 to 255 visible ASCII characters.
pub(crate) fn key(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let bad = || Problem::new(Code::BadKey);
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(bad());
    }
    let text = value.to_str().map_err(|_| bad())?;
    let open = text.starts_with('"');
    let bare = match (open, text.len() > 1 && text.ends_with('"')) {
        (true, true) => &text[1..text.len() - 1],
        (false, false) if text != "\"" => text,
        _ => return Err(bad()),
    };
    if is_key(bare) {
        Ok(Some(bare))
    } else {
        Err(bad())
    }
}

/// Whether a text, without quotes around it, is an idempotency key.
pub(crate) fn is_key(text: &str) -> bool {
    let visible = |byte: u8| byte.is_ascii_graphic() && byte != b'"';
    (1..=KEY_MAX).contains(&text.len()) && text.bytes().all(visible)
}

/// Whether the client takes a kind of answer: `kinds` are its name and the ranges it is in.
pub(crate) fn takes(headers: &HeaderMap, kinds: &[&str]) -> bool {
    let mut named = false;
    for value in headers.get_all(ACCEPT) {
        let Ok(value) = value.to_str() else {
            return false;
        };
        for range in value
            .split(',')
            .map(str::trim)
            .filter(|range| !range.is_empty())
        {
            named = true;
            let mut parts = range.split(';').map(str::trim);
            let kind = parts.next().unwrap_or_default();
            let fits = kinds.iter().any(|known| known.eq_ignore_ascii_case(kind));
            if fits && !parts.any(is_zero_weight) {
                return true;
            }
        }
    }
    !named
}

fn is_zero_weight(parameter: &str) -> bool {
    let Some((name, weight)) = parameter.split_once('=') else {
        return false;
    };
    name.trim().eq_ignore_ascii_case("q")
        && weight
            .trim()
            .parse::<f32>()
            .is_ok_and(|weight| weight <= 0.0)
}

/// Comma-separated values.
pub(crate) const CSV: &str = "text/csv";
/// The kinds of a body that is lines.
pub(crate) const LINES: &[&str] = &["application/x-ndjson", CSV];

/// Whether the body says of itself that it is JSON in UTF-8.
pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    is_kind(headers, &["application/json"])
}

/// Whether the body says of itself that it is of one of these kinds, in UTF-8.
pub(crate) fn is_kind(headers: &HeaderMap, kinds: &[&str]) -> bool {
    let Ok(Some(value)) = single(headers, &CONTENT_TYPE) else {
        return false;
    };
    let mut parts = value.split(';').map(str::trim);
    let kind = parts.next().unwrap_or_default();
    kinds.iter().any(|known| kind.eq_ignore_ascii_case(known))
        && parts
            .filter(|parameter| !parameter.is_empty())
            .all(|parameter| {
                let Some((name, value)) = parameter.split_once('=') else {
                    return false;
                };
                !name.eq_ignore_ascii_case("charset")
                    || value.trim_matches('"').eq_ignore_ascii_case("utf-8")
            })
}

/// The version that the caller expects: nothing for no header and for `*`.
///
/// # Errors
/// 422 for anything but `*` or one strong tag that holds a version.
pub(crate) fn if_match(headers: &HeaderMap) -> Result<Expected, Problem> {
    let wrong = || Problem::violation("/header/if-match", "version");
    let Some(value) = single(headers, &IF_MATCH).map_err(|_| wrong())? else {
        return Ok(Expected::Anything);
    };
    if value == "*" {
        return Ok(Expected::Existing);
    }
    let inner = value
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    whole(inner.ok_or_else(wrong)?)
        .map(Expected::Version)
        .ok_or_else(wrong)
}

/// What `If-Match` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    /// Nothing.
    Anything,
    /// Any version, as long as the thing exists.
    Existing,
    /// Just this version.
    Version(u64),
}

/// The moment after which work must not begin.
///
/// # Errors
/// 422 for anything but one RFC 3339 time.
pub(crate) fn deadline(headers: &HeaderMap) -> Result<Option<LogTime>, Problem> {
    let wrong = || Problem::violation("/header/evenkeel-deadline", "time");
    let Some(value) = single(headers, &DEADLINE).map_err(|_| wrong())? else {
        return Ok(None);
    };
    super::time::parse(value).map(Some).ok_or_else(wrong)
}

/// How fresh a read has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    Eventual,
    Session,
    Monotonic,
    Causal,
    Immediate,
}

/// What a read asks of the position that it is answered at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AtLeast<'a> {
    /// Tokens, each one to be reached.
    pub(crate) tokens: Vec<&'a str>,
    /// How long to wait for them.
    pub(crate) wait: Millis,
    /// The level, if one was named.
    pub(crate) level: Option<Level>,
}

/// Reads the three headers of consistency. Whether the tokens parse is for whoever knows logs.
///
/// # Errors
/// 422 for a wait or a level that is none.
pub(crate) fn at_least(headers: &HeaderMap) -> Result<AtLeast<'_>, Problem> {
    let mut tokens = Vec::new();
    for value in headers.get_all(POSITION) {
        let wrong = |_| Problem::violation("/header/evenkeel-position", "token");
        tokens.extend(value.to_str().map_err(wrong)?.split(',').map(str::trim));
    }
    let wait = wait(headers).ok_or_else(|| Problem::violation("/header/evenkeel-wait", "range"))?;
    let wrong = || Problem::violation("/header/evenkeel-consistency", "enum");
    let level = match single(headers, &CONSISTENCY).map_err(|_| wrong())? {
        None => None,
        Some("eventual") => Some(Level::Eventual),
        Some("session") => Some(Level::Session),
        Some("monotonic") => Some(Level::Monotonic),
        Some("causal") => Some(Level::Causal),
        Some("immediate") => Some(Level::Immediate),
        Some(_) => return Err(wrong()),
    };
    Ok(AtLeast {
        tokens,
        wait,
        level,
    })
}

fn wait(headers: &HeaderMap) -> Option<Millis> {
    match single(headers, &WAIT).ok()? {
        None => Some(WAIT_DEFAULT),
        Some(value) => whole(value).filter(|wait| *wait <= WAIT_MAX).map(Millis),
    }
}

/// Digits and nothing else.
pub(crate) fn whole(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

/// The header stands twice, or is not visible ASCII.
struct Unclear;

fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Unclear> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(Unclear);
    }
    value
        .to_str()
        .map(|value| Some(value.trim()))
        .map_err(|_| Unclear)
}

#[cfg(test)]
mod tests;
