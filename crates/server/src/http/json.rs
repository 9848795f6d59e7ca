//! Bodies, read strictly.
//!
//! A body is one JSON value with nothing around it. Whatever could be read with two meanings is
//! refused instead of guessed: a member named twice, text that is not UTF-8, a lone surrogate, a
//! NUL. Whole numbers stay apart from `1.5` and `1e2`, which look like them and are not. Strings
//! without escapes are borrowed from the body. Nesting is bounded by [`DEPTH_MAX`], so that no
//! body can exhaust the stack; the reader never recurses on anything else.

use super::problem::{Code, Problem};
use std::borrow::Cow;
use std::collections::HashSet;

/// Objects and lists may nest this deep.
pub(crate) const DEPTH_MAX: usize = 32;
/// From this number of members on, repeats are looked for with a set instead of one by one.
const SMALL: usize = 16;

/// A JSON value; an object's members keep their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    Null,
    Bool(bool),
    /// A number without fraction and exponent, cut at the ends of its type.
    Integer(i128),
    /// Any other number, as written.
    Decimal(&'a str),
    Text(Cow<'a, str>),
    List(Vec<Value<'a>>),
    Object(Vec<(Cow<'a, str>, Value<'a>)>),
}

/// Reads a body.
///
/// # Errors
/// `malformed_json`, `duplicate_member`, `too_deep` or `bad_text`: the first that is met.
pub(crate) fn parse(body: &[u8]) -> Result<Value<'_>, Problem> {
    let text = std::str::from_utf8(body).map_err(|_| Problem::new(Code::BadText))?;
    let mut reader = Reader {
        text,
        bytes: body,
        at: 0,
    };
    let value = reader.value(0).map_err(Problem::new)?;
    reader.space();
    if reader.at < body.len() {
        return Err(Problem::new(Code::MalformedJson));
    }
    Ok(value)
}

/// Writes the one form that all spellings of a value share: members sorted, no space.
pub(crate) fn canonical(value: &Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Integer(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Value::Decimal(number) => out.extend_from_slice(number.as_bytes()),
        Value::Text(text) => quoted(text, out),
        Value::List(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                comma(index, out);
                canonical(item, out);
            }
            out.push(b']');
        }
        Value::Object(members) => {
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
            out.push(b'{');
            for (index, (name, member)) in sorted.into_iter().enumerate() {
                comma(index, out);
                quoted(name, out);
                out.push(b':');
                canonical(member, out);
            }
            out.push(b'}');
        }
    }
}

fn comma(index: usize, out: &mut Vec<u8>) {
    if index > 0 {
        out.push(b',');
    }
}

/// Writes a string. Most are plain ASCII, which is found out for all of one at once.
pub(crate) fn quoted(text: &str, out: &mut Vec<u8>) {
    let plain = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
    if text.bytes().fold(true, |all, byte| all & plain(byte)) {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        serde_json::to_writer(out, text).expect("a string is written to memory");
    }
}

struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
}

type Read<T> = Result<T, Code>;

