//! Moments as text: RFC 3339, read in any offset, written in UTC with milliseconds.

use evenkeel_rules::time::LogTime;
use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;

const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(3));

/// The moment as bodies show it, cut to the millisecond.
pub(crate) fn text(moment: LogTime) -> String {
    let millis = moment.micros().div_euclid(1000);
    let shown = Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX);
    let mut text = String::with_capacity(24);
    PRINTER
        .print_timestamp(&shown, &mut text)
        .expect("text grows in memory");
    text
}

/// The moment that a text of RFC 3339 names; the offset must be there.
pub(crate) fn parse(text: &str) -> Option<LogTime> {
    let bytes = text.as_bytes();
    let plain = bytes.len() >= 20
        && bytes.is_ascii()
        && bytes[..4].iter().all(u8::is_ascii_digit)
        && bytes[4] == b'-'
        && bytes[7] == b'-'
        && matches!(bytes[10], b'T' | b't' | b' ')
        && bytes[13] == b':'
        && bytes[16] == b':'
        && !text.contains('[');
    let moment: Timestamp = if plain {
        text.parse().ok()?
    } else {
        return None;
    };
    Some(LogTime::from_micros(moment.as_microsecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_in_utc_with_milliseconds() {
        let moment = LogTime::from_micros(1_767_225_600_123_999);
        assert_eq!(text(moment), "2026-01-01T00:00:00.123Z");
        assert_eq!(text(LogTime::from_micros(-1)), "1969-12-31T23:59:59.999Z");
        assert!(text(LogTime::from_micros(i64::MAX)).starts_with("9999-12-"));
    }

    #[test]
    fn a_moment_is_read_with_its_offset_and_never_without() {
        let noon = LogTime::from_micros(1_767_268_800_000_000);
        for text in [
            "2026-01-01T12:00:00Z",
            "2026-01-01T12:00:00.000Z",
            "2026-01-01t12:00:00z",
            "2026-01-01T13:00:00+01:00",
            "2026-01-01T11:30:00-00:30",
        ] {
            assert_eq!(parse(text), Some(noon), "{text}");
        }
        for text in [
            "",
            "now",
            "2026-01-01",
            "2026-01-01T12:00:00",
            "2026-13-01T12:00:00Z",
            "2026-01-01T12:00Z",
            "20260101T120000Z",
            "2026-01-01T12:00:00Z[UTC]",
            "2026-01-01T25:00:00Z",
            "2026-01-01T12:00:00Zjunk",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
