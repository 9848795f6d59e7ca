//! A page of the log, read once for all projections that fold it.
//!
//! Only what somebody wants is read: a row that no wanted projection is interested in costs one
//! look at its bytes, moves and bodies that nobody folds are passed over as text, and what is kept
//! as it was written is cut out of the row. What cannot be read is kept with the reason, so that
//! the fold can set it aside; a page itself always succeeds.

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
use std::ops::Range;

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

    /// Whether anybody folds moves.
    const fn of_moves(self) -> bool {
        self.has(Projection::Stock) || self.has(Projection::Audit)
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

/// Data as this program writes it.
#[derive(Debug)]
enum Data {
    /// A piece of its row's text.
    Cut(Range<usize>),
    /// What an upcaster made of it.
    Own(String),
    /// Nobody keeps it.
    None,
}

/// One event.
#[derive(Debug)]
pub(super) struct Fact {
    /// Its number among the events of its position.
    pub(super) index: u64,
    /// Whose history it belongs to; nothing for one that this program does not know.
    pub(super) aggregate: Option<Aggregate>,
    /// The id of the aggregate, where the body does not say it.
    pub(super) id: String,
    /// Its number in the stream.
    pub(super) version: u64,
    /// The position of the stream's event before it; 0 for the first.
    pub(super) previous: u64,
    /// The type's name, for the outbox.
    pub(super) kind: String,
    /// What it carries.
    pub(super) body: Body,
    /// Whether the outbox shows it.
    pub(super) publishable: bool,
    data: Data,
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
    /// Its moves, if they are wanted.
    pub(super) moves: Vec<Move>,
    /// Why it cannot be read, if it cannot.
    pub(super) broken: Option<String>,
    /// Why its moves alone cannot be read, if they cannot.
    pub(super) broken_moves: Option<String>,
    text: Vec<u8>,
}

impl Parsed {
    /// An event's data as this program writes it: that of a hold, and what the outbox shows.
    pub(super) fn data<'a>(&'a self, fact: &'a Fact) -> &'a str {
        match &fact.data {
            Data::Cut(range) => std::str::from_utf8(&self.text[range.clone()])
                .expect("it was cut out as text, and the row's text never changes"),
            Data::Own(data) => data,
            Data::None => "",
        }
    }
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
    #[serde(borrow)]
    moves: &'a RawValue,
}

#[derive(Deserialize)]
struct Event<'a> {
    stream: &'a str,
    version: u64,
    previous: u64,
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(borrow)]
    data: &'a RawValue,
}

impl Page {
    /// Reads rows, which follow one another, for some projections.
    pub(super) fn read(after: u64, rows: Vec<LogRow>, wanted: Wanted) -> Self {
        Self {
            after,
            to: rows.last().map_or(after, |row| row.position),
            rows: rows
                .into_iter()
                .filter(|row| wanted.may_want(&row.text))
                .map(|row| parsed(row, wanted))
                .collect(),
        }
    }

    /// Adds a page that follows this one; one that does not is left out.
    pub(super) fn extend(&mut self, next: Self) {
        if next.after == self.to {
            self.to = next.to;
            self.rows.extend(next.rows);
        }
    }
}

fn parsed(row: LogRow, wanted: Wanted) -> Parsed {
    let text = std::str::from_utf8(&row.text).map_err(|error| error.to_string());
    let line = text
        .and_then(|text| serde_json::from_str::<Line<'_>>(text).map_err(|error| error.to_string()));
    let known = line.and_then(|line| match line.format {
        format if format > FORMAT => Err(format!("format {format} is newer than this program")),
        _ => Ok(line),
    });
    let mut parsed = Parsed {
        position: row.position,
        at: LogTime::default(),
        facts: Vec::new(),
        moves: Vec::new(),
        broken: None,
        broken_moves: None,
        text: Vec::new(),
    };
    match known {
        Ok(line) => {
            parsed.at = line.at;
            let facts = (0..).zip(line.events);
            parsed.facts = facts
                .map(|(at, one)| fact((line.format, at), &one, (&row.text, wanted)))
                .collect();
            if wanted.of_moves() {
                match serde_json::from_str(line.moves.get()) {
                    Ok(moves) => parsed.moves = moves,
                    Err(error) => parsed.broken_moves = Some(error.to_string()),
                }
            }
        }
        Err(why) => parsed.broken = Some(why),
    }
    if parsed
        .facts
        .iter()
        .any(|fact| matches!(fact.data, Data::Cut(_)))
    {
        parsed.text = row.text;
    }
    parsed
}

/// Where a piece stands in the text that it was borrowed from.
fn cut(text: &[u8], piece: &str) -> Range<usize> {
    let begin = piece.as_ptr() as usize - text.as_ptr() as usize;
    begin..begin + piece.len()
}

fn fact((format, index): (u32, u64), event: &Event<'_>, (text, wanted): (&[u8], Wanted)) -> Fact {
    let (word, id) = event.stream.split_once(':').unwrap_or(("", event.stream));
    let aggregate = Aggregate::split(event.stream).map(|(aggregate, _)| aggregate);
    let public = aggregate.is_none_or(Aggregate::is_public) && !word.is_empty();
    let publishable = public && wanted.has(Projection::Outbox);
    let whose = aggregate.and_then(projection_of);
    let folded = whose.is_some_and(|whose| wanted.has(whose));
    let mut fact = Fact {
        index,
        aggregate,
        id: String::new(),
        version: event.version,
        previous: event.previous,
        kind: String::new(),
        body: Body::Other,
        publishable,
        data: Data::None,
    };
    if !publishable && !folded {
        return fact;
    }
    // A type that is not known has no upcaster: it is shown as it is.
    let kind = Kind::from_name(event.kind).filter(|_| format < FORMAT);
    let data = kind.map_or(Ok(Cow::Borrowed(event.data.get())), |kind| {
        upcast(kind, format, event.data.get())
    });
    if let (Some(aggregate), true) = (aggregate, folded) {
        fact.body = body(aggregate, (event.kind, &data));
    }
    if publishable || matches!(fact.body, Body::Patch(_) | Body::Stock) {
        id.clone_into(&mut fact.id);
    }
    if publishable {
        event.kind.clone_into(&mut fact.kind);
    }
    if publishable || matches!(fact.body, Body::Hold(_)) {
        fact.data = match data {
            Ok(Cow::Owned(data)) => Data::Own(data),
            Ok(Cow::Borrowed(_)) | Err(_) => Data::Cut(cut(text, event.data.get())),
        };
    }
    fact
}

/// Who folds the bodies of an aggregate's events: nobody lists what else there is by filters.
pub(super) const fn projection_of(aggregate: Aggregate) -> Option<Projection> {
    match aggregate {
        Aggregate::Order => Some(Projection::Orders),
        Aggregate::Hold => Some(Projection::Holds),
        Aggregate::Sku | Aggregate::Stock => Some(Projection::Stock),
        _ => None,
    }
}

fn body(aggregate: Aggregate, (name, data): (&str, &Result<Cow<'_, str>, String>)) -> Body {
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
