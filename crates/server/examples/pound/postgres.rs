//! PostgreSQL's own protocol, as far as one prepared statement needs it.
//!
//! The statement is parsed once a connection and then bound and executed, one round trip and one
//! transaction an order: the cheapest way in which a shop can call it.

use crate::side::{Answered, Names, Side};
use anyhow::bail;

const VERSION: i32 = 196_608;
const STATEMENT: &[u8] = b"take";
const QUERY: &[u8] = b"SELECT take_order($1, $2, $3)";

/// One connection.
pub(crate) struct Postgres {
    sku: String,
    skus: u32,
    names: Names,
}

impl Postgres {
    pub(crate) fn new(sku: &str, skus: u32) -> Self {
        Self {
            sku: sku.to_owned(),
            skus,
            names: Names::new(),
        }
    }
}

/// A length as the protocol writes it: four bytes.
fn size(length: usize) -> [u8; 4] {
    let length = i32::try_from(length).expect("a message is short");
    length.to_be_bytes()
}

/// Appends a message: its kind, its length with the four bytes of the length, its parts.
fn message(outgoing: &mut Vec<u8>, kind: u8, parts: &[&[u8]]) {
    let length = parts.iter().map(|part| part.len()).sum::<usize>() + 4;
    outgoing.push(kind);
    outgoing.extend_from_slice(&size(length));
    for part in parts {
        outgoing.extend_from_slice(part);
    }
}

impl Side for Postgres {
    fn greetings(&mut self) -> Vec<Vec<u8>> {
        let who = b"user\0postgres\0database\0postgres\0\0";
        let mut hello = size(who.len() + 8).to_vec();
        hello.extend_from_slice(&VERSION.to_be_bytes());
        hello.extend_from_slice(who);
        let mut parse = Vec::new();
        message(&mut parse, b'P', &[STATEMENT, b"\0", QUERY, b"\0", &[0, 0]]);
        message(&mut parse, b'S', &[]);
        vec![hello, parse]
    }

    fn ask(&mut self, outgoing: &mut Vec<u8>) {
        let order = format!("o-{:032x}", self.names.unique());
        let customer = format!("c-{:032x}", self.names.unique());
        let sku = if self.skus > 1 {
            format!("{}-{}", self.sku, self.names.one_of(self.skus))
        } else {
            self.sku.clone()
        };
        let texts = [&order, &customer, &sku].map(|text| text.as_bytes());
        let sizes = texts.map(|text| size(text.len()));
        // An unnamed portal, all parameters and results as text.
        let parts: [&[u8]; 11] = [
            b"\0",
            STATEMENT,
            b"\0",
            &[0, 0, 0, 3],
            &sizes[0],
            texts[0],
            &sizes[1],
            texts[1],
            &sizes[2],
            texts[2],
            &[0, 0],
        ];
        message(outgoing, b'B', &parts);
        message(outgoing, b'E', &[b"\0", &[0, 0, 0, 0]]);
        message(outgoing, b'S', &[]);
    }

    fn answered(&mut self, bytes: &[u8]) -> anyhow::Result<Answered> {
        let mut rest = bytes;
        let mut failed = false;
        while let [kind, a, b, c, d, ..] = *rest {
            let length = usize::try_from(i32::from_be_bytes([a, b, c, d]))?;
            let Some(after) = rest.get(length + 1..) else {
                return Ok(Answered::NotYet);
            };
            failed |= kind == b'E';
            rest = after;
            if kind == b'Z' {
                if !rest.is_empty() {
                    bail!("more came than was asked for");
                }
                let answered = if failed {
                    Answered::Other
                } else {
                    Answered::Wanted
                };
                return Ok(answered);
            }
        }
        // A refusal before the connection is ready is the last thing that comes.
        Ok(if failed {
            Answered::Other
        } else {
            Answered::NotYet
        })
    }
}
