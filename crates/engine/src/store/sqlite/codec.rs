//! Small encodings of rows: balances, timer entries.

use crate::commit::Timer;
use crate::port::Fault;
use evenkeel_rules::stock::Balances;
use evenkeel_rules::time::LogTime;

fn corrupt(what: &str) -> Fault {
    Fault::Corrupt(format!("{what} cannot be read"))
}

pub(super) fn write_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

pub(super) fn read_number(rest: &mut &[u8]) -> Option<u64> {
    let (mut number, mut shift) = (0_u64, 0);
    loop {
        let (&byte, after) = rest.split_first()?;
        *rest = after;
        if shift > 56 {
            return None;
        }
        number |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
}

fn write_accounts(bytes: &mut Vec<u8>, balances: Balances) {
    for account in balances.raw() {
        write_number(bytes, ((account << 1) ^ (account >> 63)).cast_unsigned());
    }
}

fn read_accounts(rest: &mut &[u8]) -> Option<Balances> {
    let mut accounts = [0_i64; 7];
    for account in &mut accounts {
        let zigzag = read_number(rest)?;
        *account = (zigzag >> 1).cast_signed() ^ -((zigzag & 1).cast_signed());
    }
    Some(Balances::from_raw(accounts))
}

/// Seven signed numbers, each zigzag and base 128: small numbers are one byte.
pub(super) fn balances(balances: Balances) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(16);
    write_accounts(&mut bytes, balances);
    bytes
}

pub(super) fn read_balances(mut bytes: &[u8]) -> Result<Balances, Fault> {
    match read_accounts(&mut bytes) {
        Some(balances) if bytes.is_empty() => Ok(balances),
        Some(_) | None => Err(corrupt("a balance")),
    }
}

/// Places by number, each with its balances.
pub(super) fn news(places: &[(i64, Balances)]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(places.len() * 16);
    for (place, balances) in places {
        write_number(&mut bytes, place.cast_unsigned());
        write_accounts(&mut bytes, *balances);
    }
    bytes
}

pub(super) fn read_news(mut bytes: &[u8]) -> Result<Vec<(i64, Balances)>, Fault> {
    let mut places = Vec::with_capacity(bytes.len() / 12);
    while !bytes.is_empty() {
        let place = read_number(&mut bytes).ok_or_else(|| corrupt("news of balances"))?;
        let balances = read_accounts(&mut bytes).ok_or_else(|| corrupt("news of balances"))?;
        places.push((place.cast_signed(), balances));
    }
    Ok(places)
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
                read_balances(&bytes[..bytes.len() - 1]).is_err(),
                "a short row is not believed"
            );
        }
    }

    #[test]
    fn news_are_read_back_as_written() {
        let places: Vec<_> = [1, 127, 128, 1 << 40]
            .map(|place| (place, Balances::from_raw([-place, place, 0, 0, 0, 0, 0])))
            .into();
        let bytes = news(&places);
        assert_eq!(read_news(&bytes), Ok(places));
        for cut in [1, 2, 7] {
            let cut = &bytes[..bytes.len() - cut];
            assert!(read_news(cut).is_err(), "short news are not believed");
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
