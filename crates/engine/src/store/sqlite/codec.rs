//! Small encodings of rows: balances, batch ids, timer entries.

use crate::commit::Timer;
use crate::port::{BatchId, Fault};
use evenkeel_rules::stock::Balances;
use evenkeel_rules::time::LogTime;
use std::collections::VecDeque;

fn corrupt(what: &str) -> Fault {
    Fault::Corrupt(format!("{what} cannot be read"))
}

/// Seven signed numbers, each zigzag and base 128: small numbers are one byte.
pub(super) fn balances(balances: Balances) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(16);
    for account in balances.raw() {
        let mut zigzag = ((account << 1) ^ (account >> 63)).cast_unsigned();
        while zigzag >= 0x80 {
            bytes.push((zigzag & 0x7f) as u8 | 0x80);
            zigzag >>= 7;
        }
        bytes.push(zigzag as u8);
    }
    bytes
}

pub(super) fn read_balances(bytes: &[u8]) -> Result<Balances, Fault> {
    let mut rest = bytes.iter();
    let mut accounts = [0_i64; 7];
    for account in &mut accounts {
        let (mut zigzag, mut shift) = (0_u64, 0);
        loop {
            let byte = *rest.next().ok_or_else(|| corrupt("a balance"))?;
            if shift > 56 {
                return Err(corrupt("a balance"));
            }
            zigzag |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        *account = (zigzag >> 1).cast_signed() ^ -((zigzag & 1).cast_signed());
    }
    match rest.next() {
        None => Ok(Balances::from_raw(accounts)),
        Some(_) => Err(corrupt("a balance")),
    }
}

pub(super) fn batches(batches: &VecDeque<BatchId>) -> Vec<u8> {
    batches.iter().flatten().copied().collect()
}

pub(super) fn read_batches(bytes: &[u8]) -> Result<VecDeque<BatchId>, Fault> {
    let (ids, rest) = bytes.as_chunks::<16>();
    if !rest.is_empty() {
        return Err(corrupt("the head's batches"));
    }
    Ok(ids.iter().copied().collect())
}

/// Sixteen bytes an entry: due time in microseconds, creating position.
pub(super) fn timers<'a>(timers: impl Iterator<Item = &'a Timer>) -> Vec<u8> {
    let entry = |timer: &Timer| {
        let (due, created) = (
            timer.due.micros().to_le_bytes(),
            timer.created.to_le_bytes(),
        );
        [due, created].concat()
    };
    timers.flat_map(entry).collect()
}

pub(super) fn read_timers(bytes: &[u8]) -> Result<Vec<Timer>, Fault> {
    let (entries, rest) = bytes.as_chunks::<16>();
    if !rest.is_empty() {
        return Err(corrupt("a timer"));
    }
    let entry = |entry: &[u8; 16]| {
        let (due, created) = entry.split_at(8);
        let due = i64::from_le_bytes(due.try_into().expect("eight of sixteen bytes"));
        let created = u64::from_le_bytes(created.try_into().expect("the other eight"));
        Timer {
            due: LogTime::from_micros(due),
            created,
        }
    };
    Ok(entries.iter().map(entry).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn balances_are_read_back_as_written() {
        let most = (1_i64 << 53) - 1;
        for accounts in [
            [0; 7],
            [-100, 97, 3, 0, 0, 0, 0],
            [-most, most, 0, 63, 64, -64, -65],
        ] {
            let stands = Balances::from_raw(accounts);
            let bytes = balances(stands);
            assert_eq!(read_balances(&bytes), Ok(stands));
            assert!(
                read_balances(&bytes[1..]).is_err(),
                "a short row is not believed"
            );
        }
    }

    #[test]
    fn timers_are_read_back_as_written() {
        let all = [(5, 1), (-3, u64::MAX)];
        let all = all.map(|(due, created)| Timer {
            due: LogTime::from_micros(due),
            created,
        });
        assert_eq!(read_timers(&timers(all.iter())), Ok(all.to_vec()));
        assert!(read_timers(&[0; 15]).is_err());
    }
}
