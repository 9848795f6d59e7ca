//! Reading an answer: head, length, and the few members that are looked at on the hot path.
//!
//! Pure functions over bytes. A body is whole or the answer is not there yet; what does not parse
//! is malformed and ends the connection. Chunked bodies are put together, trailers dropped.

use std::ops::Range;

/// An answer that borrows from its connection's buffers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reply<'a> {
    pub(crate) status: u16,
    pub(crate) body: &'a [u8],
    /// `Evenkeel-Position`.
    pub(crate) position: Option<&'a str>,
    /// `Idempotency-Replayed: true`.
    pub(crate) replayed: bool,
    /// `Retry-After` in seconds.
    pub(crate) retry_after: Option<u32>,
}

impl<'a> Reply<'a> {
    /// The `code` of a problem document.
    pub(crate) fn code(&self) -> Option<&'a str> {
        if self.status < 400 {
            None
        } else {
            member(self.body, "code")
        }
    }
}

/// The head of an answer, as places in the buffer it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) status: u16,
    /// Bytes of the head, the empty line included.
    pub(super) length: usize,
    pub(super) body: Framing,
    pub(super) position: Option<Range<usize>>,
    pub(super) replayed: bool,
    pub(super) retry_after: Option<u32>,
    /// The server will close the connection after this answer.
    pub(super) close: bool,
}

/// How the end of a body is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    Length(usize),
    Chunked,
    UntilClose,
}

/// Why bytes are no HTTP answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the answer is not HTTP/1.1: {0}")]
pub(crate) struct Malformed(pub(super) &'static str);

const MAX_FIELDS: usize = 64;

/// The head at the start of these bytes; nothing when it is not whole yet.
pub(super) fn head(bytes: &[u8]) -> Result<Option<Head>, Malformed> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut parsed = httparse::Response::new(&mut fields);
    let length = match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(Malformed("its head does not parse")),
    };
    let status = parsed.code.ok_or(Malformed("it has no status"))?;
    let mut head = Head {
        status,
        length,
        body: if matches!(status, 204 | 304) {
            Framing::Length(0)
        } else {
            Framing::UntilClose
        },
        position: None,
        replayed: false,
        retry_after: None,
        close: parsed.version == Some(0),
    };
    for field in parsed.headers.iter() {
        read_field(&mut head, bytes, field)?;
    }
    head.close |= head.body == Framing::UntilClose;
    Ok(Some(head))
}

/// The length of a name tells most fields apart before any letter is compared.
fn read_field(
    head: &mut Head,
    bytes: &[u8],
    field: &httparse::Header<'_>,
) -> Result<(), Malformed> {
    let is = |name: &str| field.name.eq_ignore_ascii_case(name);
    match field.name.len() {
        14 if is("content-length") && head.body != Framing::Chunked => {
            head.body = Framing::Length(number(field.value).ok_or(Malformed("bad length"))?);
        }
        17 if is("transfer-encoding") => {
            if !field.value.eq_ignore_ascii_case(b"chunked") {
                return Err(Malformed("unknown transfer encoding"));
            }
            head.body = Framing::Chunked;
        }
        17 if is("evenkeel-position") && std::str::from_utf8(field.value).is_ok() => {
            let at = field.value.as_ptr().addr() - bytes.as_ptr().addr();
            head.position = Some(at..at + field.value.len());
        }
        20 if is("idempotency-replayed") => head.replayed = field.value == b"true",
        11 if is("retry-after") => {
            head.retry_after = number(field.value).and_then(|seconds| u32::try_from(seconds).ok());
        }
        10 if is("connection") => head.close |= field.value.eq_ignore_ascii_case(b"close"),
        _ => {}
    }
    Ok(())
}

fn number(text: &[u8]) -> Option<usize> {
    std::str::from_utf8(text).ok()?.trim().parse().ok()
}

/// Puts a chunked body together in `body`; answers how many bytes it took, or nothing when the
/// last chunk is not there yet.
pub(super) fn chunks(bytes: &[u8], body: &mut Vec<u8>) -> Result<Option<usize>, Malformed> {
    body.clear();
    let mut at = 0;
    loop {
        let (head, size) = match httparse::parse_chunk_size(&bytes[at..]) {
            Ok(httparse::Status::Complete(found)) => found,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => return Err(Malformed("bad chunk size")),
        };
        let size = usize::try_from(size).map_err(|_| Malformed("chunk too large"))?;
        at += head;
        if size == 0 {
            return Ok(trailer_end(bytes, at));
        }
        let end = at.checked_add(size).ok_or(Malformed("chunk too large"))?;
        let Some(after) = bytes.get(end..end.saturating_add(2)) else {
            return Ok(None);
        };
        if after != b"\r\n" {
            return Err(Malformed("a chunk does not end where it says"));
        }
        body.extend_from_slice(&bytes[at..end]);
        at = end + 2;
    }
}

/// Where the lines after the last chunk end: at the first empty one.
fn trailer_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let line = bytes[at..].windows(2).position(|pair| pair == b"\r\n")?;
        at += line + 2;
        if line == 0 {
            return Some(at);
        }
    }
}

/// A text member of a JSON object by byte search: for answers that are not worth parsing whole.
///
/// Finds the first member of this name at any depth, without unescaping it; nothing when its
/// value is not a plain text.
pub(crate) fn member<'a>(body: &'a [u8], name: &str) -> Option<&'a str> {
    let name = name.as_bytes();
    let mut from = 0;
    loop {
        let quote = from + body[from..].iter().position(|&byte| byte == b'"')?;
        let rest = &body[quote + 1..];
        from = quote + 1;
        if !rest.starts_with(name) || rest.get(name.len()) != Some(&b'"') {
            continue;
        }
        let value = rest[name.len() + 1..].trim_ascii_start();
        let Some(value) = value.strip_prefix(b":") else {
            continue;
        };
        let value = value.trim_ascii_start().strip_prefix(b"\"")?;
        let end = value
            .iter()
            .position(|&byte| byte == b'"' || byte == b'\\')?;
        if value[end] == b'\\' {
            return None;
        }
        return std::str::from_utf8(&value[..end]).ok();
    }
}

#[cfg(test)]
mod tests;
