//! I21: nothing in the log that may have to be erased, and the texts beside it are what came.
//!
//! Two things are looked at. The data of an event has no member that its type does not know, so
//! that nothing can stand in it unseen. And the private text that a row
//! made, as long as it is not erased, does not occur in the row: a payment token, an address, a
//! reason in words, what a saga's steps are sent, a callback as it came. Those of a callback and of
//! a saga must also have the hash that the log has of them; an order's has none there, so that an
//! edited one is not found.
//!
//! Texts that could as well be an id are only looked for as a whole.

use super::fold::{Fold, subject, wrong};
use super::report::{Book, Draft, Invariant, Kind as Wrong, Subject};
use crate::callback::Callback;
use crate::chain::{Entry, EntryEvent, hex};
use crate::port::{Fault, PrivateRow, Store};
use evenkeel_rules::event::{Aggregate, Kind};
use evenkeel_rules::saga::journey::Journey;
use evenkeel_rules::time::LogTime;
use futures_util::future::try_join_all;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Rows whose private texts are read together.
pub(super) const BATCH: usize = 64;
/// Texts that are no longer than this are not looked for: they stand anywhere by chance.
const SHORT: usize = 5;
/// Most erased texts that are kept until the whole log was read.
const ERASED_MAX: usize = 100_000;

/// Whether a command of this kind may make a private text.
pub(crate) fn may_make_private(kind: &str) -> bool {
    matches!(
        kind,
        "take_order"
            | "check_out"
            | "cancel_order"
            | "refund_order"
            | "resolve_order"
            | "start_saga"
            | "retry_saga"
            | "compensate_saga"
            | "callback"
            | "erase"
            | "create_subscription"
            | "pause_subscription"
            | "resume_subscription"
            | "delete_subscription"
            | "replay_subscription"
            | "rotate_secret"
            | "retry_parked"
            | "drop_parked"
    )
}

/// A row that may have made a private text.
#[derive(Debug)]
struct Maker {
    position: u64,
    text: Vec<u8>,
    /// SHA-256 of a callback's raw text, or of what a saga's steps are sent, as the log has it.
    sha256: Option<String>,
    /// Whether the row is searched for it: a step's URL may well say what its body says.
    searched: bool,
}

/// Private texts that wait to be looked at.
#[derive(Debug, Default)]
pub(super) struct Secrets {
    makers: Vec<Maker>,
    /// When texts were erased, as the log says.
    erasures: Vec<LogTime>,
    /// Erased texts: where, and when as the row says.
    erased: Vec<(u64, LogTime)>,
}

impl Secrets {
    /// When texts were erased.
    pub(super) fn erasures(&self) -> &[LogTime] {
        &self.erasures
    }

    /// Notes an erasure.
    pub(super) fn erased_at(&mut self, at: LogTime) {
        self.erasures.push(at);
    }

    /// Notes a row that was folded, if it may have made a private text.
    pub(super) fn note(&mut self, entry: &Entry, position: u64, text: &[u8]) {
        if !may_make_private(&entry.cause.kind) {
            return;
        }
        let hashed = |event: &EntryEvent| match event.kind {
            Kind::CallbackStored => event.data::<Callback>().ok().map(|it| it.sha256),
            Kind::SagaStarted => event.data::<Journey>().ok().and_then(|it| it.bodies),
            _ => None,
        };
        self.makers.push(Maker {
            position,
            text: text.to_vec(),
            sha256: entry.events.iter().find_map(hashed),
            searched: entry.cause.kind != "start_saga",
        });
    }

    /// Whether enough wait to be looked at together.
    pub(super) fn is_full(&self) -> bool {
        self.makers.len() >= BATCH
    }
}

