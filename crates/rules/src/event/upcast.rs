//! Reading what an older build wrote, and writing what it can read: the functions that take an
//! event's data from one format to the next, and back.
//!
//! The log is never rewritten. A row keeps the format that it was written in, and whoever reads
//! its events gets their data in the newest shape: each format's upcasters are applied in turn,
//! from the row's own to this build's. While the store's writers may only use an older format, the
//! same list is gone through the other way. An upcaster sees the data of one type in one format, as
//! JSON text, and decides nothing: what it adds has to follow from what is there.
//!
//! A type is never renamed or taken out of the list. Data of a newer format is never guessed at.
//! The bodies of state rows have no format: a member that comes into one has to be optional.

use super::{FORMAT, Kind};
use std::borrow::Cow;

/// How the data of one type changed from one format to the next.
#[derive(Debug, Clone, Copy)]
pub struct Upcaster {
    /// The type.
    pub kind: Kind,
    /// The format that it takes data from; it gives that of the next.
    pub format: u32,
    /// Data as JSON text in the next format; an error says in words what cannot be read.
    pub upcast: fn(&str) -> Result<String, String>,
    /// The other way, for data that this build made. It cannot fail: what the older format has no
    /// words for must be refused by its rule until the store's format is raised.
    pub downcast: fn(&str) -> String,
}

/// Every upcaster, one for each type and format whose data changed its shape. There is none yet:
/// the first format is the only one that was released.
#[cfg(not(feature = "next-format"))]
pub const UPCASTERS: &[Upcaster] = &[];
#[cfg(feature = "next-format")]
pub use super::next::UPCASTERS;

/// The data of an event in this build's format. It is copied only if it changes.
///
/// # Errors
/// In words, what an upcaster could not read, or that the format is newer than this build.
pub fn upcast(kind: Kind, format: u32, data: &str) -> Result<Cow<'_, str>, String> {
    upcast_by(UPCASTERS, (kind, format), FORMAT, data)
}

/// The data of an event in the format `to`, by the upcasters of a list.
///
/// # Errors
/// As [`upcast`].
pub fn upcast_by<'a>(
    upcasters: &[Upcaster],
    (kind, format): (Kind, u32),
    to: u32,
    data: &'a str,
) -> Result<Cow<'a, str>, String> {
    if format > to {
        return Err(format!("format {format} is newer than this program"));
    }
    let mut data = Cow::Borrowed(data);
    for format in format..to {
        let mine = |one: &&Upcaster| one.kind == kind && one.format == format;
        if let Some(one) = upcasters.iter().find(mine) {
            data = Cow::Owned((one.upcast)(&data)?);
        }
    }
    Ok(data)
}

/// The data of an event that this build made in an older format. It is copied only if it changes.
#[must_use]
pub fn downcast(kind: Kind, data: &str, format: u32) -> Cow<'_, str> {
    downcast_by(UPCASTERS, (kind, FORMAT), data, format)
}

/// The data of an event in the format `to`, by the upcasters of a list taken backwards.
#[must_use]
pub fn downcast_by<'a>(
    upcasters: &[Upcaster],
    (kind, format): (Kind, u32),
    data: &'a str,
    to: u32,
) -> Cow<'a, str> {
    let mut data = Cow::Borrowed(data);
    for format in (to..format).rev() {
        let mine = |one: &&Upcaster| one.kind == kind && one.format == format;
        if let Some(one) = upcasters.iter().find(mine) {
            data = Cow::Owned((one.downcast)(&data));
        }
    }
    data
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn changed(data: &str, change: impl Fn(&mut Value)) -> Result<String, String> {
        let mut data: Value = serde_json::from_str(data).map_err(|error| error.to_string())?;
        change(&mut data);
        Ok(data.to_string())
    }

    /// A price that was a number of euro cents, and then had a currency, and then tax.
    const PRICES: &[Upcaster] = &[
        Upcaster {
            kind: Kind::SkuCreated,
            format: 2,
            upcast: |data| changed(data, |data| data["price"]["taxed"] = json!(true)),
            downcast: |data| {
                let untaxed = |data: &mut Value| {
                    let price = data["price"].as_object_mut();
                    price.expect("a price of this format").remove("taxed");
                };
                changed(data, untaxed).expect("this build made it")
            },
        },
        Upcaster {
            kind: Kind::SkuCreated,
            format: 1,
            upcast: |data| {
                changed(data, |data| {
                    let amount = data["price"].take();
                    data["price"] = json!({"amount": amount, "currency": "EUR"});
                })
            },
            downcast: |data| {
                let bare = |data: &mut Value| data["price"] = data["price"]["amount"].take();
                changed(data, bare).expect("this build made it")
            },
        },
    ];

    fn read(kind: Kind, format: u32, data: &Value) -> Result<Value, String> {
        let data = data.to_string();
        let data = upcast_by(PRICES, (kind, format), 3, &data)?;
        serde_json::from_str(&data).map_err(|error| error.to_string())
    }

    #[test]
    fn data_goes_through_every_format_from_its_own_to_the_newest() {
        let newest = json!({"price": {"amount": 5, "currency": "EUR", "taxed": true}});
        let second = json!({"price": {"amount": 5, "currency": "EUR"}});
        let first = json!({"price": 5});
        for (format, data) in [(1, &first), (2, &second), (3, &newest)] {
            let read = read(Kind::SkuCreated, format, data);
            assert_eq!(read.as_ref(), Ok(&newest), "format {format}");
        }
    }

    #[test]
    fn data_is_written_in_every_format_from_the_newest_down_to_the_first() {
        let newest = json!({"price": {"amount": 5, "currency": "EUR", "taxed": true}});
        let second = json!({"price": {"amount": 5, "currency": "EUR"}});
        let first = json!({"price": 5});
        let text = newest.to_string();
        for (format, data) in [(3, &newest), (2, &second), (1, &first)] {
            let written = downcast_by(PRICES, (Kind::SkuCreated, 3), &text, format);
            assert_eq!(written, data.to_string(), "format {format}");
        }
    }

    #[test]
    fn data_that_did_not_change_is_the_very_same_text() {
        let data = r#"{ "price":5 }"#;
        let read = upcast_by(PRICES, (Kind::SkuUpdated, 1), 3, data);
        assert!(matches!(read, Ok(Cow::Borrowed(text)) if text == data));
        let written = downcast_by(PRICES, (Kind::SkuUpdated, 3), data, 1);
        assert!(matches!(written, Cow::Borrowed(text) if text == data));
    }

    #[test]
    fn what_cannot_be_read_is_an_error_and_never_a_guess() {
        assert!(read(Kind::SkuCreated, 4, &json!({})).is_err(), "newer");
        let broken = upcast_by(PRICES, (Kind::SkuCreated, 1), 3, "{");
        assert!(broken.is_err());
    }

    #[test]
    fn the_list_has_one_upcaster_for_a_type_and_format_and_none_for_the_newest() {
        for (at, one) in UPCASTERS.iter().enumerate() {
            assert!((1..FORMAT).contains(&one.format), "{one:?}");
            let same = |other: &Upcaster| other.kind == one.kind && other.format == one.format;
            assert!(!UPCASTERS[at + 1..].iter().any(same), "{one:?}");
        }
    }
}
