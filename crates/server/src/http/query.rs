//! The query of a list: filters, `limit`, `cursor`, `from`.
//!
//! Every parameter that a route takes is named by it; another name, a name given twice or text
//! that is not UTF-8 is refused, because a filter that is silently ignored answers a question that
//! nobody asked. A cursor is opaque to clients and carries a check sum, so that one that was cut
//! or made up is refused (`bad_cursor`) instead of read as some other place.

use super::head::whole;
use super::problem::{Code, Problem, Violation};
use sha2::{Digest, Sha256};
use std::borrow::Cow;

/// Entries of a page when the request names no limit.
const LIMIT_DEFAULT: usize = 50;
/// Most entries of a page.
const LIMIT_MAX: u64 = 200;

/// The parameters of a request's query, decoded.
pub(crate) struct Query<'a> {
    parameters: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    violations: Vec<Violation>,
}

impl<'a> Query<'a> {
    /// Reads a query in which only the `known` names may stand.
    pub(crate) fn new(query: Option<&'a str>, known: &[&str]) -> Self {
        let mut read = Self {
            parameters: Vec::new(),
            violations: Vec::new(),
        };
        for pair in query
            .unwrap_or_default()
            .split('&')
            .filter(|pair| !pair.is_empty())
        {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (Some(name), Some(value)) = (decode(name, true), decode(value, true)) else {
                read.wrong("", "encoding");
                continue;
            };
            if !known.contains(&name.as_ref()) {
                read.wrong(&name, "unknown_member");
            } else if read.parameters.iter().any(|(known, _)| *known == name) {
                read.wrong(&name, "repeated");
            } else {
                read.parameters.push((name, value));
            }
        }
        read
    }

    fn wrong(&mut self, name: &str, code: &'static str) {
        let name = name.replace('~', "~0").replace('/', "~1");
        self.violations.push(Violation {
            pointer: format!("/query/{name}"),
            code,
        });
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.parameters
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_ref())
    }

    /// A parameter of some type; `read` says whether the text is one.
    pub(crate) fn parameter<T>(
        &mut self,
        name: &str,
        code: &'static str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let value = read(self.get(name)?);
        if value.is_none() {
            self.wrong(name, code);
        }
        value
    }

    /// How many entries a page has: 1 to 200, 50 if the request does not say.
    pub(crate) fn limit(&mut self) -> usize {
        let read = |text: &str| whole(text).filter(|limit| (1..=LIMIT_MAX).contains(limit));
        let limit = self.parameter("limit", "range", read);
        limit
            .and_then(|limit| usize::try_from(limit).ok())
            .unwrap_or(LIMIT_DEFAULT)
    }

    /// A position to begin at, inclusive.
    pub(crate) fn from(&mut self) -> Option<u64> {
        let read = |text: &str| whole(text).filter(|from| *from <= evenkeel_rules::quantity::MAX);
        self.parameter("from", "range", read)
    }

    /// The place that a cursor of this list names.
    ///
    /// # Errors
    /// `bad_cursor` for a cursor that the list `of` did not give out.
    pub(crate) fn cursor(&self, of: &str) -> Result<Option<Spot>, Problem> {
        let Some(text) = self.get("cursor") else {
            return Ok(None);
        };
        let bad = || Problem::new(Code::BadCursor);
        let number = |text: &str| u64::from_str_radix(text, 16).map_err(|_| bad());
        let mut parts = text.split('.');
        let (position, index) = (parts.next().ok_or_else(bad)?, parts.next().ok_or_else(bad)?);
        let spot = Spot {
            position: number(position)?,
            index: number(index)?,
        };
        if text == cursor(of, spot) {
            Ok(Some(spot))
        } else {
            Err(bad())
        }
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// The 422 problem that lists what was wrong.
    pub(crate) fn finish(self) -> Result<(), Problem> {
        if self.violations.is_empty() {
            Ok(())
        } else {
            Err(Problem::violated(self.violations))
        }
    }
}

/// A place in a list: an entry's position in the log, and its number there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spot {
    pub(crate) position: u64,
    pub(crate) index: u64,
}