/// Looks at the private texts of the rows that were folded.
///
/// # Errors
/// A [`Fault`] of the store.
pub(super) async fn look(store: &dyn Store, fold: &mut Fold, book: &mut Book) -> Result<(), Fault> {
    let mut makers = std::mem::take(&mut fold.secrets.makers);
    for some in makers.chunks(BATCH) {
        let read = async |maker: &Maker| match store.private((maker.position, 0)).await {
            Ok(at) => Ok(Ok(at.rows)),
            Err(Fault::Corrupt(what)) => Ok(Err(what)),
            Err(fault) => Err(fault),
        };
        let rows = try_join_all(some.iter().map(read)).await?;
        book.checked(Invariant::I21, rows.len());
        for (maker, row) in some.iter().zip(rows) {
            judge(maker, row, fold, book);
        }
    }
    makers.clear();
    fold.secrets.makers = makers;
    Ok(())
}

fn text(position: u64) -> Subject {
    Subject::new("private", position)
}

fn judge(maker: &Maker, row: Result<Option<PrivateRow>, String>, fold: &mut Fold, book: &mut Book) {
    let position = maker.position;
    let empty = hex(&Sha256::digest([]));
    let mut find = |kind, detail: String| {
        let draft = Draft {
            expected: json!(maker.sha256),
            detail,
            ..wrong(kind, text(position), position)
        };
        book.find(Invariant::I21, draft);
    };
    let row = match row {
        Ok(Some(row)) => row,
        // Not everything that may have a private text has one; a callback has, unless it is empty.
        Ok(None) if maker.sha256.as_ref().is_some_and(|hash| *hash != empty) => {
            return find(Wrong::TextMissing, "the text that came is gone".to_owned());
        }
        Ok(None) => return,
        Err(what) => return find(Wrong::TextEdited, format!("it cannot be read: {what}")),
    };
    if let Some(at) = row.erased_at {
        if !row.text.is_empty() {
            find(
                Wrong::TextEdited,
                "it was erased, and is not empty".to_owned(),
            );
        } else if fold.secrets.erased.len() < ERASED_MAX {
            fold.secrets.erased.push((position, at));
        }
        return;
    }
    let hash = hex(&Sha256::digest(&row.text));
    if maker.sha256.as_ref().is_some_and(|known| *known != hash) {
        find(
            Wrong::TextEdited,
            "its hash is not the one in the log".to_owned(),
        );
    } else if row.text.is_empty() {
        find(
            Wrong::TextEdited,
            "it is empty, and was not erased".to_owned(),
        );
    }
    let log = String::from_utf8_lossy(&maker.text);
    if maker.searched && telling(&row.text).iter().any(|needle| log.contains(needle)) {
        find(
            Wrong::TextLeaked,
            "the row of the log has a part of it".to_owned(),
        );
    }
}

/// Texts erased must have been erased by a command: the log has each erasure.
pub(super) fn settle(fold: &mut Fold, book: &mut Book) {
    let Secrets {
        erasures, erased, ..
    } = std::mem::take(&mut fold.secrets);
    let known = |at: &LogTime| erasures.contains(at);
    // What was erased since the last row that was folded is in rows behind it.
    let told = |at: &LogTime| known(at) || *at >= fold.time;
    if !fold.lost.gone.is_empty() {
        return;
    }
    for (position, at) in erased.into_iter().filter(|(_, at)| !told(at)) {
        let draft = Draft {
            found: json!({"erased_at": at}),
            detail: "it was erased, and no row of the log says so".to_owned(),
            ..wrong(Wrong::TextMissing, text(position), position)
        };
        book.find(Invariant::I21, draft);
    }
}

/// What of a private text must not stand in a row of the log, as JSON would have it there.
fn telling(text: &str) -> Vec<String> {
    let mut needles = Vec::new();
    let json: Option<Value> = serde_json::from_str(text).ok();
    match &json {
        Some(value @ (Value::Object(_) | Value::Array(_))) => leaves(value, &mut needles),
        _ => needles.extend(prose(text)),
    }
    let token = json.as_ref().and_then(|value| value.get("token")?.as_str());
    if let Some(token) = token.filter(|token| token.len() > SHORT) {
        needles.push(Value::from(token).to_string());
    }
    needles
}