impl<'a> Reader<'a> {
    fn value(&mut self, depth: usize) -> Read<Value<'a>> {
        self.space();
        match self.peek() {
            Some(b'{') => self.object(depth + 1),
            Some(b'[') => self.list(depth + 1),
            Some(b'"') => Ok(Value::Text(self.string()?)),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'n') => self.word("null", Value::Null),
            _ => Err(Code::MalformedJson),
        }
    }

    fn object(&mut self, depth: usize) -> Read<Value<'a>> {
        if depth > DEPTH_MAX {
            return Err(Code::TooDeep);
        }
        self.at += 1;
        let mut members: Vec<(Cow<'a, str>, Value<'a>)> = Vec::new();
        self.space();
        if self.take(b'}') {
            return Ok(Value::Object(members));
        }
        let mut names: HashSet<Cow<'a, str>, foldhash::fast::RandomState> = HashSet::default();
        loop {
            self.space();
            if self.peek() != Some(b'"') {
                return Err(Code::MalformedJson);
            }
            let name = self.string()?;
            let repeated = if members.len() < SMALL {
                members.iter().any(|(known, _)| *known == name)
            } else {
                if names.is_empty() {
                    names.extend(members.iter().map(|(known, _)| known.clone()));
                }
                !names.insert(name.clone())
            };
            if repeated {
                return Err(Code::DuplicateMember);
            }
            self.space();
            self.expect(b':')?;
            members.push((name, self.value(depth)?));
            self.space();
            if self.take(b'}') {
                return Ok(Value::Object(members));
            }
            self.expect(b',')?;
        }
    }

    fn list(&mut self, depth: usize) -> Read<Value<'a>> {
        if depth > DEPTH_MAX {
            return Err(Code::TooDeep);
        }
        self.at += 1;
        let mut items = Vec::new();
        self.space();
        if self.take(b']') {
            return Ok(Value::List(items));
        }
        loop {
            items.push(self.value(depth)?);
            self.space();
            if self.take(b']') {
                return Ok(Value::List(items));
            }
            self.expect(b',')?;
        }
    }

    fn number(&mut self) -> Read<Value<'a>> {
        let start = self.at;
        let negative = self.take(b'-');
        let digits = self.at;
        let whole = self.digits()?;
        if whole.len() > 1 && self.bytes[digits] == b'0' {
            return Err(Code::MalformedJson);
        }
        let mut decimal = false;
        if self.take(b'.') {
            decimal = true;
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            decimal = true;
            let _sign = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        if decimal {
            return Ok(Value::Decimal(&self.text[start..self.at]));
        }
        let number = whole.parse::<i128>().unwrap_or(i128::MAX);
        Ok(Value::Integer(if negative { -number } else { number }))
    }

    fn digits(&mut self) -> Read<&'a str> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if start == self.at {
            Err(Code::MalformedJson)
        } else {
            Ok(&self.text[start..self.at])
        }
    }

    fn string(&mut self) -> Read<Cow<'a, str>> {
        self.at += 1;
        let mut start = self.at;
        let mut unescaped: Option<String> = None;
        loop {
            match self.peek() {
                Some(b'"') => {
                    let rest = &self.text[start..self.at];
                    self.at += 1;
                    return Ok(match unescaped {
                        None => Cow::Borrowed(rest),
                        Some(text) => Cow::Owned(text + rest),
                    });
                }
                Some(b'\\') => {
                    let text = unescaped.get_or_insert_default();
                    text.push_str(&self.text[start..self.at]);
                    self.at += 1;
                    let character = self.escape()?;
                    text.push(character);
                    start = self.at;
                }
                Some(0) => return Err(Code::BadText),
                None | Some(..0x20) => return Err(Code::MalformedJson),
                Some(_) => self.at += 1,
            }
        }
    }

    fn escape(&mut self) -> Read<char> {
        let byte = self.peek().ok_or(Code::MalformedJson)?;
        self.at += 1;
        Ok(match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode(),
            _ => return Err(Code::MalformedJson),
        })
    }

    fn unicode(&mut self) -> Read<char> {
        let unit = self.hex()?;
        match unit {
            0 => Err(Code::BadText),
            0xD800..=0xDBFF => {
                if !(self.take(b'\\') && self.take(b'u')) {
                    return Err(Code::BadText);
                }
                let low = self.hex()?;
                if !(0xDC00..=0xDFFF).contains(&low) {
                    return Err(Code::BadText);
                }
                let scalar = 0x1_0000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
                char::from_u32(scalar).ok_or(Code::BadText)
            }
            _ => char::from_u32(unit).ok_or(Code::BadText),
        }
    }

    fn hex(&mut self) -> Read<u32> {
        let mut unit = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16));
            unit = unit * 16 + digit.ok_or(Code::MalformedJson)?;
            self.at += 1;
        }
        Ok(unit)
    }

    fn word(&mut self, word: &str, value: Value<'a>) -> Read<Value<'a>> {
        if !self.bytes[self.at..].starts_with(word.as_bytes()) {
            return Err(Code::MalformedJson);
        }
        self.at += word.len();
        Ok(value)
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn expect(&mut self, byte: u8) -> Read<()> {
        if self.take(byte) {
            Ok(())
        } else {
            Err(Code::MalformedJson)
        }
    }
}

#[cfg(test)]
mod tests;
