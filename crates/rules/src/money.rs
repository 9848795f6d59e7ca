//! Money in minor units of a currency.
//!
//! An amount is a whole number of the currency's smallest unit (cents, yen), never a fraction, and
//! amounts of two currencies never meet. The list of currencies is ISO 4217's alphabetic codes in
//! circulation; a text outside it is refused, not guessed.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Most minor units in either direction: 2^53-1.
pub const AMOUNT_MAX: i64 = (1 << 53) - 1;

/// Why a text and a number are not money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadMoney {
    /// Not a code of ISO 4217.
    #[error("the currency is not a code of ISO 4217")]
    Currency,
    /// Below zero where only a price may stand, or beyond 2^53-1.
    #[error("the amount is out of range")]
    Amount,
}

/// A three-letter currency code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency([u8; 3]);

const CODES: &str = "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB \
    BRL BSD BTN BWP BYN BZD CAD CDF CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB \
    EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD \
    JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP \
    MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON \
    RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP \
    TRY TTD TWD TZS UAH UGX USD UYU UZS VES VND VUV WST XAF XCD XOF XPF YER ZAR ZMW ZWG";

impl Currency {
    /// Takes a code as a client wrote it; lower case is not the same code.
    ///
    /// # Errors
    /// [`BadMoney::Currency`] for anything that is not in the list.
    pub fn new(code: &str) -> Result<Self, BadMoney> {
        let bytes: [u8; 3] = code.as_bytes().try_into().map_err(|_| BadMoney::Currency)?;
        if Self::codes().any(|known| known == code) {
            return Ok(Self(bytes));
        }
        Err(BadMoney::Currency)
    }

    /// Every code there is.
    pub fn codes() -> impl Iterator<Item = &'static str> {
        CODES.split_ascii_whitespace()
    }

    /// The code as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("a code is three ASCII letters")
    }

    /// How many digits of an amount are behind the point, as ISO 4217 says.
    #[must_use]
    pub fn digits(&self) -> u32 {
        match self.as_str() {
            "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF"
            | "UGX" | "VND" | "VUV" | "XAF" | "XOF" | "XPF" => 0,
            "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
            _ => 2,
        }
    }
}

impl TryFrom<String> for Currency {
    type Error = BadMoney;
    fn try_from(code: String) -> Result<Self, BadMoney> {
        Self::new(&code)
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.as_str().to_owned()
    }
}

/// An amount of one currency, in its minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(PartialOrd))]
pub struct Money {
    /// Minor units: 1999 is 19.99 EUR and 1999 JPY.
    pub amount: i64,
    /// What the amount is an amount of.
    pub currency: Currency,
}

/// The amount as people write it: `19.99 EUR`, `1999 JPY`.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, amount) = (
            if self.amount < 0 { "-" } else { "" },
            self.amount.unsigned_abs(),
        );
        let code = self.currency.as_str();
        match self.currency.digits() {
            0 => write!(f, "{sign}{amount} {code}"),
            digits => {
                let (one, width) = (10_u64.pow(digits), digits as usize);
                let (whole, part) = (amount / one, amount % one);
                write!(f, "{sign}{whole}.{part:0width$} {code}")
            }
        }
    }
}

impl Money {
    /// A price: zero or more minor units.
    ///
    /// # Errors
    /// [`BadMoney::Amount`] below zero and above 2^53-1.
    pub fn price(amount: i64, currency: Currency) -> Result<Self, BadMoney> {
        if !(0..=AMOUNT_MAX).contains(&amount) {
            return Err(BadMoney::Amount);
        }
        Ok(Self { amount, currency })
    }

    /// The sum, or nothing when the currencies differ or the sum is out of range.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        let amount = self.amount.checked_add(other.amount)?;
        let fits = self.currency == other.currency && amount.unsigned_abs() <= AMOUNT_MAX as u64;
        fits.then_some(Self {
            amount,
            currency: self.currency,
        })
    }

    /// The price of `units` pieces, or nothing when it is out of range.
    #[must_use]
    pub fn checked_times(self, units: u64) -> Option<Self> {
        let amount = self.amount.checked_mul(i64::try_from(units).ok()?)?;
        let fits = amount.unsigned_abs() <= AMOUNT_MAX as u64;
        fits.then_some(Self {
            amount,
            currency: self.currency,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn euro(amount: i64) -> Money {
        let currency = Currency::new("EUR").expect("EUR is in the list");
        Money { amount, currency }
    }

    #[test]
    fn a_currency_is_a_known_code_in_capitals() {
        for (code, known) in [
            ("EUR", true),
            ("JPY", true),
            ("eur", false),
            ("EURO", false),
        ] {
            assert_eq!(Currency::new(code).is_ok(), known, "{code}");
        }
        assert_eq!(Currency::new("XXX"), Err(BadMoney::Currency));
    }

    #[test]
    fn a_price_is_never_negative_and_never_beyond_the_exact_range() {
        let currency = euro(0).currency;
        for (amount, fits) in [
            (-1, false),
            (0, true),
            (AMOUNT_MAX, true),
            (AMOUNT_MAX + 1, false),
        ] {
            assert_eq!(Money::price(amount, currency).is_ok(), fits, "{amount}");
        }
    }

    #[test]
    fn sums_and_products_that_do_not_fit_or_mix_currencies_are_nothing() {
        let yen = Money {
            currency: Currency::new("JPY").expect("JPY is in the list"),
            ..euro(1)
        };
        assert_eq!(euro(1).checked_add(euro(2)), Some(euro(3)));
        assert_eq!(euro(1).checked_add(yen), None);
        assert_eq!(euro(AMOUNT_MAX).checked_add(euro(1)), None);
        assert_eq!(euro(1999).checked_times(2), Some(euro(3998)));
        assert_eq!(euro(AMOUNT_MAX).checked_times(2), None);
    }

    #[test]
    fn an_amount_is_written_with_the_digits_of_its_currency() {
        for (amount, code, text) in [
            (1999, "EUR", "19.99 EUR"),
            (5, "EUR", "0.05 EUR"),
            (-5, "EUR", "-0.05 EUR"),
            (1999, "JPY", "1999 JPY"),
            (1999, "KWD", "1.999 KWD"),
        ] {
            let currency = Currency::new(code).expect("it is in the list");
            assert_eq!(Money { amount, currency }.to_string(), text);
        }
    }
}
