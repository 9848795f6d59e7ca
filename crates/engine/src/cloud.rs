//! Events as others see them: CloudEvents 1.0 in JSON, and moments as RFC 3339.
//!
//! An event's id is its position and its place among the position's events, so it is the same
//! whenever and however often it is told; `evenkeelversion` is its number in its stream.

use crate::chain::EntryEvent;
use crate::lineage::Lineage;
use evenkeel_rules::time::LogTime;

/// The media type of one event in a body.
pub const MEDIA_TYPE: &str = "application/cloudevents+json";

/// Where an event stands.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// How the log's positions are called.
    pub lineage: &'a Lineage,
    /// The position.
    pub position: u64,
    /// Which of the position's events it is, from 0.
    pub index: usize,
    /// Log time.
    pub at: LogTime,
}

impl Place<'_> {
    /// The event's id, as in `main.1:812/0`.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{}/{}", self.lineage.written(self.position), self.index)
    }
}

/// The event as one JSON object. Every part of it but the data is plain ASCII.
#[must_use]
pub fn text(place: Place<'_>, event: &EntryEvent) -> String {
    format!(
        "{{\"specversion\":\"1.0\",\"id\":\"{}\",\"source\":\"/evenkeel/{}\",\"type\":\"{}\",\
         \"subject\":\"{}\",\"time\":\"{}\",\"datacontenttype\":\"application/json\",\
         \"evenkeelversion\":{},\"data\":{}}}",
        place.id(),
        place.lineage.written(place.position).of(),
        event.kind.name(),
        event.id(),
        time(place.at),
        event.version,
        event.data.get(),
    )
}

/// A moment in UTC, cut to the millisecond; years beyond 9999 are the end of 9999.
#[must_use]
pub fn time(moment: LogTime) -> String {
    const DAY: i64 = 86_400_000;
    const END: i64 = 253_402_300_799_999;
    let millis = moment.micros().div_euclid(1_000).min(END);
    let (days, rest) = (millis.div_euclid(DAY), millis.rem_euclid(DAY));
    let (year, month, day) = date(days);
    let (hour, minute) = (rest / 3_600_000, rest / 60_000 % 60);
    let (second, milli) = (rest / 1_000 % 60, rest % 1_000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

/// The date so many days after 1970-01-01, in the Gregorian calendar. Years begin in March here, so
/// that the day that comes and goes is the last of one.
fn date(days: i64) -> (i64, i64, i64) {
    const ERA: i64 = 146_097;
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(ERA), days.rem_euclid(ERA));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let in_month = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    (year, month, in_month)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_in_utc_with_milliseconds() {
        let text = |micros| time(LogTime::from_micros(micros));
        assert_eq!(text(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(text(-1), "1969-12-31T23:59:59.999Z");
        assert_eq!(text(1_767_225_600_123_999), "2026-01-01T00:00:00.123Z");
        assert_eq!(text(951_782_400_000_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(text(1_709_251_199_999_999), "2024-02-29T23:59:59.999Z");
        assert_eq!(text(4_107_542_400_000_000), "2100-03-01T00:00:00.000Z");
        assert!(text(i64::MAX).starts_with("9999-12-31T"));
    }
}
