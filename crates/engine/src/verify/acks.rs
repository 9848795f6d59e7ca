//! The answers that clients got, as `load` and `demo` write them: one JSON object a line.
//!
//! Members may be null or missing where a client does not know them; one that is not known here is
//! passed over. A last line without its end is what a killed writer leaves, and is not read. A file
//! has millions of lines, so that of each no more is kept than judging it takes.

use crate::chain::Hash;
use crate::commit::{Key, Name};
use crate::lineage::Ended;
use crate::port::Place;
use crate::token::Position;
use evenkeel_rules::event::Kind as Event;
use evenkeel_rules::ids::{CustomerId, LocationId, SkuId};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::BufRead;

#[derive(Debug, Clone, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
struct AckLine {
    sku: String,
    quantity: u64,
    location: Option<String>,
}

/// A line as it is written.
#[derive(Debug, Deserialize)]
struct Ack {
    key: Option<String>,
    customer: Option<String>,
    id: Option<String>,
    #[serde(default)]
    method: String,
    #[serde(default)]
    route: String,
    status: Option<u16>,
    code: Option<String>,
    token: Option<String>,
    lines: Option<Vec<AckLine>>,
}

/// What an answer says about the attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    /// It took effect.
    Yes,
    /// It never will: the refusal is kept with its key.
    Never,
    /// This attempt did nothing.
    No,
    /// It may have taken effect: no answer, or one that does not know.
    Open,
}

/// What is kept of a line.
#[derive(Debug, Clone)]
pub(super) struct Told {
    /// Where in the file, from 1.
    pub(super) line: u32,
    /// The key in the scope of its customer.
    pub(super) scoped: Option<Name>,
    /// The key in no scope.
    pub(super) open: Option<Name>,
    /// What it is about, where the client knows it.
    pub(super) id: Option<Box<str>>,
    /// The events of its route; nothing for a route that changes nothing, or is not known here.
    pub(super) does: Option<&'static [Event]>,
    pub(super) word: Word,
    pub(super) status: u16,
    /// The log that its position is of, and the position.
    pub(super) token: Option<(u16, u64)>,
    /// For a sold-out: which of the demands.
    pub(super) demand: Option<u32>,
    pub(super) sold_out: bool,
}

impl Told {
    /// The event that its route is named by.
    pub(super) fn intent(&self) -> Option<Event> {
        self.does.and_then(|does| does.first().copied())
    }
}

/// Units of places that were asked for together.
pub(super) type Demand = Vec<(Place, u64)>;

/// All answers of a file.
#[derive(Debug, Default)]
pub struct Acks {
    pub(super) all: Vec<Told>,
    pub(super) demands: Vec<Demand>,
    /// Logs and their incarnations.
    pub(super) logs: Vec<(String, u32)>,
    pub(super) unreadable: Option<String>,
    known: BTreeMap<Vec<AckLine>, u32>,
}

impl Acks {
    /// Reads a file to its end. A line that cannot be read is remembered: the checks that need the
    /// file are then not checkable, and say which line it is.
    #[must_use]
    pub fn read(mut from: impl BufRead) -> Self {
        let mut acks = Self::default();
        let mut line = Vec::new();
        for number in 1_u32.. {
            line.clear();
            let bad = match from.read_until(b'\n', &mut line) {
                Ok(_) if !line.ends_with(b"\n") => break,
                Ok(_) if line.trim_ascii().is_empty() => continue,
                Ok(_) => match serde_json::from_slice(&line) {
                    Ok(ack) => {
                        acks.take(number, ack);
                        continue;
                    }
                    Err(error) => error.to_string(),
                },
                Err(error) => error.to_string(),
            };
            acks.unreadable = Some(format!("line {number} of the acks file: {bad}"));
            break;
        }
        acks.known.clear();
        acks
    }

    fn take(&mut self, line: u32, ack: Ack) {
        let name = |customer: Option<&CustomerId>, key: &str| Key::new(customer, key, &[]).name;
        let key = ack.key.as_deref().map(|key| key.trim_matches('"'));
        let customer = ack
            .customer
            .as_deref()
            .and_then(|id| CustomerId::new(id).ok());
        let scoped = key
            .zip(customer.as_ref())
            .map(|(key, customer)| name(Some(customer), key));
        let sold_out = ack.code.as_deref() == Some("stock.sold_out");
        let told = Told {
            line,
            scoped,
            open: key.map(|key| name(None, key)),
            does: does(&ack.method, &ack.route),
            word: word(&ack),
            status: ack.status.unwrap_or(0),
            token: ack.token.and_then(|token| self.position(&token)),
            demand: ack
                .lines
                .filter(|_| sold_out)
                .and_then(|lines| self.demand(lines)),
            sold_out,
            id: ack.id.map(String::into_boxed_str),
        };
        self.all.push(told);
    }

    fn position(&mut self, token: &str) -> Option<(u16, u64)> {
        let Position {
            log,
            incarnation,
            position,
        } = token.parse().ok()?;
        let known = |seen: &(String, u32)| seen.0 == log && seen.1 == incarnation;
        let at = self.logs.iter().position(known).unwrap_or_else(|| {
            self.logs.push((log.clone(), incarnation));
            self.logs.len() - 1
        });
        Some((u16::try_from(at).ok()?, position))
    }

