//! HTTP/1.1: the requests of a buyer or a shop, one at a time on a kept connection.
//!
//! Every request has what a real one has: a token, a key that was never used, a body. The very
//! same bytes go to whoever is compared, whether it reads them or not.

use crate::side::{Answered, Names, Side};
use anyhow::Context as _;
use std::io::Write as _;
use std::sync::Arc;

/// What is asked for, and so which answer is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    /// One unit of a SKU that has none, by a buyer: 409.
    SoldOut,
    /// One unit for a customer, by a shop: 201.
    Hold,
    /// An order of one unit for a customer, by a shop: 201.
    Order,
}

/// One connection.
pub(crate) struct Http {
    wish: Wish,
    /// The head up to the token.
    head: String,
    sku: String,
    skus: u32,
    tokens: Vec<Arc<str>>,
    turn: usize,
    names: Names,
    body: Vec<u8>,
    /// The body of an answer was looked at once.
    seen: bool,
}

impl Http {
    pub(crate) fn new(
        wish: Wish,
        place: &str,
        (sku, skus): (&str, u32),
        tokens: Vec<Arc<str>>,
    ) -> Self {
        let path = match wish {
            Wish::SoldOut | Wish::Hold => "/v1/holds",
            Wish::Order => "/v1/orders",
        };
        Self {
            wish,
            head: format!("POST {path} HTTP/1.1\r\nhost: {place}\r\nauthorization: Bearer "),
            sku: sku.to_owned(),
            skus,
            tokens,
            turn: 0,
            names: Names::new(),
            body: Vec::with_capacity(256),
            seen: false,
        }
    }

    fn write_body(&mut self) {
        let customer = self.names.unique();
        self.body.clear();
        let line = |body: &mut Vec<u8>, names: &mut Names| {
            let number = names.one_of(self.skus);
            if self.skus > 1 {
                write!(
                    body,
                    "\"lines\":[{{\"sku\":\"{}-{number}\",\"quantity\":1}}]",
                    self.sku
                )
            } else {
                write!(
                    body,
                    "\"lines\":[{{\"sku\":\"{}\",\"quantity\":1}}]",
                    self.sku
                )
            }
        };
        let body = &mut self.body;
        let written = match self.wish {
            Wish::SoldOut => write!(body, "{{").and_then(|()| line(body, &mut self.names)),
            Wish::Hold => write!(body, "{{\"customer\":\"c-{customer:032x}\",")
                .and_then(|()| line(body, &mut self.names)),
            Wish::Order => write!(
                body,
                "{{\"customer\":\"c-{customer:032x}\",\
                 \"payment\":{{\"method\":\"card\",\"token\":\"tok_ok\"}},"
            )
            .and_then(|()| line(body, &mut self.names)),
        };
        written.expect("a body is written to memory");
        self.body.push(b'}');
    }
}

impl Side for Http {
    fn ask(&mut self, outgoing: &mut Vec<u8>) {
        self.write_body();
        self.turn = (self.turn + 1) % self.tokens.len();
        outgoing.extend_from_slice(self.head.as_bytes());
        outgoing.extend_from_slice(self.tokens[self.turn].as_bytes());
        let key = self.names.unique();
        let rest = write!(
            outgoing,
            "\r\nidempotency-key: {key:032x}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n",
            self.body.len()
        );
        rest.expect("a head is written to memory");
        outgoing.extend_from_slice(&self.body);
    }

    fn answered(&mut self, bytes: &[u8]) -> anyhow::Result<Answered> {
        let mut fields = [httparse::EMPTY_HEADER; 32];
        let mut head = httparse::Response::new(&mut fields);
        let httparse::Status::Complete(length) = head.parse(bytes)? else {
            return Ok(Answered::NotYet);
        };
        let named = |field: &&httparse::Header<'_>| {
            field.name.len() == 14 && field.name.eq_ignore_ascii_case("content-length")
        };
        let field = head.headers.iter().find(named).context("no length")?;
        let size: usize = std::str::from_utf8(field.value)?.parse()?;
        let body = &bytes[length..];
        if body.len() < size {
            return Ok(Answered::NotYet);
        }
        let (status, word): (u16, &[u8]) = match self.wish {
            Wish::SoldOut => (409, b"stock.sold_out"),
            Wish::Hold => (201, b"\"held\""),
            Wish::Order => (201, b"PENDING"),
        };
        // The status says it each time; that the body says it too is looked at once.
        let says = self.seen || body.windows(word.len()).any(|part| part == word);
        self.seen = true;
        if head.code == Some(status) && says && body.len() == size {
            Ok(Answered::Wanted)
        } else {
            Ok(Answered::Other)
        }
    }
}