impl Spot {
    /// The first entry of a position.
    pub(crate) fn at(position: u64) -> Self {
        Self { position, index: 0 }
    }
}

/// The cursor of the list `of` that goes on at a place.
pub(crate) fn cursor(of: &str, spot: Spot) -> String {
    let Spot { position, index } = spot;
    let place = format!("{position:x}.{index:x}");
    let hash = Sha256::new_with_prefix(b"cursor\0")
        .chain_update(of)
        .chain_update(&place);
    let sum: [u8; 32] = hash.finalize().into();
    let check = u32::from_be_bytes(*sum.first_chunk().expect("a SHA-256 is longer than 4 bytes"));
    format!("{place}.{check:08x}")
}

/// Undoes percent-encoding; nothing when it is broken or not UTF-8. In a query `+` is a space.
pub(crate) fn decode(text: &str, query: bool) -> Option<Cow<'_, str>> {
    if !text
        .bytes()
        .any(|byte| byte == b'%' || (query && byte == b'+'))
    {
        return Some(Cow::Borrowed(text));
    }
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => {
                let high = char::from(bytes.next()?).to_digit(16)?;
                let low = char::from(bytes.next()?).to_digit(16)?;
                u8::try_from(high * 16 + low).ok()?
            }
            b'+' if query => b' ',
            _ => byte,
        });
    }
    String::from_utf8(out).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[&str] = &["limit", "cursor", "from", "sku"];

    fn code(query: &str) -> Result<usize, Code> {
        let mut query = Query::new(Some(query), KNOWN);
        let limit = query.limit();
        let _from = query.from();
        query.cursor("holds").map_err(|problem| problem.code())?;
        query.finish().map_err(|problem| problem.code())?;
        Ok(limit)
    }

    #[test]
    fn a_limit_is_from_one_to_two_hundred() {
        assert_eq!(
            (code(""), code("limit=1"), code("limit=200")),
            (Ok(50), Ok(1), Ok(200))
        );
        for limit in ["0", "-1", "201", "1000000000", "ten", "", "1.5", "%31%00"] {
            assert_eq!(
                code(&format!("limit={limit}")),
                Err(Code::Schema),
                "{limit}"
            );
        }
    }

    #[test]
    fn names_that_are_unknown_or_stand_twice_are_refused() {
        assert_eq!(code("skew=1"), Err(Code::UnknownMember));
        assert_eq!(code("sku=a&sku=b"), Err(Code::Schema));
        assert_eq!(code("sku=%ff"), Err(Code::Schema));
        assert_eq!(code("from=-1"), Err(Code::Schema));
        assert_eq!(code("from=9007199254740992"), Err(Code::Schema));
        assert_eq!(code("sku=a&&from=0"), Ok(50));
    }

    #[test]
    fn only_cursors_of_the_same_list_are_taken() {
        let good = cursor("holds", Spot::at(812));
        let asked = format!("cursor={good}");
        let query = Query::new(Some(&asked), KNOWN);
        assert_eq!(
            query.cursor("holds").map_err(|_| ()),
            Ok(Some(Spot::at(812)))
        );
        let truncated = &good[..good.len() - 1];
        let other = cursor("skus", Spot::at(812));
        let forged = good.replacen('3', "4", 1);
        for bad in [
            truncated,
            other.as_str(),
            forged.as_str(),
            "",
            "1",
            ".",
            "32c.0.00000000",
        ] {
            assert_eq!(
                code(&format!("cursor={bad}")),
                Err(Code::BadCursor),
                "{bad}"
            );
        }
    }

    #[test]
    fn percent_encoding_is_undone_once_and_strictly() {
        assert_eq!(decode("a%2Fb", false).as_deref(), Some("a/b"));
        assert_eq!(decode("a%252Fb", false).as_deref(), Some("a%2Fb"));
        assert_eq!(decode("a+b", false).as_deref(), Some("a+b"));
        assert_eq!(decode("a+b", true).as_deref(), Some("a b"));
        for broken in ["%", "%4", "%zz", "%ff", "%+1"] {
            assert_eq!(decode(broken, false), None, "{broken}");
        }
    }
}
