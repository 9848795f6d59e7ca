//! The bytes of a request, appended to a buffer that is used again.
//!
//! A header value comes from a token, a key or a path of ours; what could break out of its line
//! is refused where it enters ([`Caller::bearer`], [`write()`]), so no line can be smuggled in.

use super::Target;
use crate::webhook::Signed;
use anyhow::bail;

/// Who asks: the header lines that say so, and whose token it is.
///
/// `customer` is the token's customer (nothing for shop, operator, admin). `names` is the
/// customer that a body must name when the token has none of its own.
#[derive(Debug, Clone, Default)]
pub(crate) struct Caller {
    line: String,
    pub(crate) customer: Option<String>,
    pub(crate) names: Option<String>,
}

impl Caller {
    /// Nobody: no authorization line.
    pub(crate) fn nobody() -> Self {
        Self::default()
    }

    /// The bearer of a token.
    ///
    /// # Errors
    /// A token that is empty or holds anything but visible ASCII.
    pub(crate) fn bearer(token: &str) -> anyhow::Result<Self> {
        if token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic()) {
            bail!("a token is made of visible ASCII characters");
        }
        Ok(Self {
            line: format!("authorization: Bearer {token}\r\n"),
            ..Self::default()
        })
    }

    /// The holder of a secret, by what it signed: the headers of a webhook, all visible ASCII.
    pub(crate) fn signed(signed: &Signed) -> Self {
        let mut line = String::with_capacity(256);
        for (name, value) in signed.headers() {
            line.extend([name.as_str(), ": ", value, "\r\n"]);
        }
        Self {
            line,
            ..Self::default()
        }
    }

    /// The same token, being that of a customer.
    pub(crate) fn of_customer(self, customer: &str) -> Self {
        Self {
            customer: Some(customer.to_owned()),
            ..self
        }
    }

    /// The same token, naming a customer in each body.
    pub(crate) fn naming(self, customer: &str) -> Self {
        Self {
            names: Some(customer.to_owned()),
            ..self
        }
    }
}

/// One request to be sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outgoing<'a> {
    pub(crate) method: &'a str,
    /// Path and query.
    pub(crate) path: &'a str,
    pub(crate) caller: &'a Caller,
    /// The idempotency key; POST needs one.
    pub(crate) key: Option<&'a str>,
    /// A JSON text.
    pub(crate) body: Option<&'a [u8]>,
}

/// Why a request was not sent: a space or control character where none may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a path or key holds a character that would break its line")]
pub(crate) struct BreaksLine;

/// Puts the request's bytes in the place of what the buffer held.
///
/// # Errors
/// [`BreaksLine`] when path or key hold anything but visible ASCII.
pub(super) fn write(
    buffer: &mut Vec<u8>,
    target: &Target,
    request: &Outgoing<'_>,
) -> Result<(), BreaksLine> {
    let whole = |text: &str| text.bytes().all(|b| b.is_ascii_graphic());
    if !whole(request.path) || !request.key.is_none_or(whole) {
        return Err(BreaksLine);
    }
    buffer.clear();
    let mut put = |text: &str| buffer.extend_from_slice(text.as_bytes());
    put(request.method);
    put(" ");
    put(request.path);
    put(" HTTP/1.1\r\n");
    put(target.host_line());
    put(&request.caller.line);
    if let Some(key) = request.key {
        put("idempotency-key: ");
        put(key);
        put("\r\n");
    }
    if let Some(body) = request.body {
        put("content-type: application/json\r\ncontent-length: ");
        put_number(buffer, body.len());
        buffer.extend_from_slice(b"\r\n\r\n");
        buffer.extend_from_slice(body);
    } else {
        put("\r\n");
    }
    Ok(())
}

/// Decimal digits without the formatting machinery, which costs more than the rest together.
fn put_number(buffer: &mut Vec<u8>, number: usize) {
    let mut digits = [b'0'; 20];
    let mut rest = number;
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + u8::try_from(rest % 10).expect("a digit is below ten");
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    buffer.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
mod tests;
