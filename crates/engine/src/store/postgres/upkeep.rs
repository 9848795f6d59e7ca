//! The log's old part: seals, segments, and rows that leave the database.

use super::rows::{fixed, get, number, sql};
use super::session::Asked;
use crate::port::{Fault, SealRow, SegmentRow, Upkeep};
use std::borrow::Cow;
use tokio_postgres::Row;

pub(super) const SEALS: &str = "SELECT position, text FROM seal WHERE position <= $1
    ORDER BY position DESC LIMIT $2";
pub(super) const SEGMENTS: &str = "SELECT first, last, before, hash, digest, bytes FROM segment
    ORDER BY first";

const SEAL: &str =
    "INSERT INTO seal(position, text) SELECT * FROM unnest($1::bigint[], $2::bytea[])
    ON CONFLICT (position) DO UPDATE SET text = excluded.text";
const UNSEAL: &str = "DELETE FROM seal WHERE position = ANY($1)";
const SEGMENT: &str = "INSERT INTO segment(first, last, before, hash, digest, bytes)
    SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::bytea[], $5::bytea[],
      $6::bigint[])
    ON CONFLICT (first) DO UPDATE SET last = excluded.last, before = excluded.before,
      hash = excluded.hash, digest = excluded.digest, bytes = excluded.bytes";
const FORGET: &str = "DELETE FROM segment WHERE first = ANY($1)";
const TAKE_OUT: &str = "DELETE FROM log WHERE position BETWEEN $1 AND $2";
const BRING_BACK: &str = "INSERT INTO log(position, hash, text)
    SELECT * FROM unnest($1::bigint[], $2::bytea[], $3::bytea[])
    ON CONFLICT (position) DO UPDATE SET hash = excluded.hash, text = excluded.text";

/// Every statement of upkeep.
pub(super) fn statements() -> [Cow<'static, str>; 6] {
    [SEAL, UNSEAL, SEGMENT, FORGET, TAKE_OUT, BRING_BACK].map(Cow::from)
}

pub(super) fn seal(row: &Row) -> Result<SealRow, Fault> {
    Ok(SealRow {
        position: number(row, 0)?,
        text: get(row, 1)?,
    })
}

pub(super) fn segment(row: &Row) -> Result<SegmentRow, Fault> {
    Ok(SegmentRow {
        first: number(row, 0)?,
        last: number(row, 1)?,
        before: fixed(row, 2)?,
        hash: fixed(row, 3)?,
        index: fixed(row, 4)?,
        bytes: number(row, 5)?,
    })
}

fn each<'a, T, V>(rows: &'a [T], of: impl Fn(&'a T) -> V) -> Vec<V> {
    rows.iter().map(of).collect()
}

/// The statements that a batch's upkeep needs, in the order that the port says.
pub(super) fn plan(upkeep: &Upkeep) -> Vec<Asked<'_>> {
    let mut all = Vec::new();
    let numbers = |numbers: &[u64]| each(numbers, |it| sql(*it));
    if !upkeep.seals.is_empty() {
        let positions = each(&upkeep.seals, |it| sql(it.position));
        let texts = each(&upkeep.seals, |it| &it.text[..]);
        all.push(Asked::new(SEAL).with(positions).with(texts));
    }
    if !upkeep.forget_seals.is_empty() {
        all.push(Asked::new(UNSEAL).with(numbers(&upkeep.forget_seals)));
    }
    if !upkeep.segments.is_empty() {
        let rows = &upkeep.segments;
        all.push(
            Asked::new(SEGMENT)
                .with(each(rows, |it| sql(it.first)))
                .with(each(rows, |it| sql(it.last)))
                .with(each(rows, |it| &it.before[..]))
                .with(each(rows, |it| &it.hash[..]))
                .with(each(rows, |it| &it.index[..]))
                .with(each(rows, |it| sql(it.bytes))),
        );
    }
    if !upkeep.forget_segments.is_empty() {
        all.push(Asked::new(FORGET).with(numbers(&upkeep.forget_segments)));
    }
    if let Some((first, last)) = upkeep.taken_out {
        all.push(Asked::new(TAKE_OUT).with(sql(first)).with(sql(last)));
    }
    if !upkeep.brought_back.is_empty() {
        let rows = &upkeep.brought_back;
        all.push(
            Asked::new(BRING_BACK)
                .with(each(rows, |it| sql(it.position)))
                .with(each(rows, |it| &it.hash[..]))
                .with(each(rows, |it| &it.text[..])),
        );
    }
    all
}