fn leaves(value: &Value, needles: &mut Vec<String>) {
    match value {
        Value::String(text) => needles.extend(prose(text)),
        Value::Array(all) => all.iter().for_each(|value| leaves(value, needles)),
        Value::Object(all) => all.values().for_each(|value| leaves(value, needles)),
        Value::Null | Value::Bool(_) | Value::Number(_) => (),
    }
}

/// A text that is nobody's id: words, a name with other than ASCII letters, an e-mail address.
fn prose(text: &str) -> Option<String> {
    let told = |letter: char| letter.is_whitespace() || letter == '@' || !letter.is_ascii();
    if text.len() <= SHORT || !text.contains(told) {
        return None;
    }
    let quoted = Value::from(text).to_string();
    Some(quoted[1..quoted.len() - 1].to_owned())
}

/// Reads an event's data, and looks at its members.
///
/// # Errors
/// It cannot be read; a member that its type does not know is a finding already.
pub(super) fn read<T: Serialize + DeserializeOwned>(
    event: &EntryEvent,
    position: u64,
    book: &mut Book,
) -> Result<T, String> {
    let data = event.data().inspect_err(|what| {
        if what.starts_with("unknown field") {
            stranger(event, what, position, book);
        }
    })?;
    members(event, &data, position, book);
    Ok(data)
}

/// Looks for members in an event's data that its type does not know, and for e-mail addresses.
pub(super) fn members<T: Serialize>(event: &EntryEvent, data: &T, position: u64, book: &mut Book) {
    book.checked(Invariant::I21, 1);
    let raw = event.data.get();
    let known = serde_json::to_string(data).expect("what was read is plain JSON");
    let member = (raw != known).then(|| {
        let raw = serde_json::from_str(raw).unwrap_or_default();
        let known = serde_json::from_str(&known).unwrap_or_default();
        strange(&raw, &known)
    });
    let mail = event.kind.aggregate() == Aggregate::Order && raw.contains('@') && has_mail(raw);
    let what = match member.flatten() {
        Some(member) => format!("its data has the member {member}, which no event has"),
        None if mail => "its data has what looks like an e-mail address".to_owned(),
        None => return,
    };
    stranger(event, &what, position, book);
}

/// Reports that an event's data has what no event may have.
fn stranger(event: &EntryEvent, what: &str, position: u64, book: &mut Book) {
    let draft = Draft {
        detail: format!("{} version {}: {what}", event.stream, event.version),
        ..wrong(Wrong::TextLeaked, subject(event), position)
    };
    book.find(Invariant::I21, draft);
}

/// The first member of a value that the same value as its type writes it does not have.
fn strange(raw: &Value, known: &Value) -> Option<String> {
    match (raw, known) {
        (Value::Object(raw), Value::Object(known)) => raw.iter().find_map(|(name, value)| {
            match known.get(name) {
                Some(known) => strange(value, known),
                // A member that is its type's default is not written.
                None if value.is_null() => None,
                None => Some(name.clone()),
            }
        }),
        (Value::Array(raw), Value::Array(known)) => raw
            .iter()
            .zip(known)
            .find_map(|(raw, known)| strange(raw, known)),
        _ => None,
    }
}

fn has_mail(text: &str) -> bool {
    let is_part = |letter: char| letter.is_alphanumeric() || "._%+-".contains(letter);
    let at = |(place, _): (usize, &str)| {
        let (before, after) = (&text[..place], &text[place + 1..]);
        let domain: &str = after.split(|letter| !is_part(letter)).next().unwrap_or("");
        let top = domain.trim_end_matches('.').rsplit_once('.');
        before.ends_with(is_part)
            && top.is_some_and(|(host, top)| !host.is_empty() && top.len() > 1)
    };
    text.match_indices('@').any(at)
}
