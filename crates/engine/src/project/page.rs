//! A page of the log, read once for all projections that fold it.
//!
//! Only what somebody wants is read: a row that no wanted projection is interested in costs one
//! look at its bytes. What cannot be read is kept with the reason, so that the fold can set it
//! aside; a page itself always succeeds.

use crate::port::{LogRow, Projection};
use evenkeel_rules::event::{Aggregate, FORMAT, Kind, upcast};
use evenkeel_rules::hold::Hold;
use evenkeel_rules::order::{Order, Patch};
use evenkeel_rules::sku::Sku;
use evenkeel_rules::stock::Move;
use evenkeel_rules::time::LogTime;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Which projections are meant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Wanted([bool; Projection::ALL.len()]);

impl Wanted {
    /// Just these.
    pub(super) fn of(projections: &[Projection]) -> Self {
        let mut wanted = Self::default();
        for projection in projections {
            wanted.0[*projection as usize] = true;
        }
        wanted
    }

    /// Whether this one is meant.
    pub(super) const fn has(self, projection: Projection) -> bool {
        self.0[projection as usize]
    }

    /// Whether a row whose text this is may matter to any of them.
    fn may_want(self, text: &[u8]) -> bool {
        if [Projection::Stock, Projection::Audit, Projection::Outbox].map(|it| self.has(it))
            != [false; 3]
        {
            return true;
        }
        // A stream's name stands in the text as it is: ids have no character that JSON escapes.
        let Ok(text) = std::str::from_utf8(text) else {
            return true;
        };
        self.has(Projection::Orders) && text.contains("\"order:")
            || self.has(Projection::Holds) && text.contains("\"hold:")
    }
}

/// What an event carries, as far as somebody wants it.
#[derive(Debug)]
pub(super) enum Body {
    /// A whole order.
    Order(Box<Order>),
    /// What changed of an order.
    Patch(Box<Patch>),
    /// A whole hold.
    Hold(Box<Hold>),
    /// A whole catalogue entry.
    Sku(Box<Sku>),
    /// Its moves say it all.
    Stock,
    /// Nobody wants it.
    Other,
    /// It cannot be read, for this reason.
    Broken(String),
}

/// One event.
#[derive(Debug)]
pub(super) struct Fact {
    /// Its number among the events of its position.
    pub(super) index: u64,
    /// Whose history it belongs to; nothing for one that this program does not know.
    pub(super) aggregate: Option<Aggregate>,
    /// The id of the aggregate.
    pub(super) id: String,
    /// Its number in the stream.
    pub(super) version: u64,
    /// The type's name.
    pub(super) kind: String,
    /// What it carries.
    pub(super) body: Body,
    /// The same as it was written, if the outbox is wanted.
    pub(super) payload: Option<String>,
}

/// One row that somebody may want.
#[derive(Debug)]
pub(super) struct Parsed {
    /// Its position.
    pub(super) position: u64,
    /// Log time.
    pub(super) at: LogTime,
    /// Its events.
    pub(super) facts: Vec<Fact>,
    /// Its moves.
    pub(super) moves: Vec<Move>,
    /// Why it cannot be read, if it cannot.
    pub(super) broken: Option<String>,
}

/// Consecutive rows.
#[derive(Debug)]
pub(super) struct Page {
    /// The position before the first.
    pub(super) after: u64,
    /// The position of the last.
    pub(super) to: u64,
    /// Those that somebody may want.
    pub(super) rows: Vec<Parsed>,
}

#[derive(Deserialize)]
struct Line<'a> {
    at: LogTime,
    format: u32,
    #[serde(borrow)]
    events: Vec<Event<'a>>,
    moves: Vec<Move>,
}

#[derive(Deserialize)]
struct Event<'a> {
    stream: &'a str,
    version: u64,
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(borrow)]
    data: &'a RawValue,
}

impl Page {
    /// Reads rows, which follow one another, for some projections.
    pub(super) fn read(after: u64, rows: &[LogRow], wanted: Wanted) -> Self {
        let rows_wanted = rows.iter().filter(|row| wanted.may_want(&row.text));
        Self {
            after,
            to: rows.last().map_or(after, |row| row.position),
            rows: rows_wanted.map(|row| parsed(row, wanted)).collect(),
        }
    }
}

fn parsed(row: &LogRow, wanted: Wanted) -> Parsed {
    let line: Result<Line<'_>, String> =
        serde_json::from_slice(&row.text).map_err(|error| error.to_string());
    let known = line.and_then(|line| match line.format {
        format if format > FORMAT => Err(format!("format {format} is newer than this program")),
        _ => Ok(line),
    });
    match known {
        Ok(line) => Parsed {
            position: row.position,
            at: line.at,
            facts: (0..)
                .zip(line.events)
                .map(|(at, one)| fact((line.format, at), &one, wanted))
                .collect(),
            moves: line.moves,
            broken: None,
        },
        Err(why) => Parsed {
            position: row.position,
            at: LogTime::default(),
            facts: Vec::new(),
            moves: Vec::new(),
            broken: Some(why),
        },
    }
}

fn fact((format, index): (u32, u64), event: &Event<'_>, wanted: Wanted) -> Fact {
    // A type that is not known has no upcaster: it is shown as it is.
    let kind = Kind::from_name(event.kind).filter(|_| format < FORMAT);
    let data = kind.map_or(Ok(Cow::Borrowed(event.data.get())), |kind| {
        upcast(kind, format, event.data.get())
    });
    let (word, id) = event.stream.split_once(':').unwrap_or(("", event.stream));
    let aggregate = Aggregate::split(event.stream).map(|(aggregate, _)| aggregate);
    let body = match aggregate {
        Some(aggregate) => body(aggregate, (event.kind, &data), wanted),
        None => Body::Other,
    };
    let publishable = aggregate.is_none_or(Aggregate::is_public) && !word.is_empty();
    let payload = publishable && wanted.has(Projection::Outbox);
    Fact {
        index,
        aggregate,
        id: id.to_owned(),
        version: event.version,
        kind: if payload || matches!(body, Body::Broken(_)) {
            event.kind
        } else {
            ""
        }
        .to_owned(),
        body,
        payload: payload.then(|| match data {
            Ok(data) => data.into_owned(),
            Err(_) => event.data.get().to_owned(),
        }),
    }
}

fn body(
    aggregate: Aggregate,
    (name, data): (&str, &Result<Cow<'_, str>, String>),
    wanted: Wanted,
) -> Body {
    let whose = match aggregate {
        Aggregate::Order => Projection::Orders,
        Aggregate::Hold => Projection::Holds,
        Aggregate::Sku | Aggregate::Stock => Projection::Stock,
        // Nobody lists what else there is by filters.
        _ => return Body::Other,
    };
    if !wanted.has(whose) {
        return Body::Other;
    }
    let Some(kind) = Kind::from_name(name) else {
        return Body::Broken(format!("the type {name} is not known"));
    };
    let data = match data {
        Ok(data) => data.as_ref(),
        Err(what) => return Body::Broken(what.clone()),
    };
    match aggregate {
        Aggregate::Order if kind.begins() => of(data, Body::Order),
        Aggregate::Order => of(data, Body::Patch),
        Aggregate::Hold => of(data, Body::Hold),
        Aggregate::Sku => of(data, Body::Sku),
        _ => Body::Stock,
    }
}

fn of<'a, T: Deserialize<'a>>(data: &'a str, body: fn(Box<T>) -> Body) -> Body {
    match serde_json::from_str(data) {
        Ok(data) => body(Box::new(data)),
        Err(error) => Body::Broken(error.to_string()),
    }
}