    /// The number of a demand; lines of one place are summed. Nothing for what no ledger knows.
    fn demand(&mut self, lines: Vec<AckLine>) -> Option<u32> {
        if let Some(known) = self.known.get(&lines) {
            return Some(*known);
        }
        let mut demand = Demand::new();
        for line in &lines {
            let location = line.location.as_deref();
            let location = location
                .map_or(Ok(LocationId::main()), LocationId::new)
                .ok()?;
            let place = (SkuId::new(&line.sku).ok()?, location);
            match demand.iter_mut().find(|(seen, _)| *seen == place) {
                Some((_, units)) => *units = units.saturating_add(line.quantity),
                None => demand.push((place, line.quantity)),
            }
        }
        let number = u32::try_from(self.demands.len()).ok()?;
        self.demands.push(demand);
        self.known.insert(lines, number);
        Some(number)
    }
}

/// What a route's effect is; nothing for one that changes nothing or is not known here.
fn does(method: &str, route: &str) -> Option<&'static [Event]> {
    let route = route.trim_end_matches('/');
    let last = route.rsplit('/').next().unwrap_or_default();
    Some(match (method, last) {
        ("POST", "holds") => &[Event::Held],
        ("POST", "confirm") => &[Event::Confirmed],
        ("POST", "release") => &[Event::Released],
        ("POST", "extend") => &[Event::Extended],
        ("POST", "receive") => &[Event::StockReceived],
        ("POST", "adjust") => &[Event::StockAdjusted],
        ("POST", "transfer") => &[Event::StockTransferred],
        ("POST", "orders") => &[Event::OrderCreated],
        ("POST", "carts") => &[Event::CartUpdated],
        ("PUT" | "DELETE", _) if route.contains("/carts/") => &[Event::CartUpdated],
        ("POST", "checkout") => &[Event::OrderCreated],
        ("POST", "cancel") => &[Event::CancelRequested, Event::OrderCancelled],
        ("POST", "refunds") => &[Event::RefundRequested],
        ("POST", "sagas") => &[Event::SagaStarted],
        ("POST", "subscriptions") => &[Event::SubscriptionCreated],
        ("POST", "returns") => &[Event::OrderReturned],
        ("POST", "approve" | "reject") => &[Event::OrderResolved],
        ("POST", "tokens") => &[Event::TokenCreated],
        ("DELETE", _) if route.contains("/tokens/") => &[Event::TokenRevoked],
        ("PUT", _) if route.contains("/skus/") => &[Event::SkuCreated, Event::SkuUpdated],
        _ => return None,
    })
}

/// What the status and the code say. 500 and 504 leave it open, 503 and 507 are a definite no;
/// `in_flight` speaks of another attempt.
fn word(ack: &Ack) -> Word {
    let code = ack.code.as_deref().unwrap_or_default();
    let finals = [
        "already_exists",
        "hold.confirmed",
        "hold.released",
        "hold.expired",
        "price_changed",
        "order.illegal_transition",
        "refund_exists",
        "exceeds_refundable",
    ];
    match ack.status {
        // 202: it was taken on, and is decided.
        Some(200..=202) => Word::Yes,
        Some(409) if finals.contains(&code) => Word::Never,
        Some(409) if code == "in_flight" => Word::Open,
        Some(400..=499 | 503 | 507) => Word::No,
        // Not begun, so not done.
        Some(504) if code == "deadline_passed" => Word::No,
        _ => Word::Open,
    }
}

/// The anchors of a file: one `position hash` a line. A line `ended INCARNATION LAST` stands where
/// a backup was restored: of the anchors before it, those beyond the last position of that
/// incarnation are of the future that was lost, and are none.
///
/// # Errors
/// Which line is something else. A last line without its end was not wholly written, and a line
/// with a NUL is what a power cut left of one: both are passed over.
pub fn read_anchors(text: &str) -> Result<Vec<(u64, Hash)>, String> {
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let anchor = |line: &str| {
        let (position, hash) = line.split_once(' ')?;
        Some((position.parse().ok()?, crate::chain::unhex(hash.trim())?))
    };
    let lines = whole.lines().enumerate();
    let lines = lines.filter(|(_, line)| !line.trim().is_empty() && !line.contains('\0'));
    let mut anchors = Vec::new();
    for (number, line) in lines {
        if let Some(ended) = ended(line) {
            anchors.retain(|(position, _)| *position <= ended.last);
            continue;
        }
        let wrong = || format!("line {} is not an anchor: {line}", number + 1);
        anchors.push(anchor(line).ok_or_else(wrong)?);
    }
    Ok(anchors)
}

/// What a line says that a backup was restored, if it does.
fn ended(line: &str) -> Option<Ended> {
    let (incarnation, last) = line.strip_prefix("ended ")?.trim().split_once(' ')?;
    Some(Ended {
        incarnation: incarnation.parse().ok()?,
        last: last.parse().ok()?,
    })
}

/// The line that says in a file of anchors where an incarnation ended.
#[must_use]
pub fn ended_line(ended: &Ended) -> String {
    format!("ended {} {}\n", ended.incarnation, ended.last)
}
