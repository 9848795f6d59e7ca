//! Reading rows: the same for the locked writer and for readers.

use crate::commit::{Name, Rejection};
use crate::port::{
    Fault, Head, HoldRow, KeyRow, Listed, LogRow, Map, Mark, Place, PrivateRow, RefusalRow, Share,
    SkuRow, SubscriptionRow, TokenRow,
};
use crate::store::head as codec;
use evenkeel_rules::ids::{CustomerId, LocationId, SkuId};
use evenkeel_rules::stock::Balances;
use evenkeel_rules::time::LogTime;
use serde::de::DeserializeOwned;
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, private::BytesMut, to_sql_checked};

type Failed = Box<dyn std::error::Error + Sync + Send>;

/// Sixteen bytes, kept as a `uuid`: the shortest thing that PostgreSQL indexes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Sixteen(pub(super) [u8; 16]);

impl ToSql for Sixteen {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Failed> {
        out.extend_from_slice(&self.0);
        Ok(IsNull::No)
    }

    fn accepts(of: &Type) -> bool {
        *of == Type::UUID
    }

    to_sql_checked!();
}

impl<'a> FromSql<'a> for Sixteen {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Failed> {
        Ok(Self(raw.try_into()?))
    }

    fn accepts(of: &Type) -> bool {
        *of == Type::UUID
    }
}

/// A position or count as PostgreSQL has it.
pub(super) fn sql(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A column. A value of another type than the schema promises is damage.
pub(super) fn get<'a, T: FromSql<'a>>(row: &'a Row, column: usize) -> Result<T, Fault> {
    row.try_get(column)
        .map_err(|error| Fault::Corrupt(super::fault::chain(&error)))
}

pub(super) fn number(row: &Row, column: usize) -> Result<u64, Fault> {
    u64::try_from(get::<i64>(row, column)?)
        .map_err(|_| Fault::Corrupt("a number below zero".to_owned()))
}

/// A number that fits in 32 bits.
pub(super) fn small(row: &Row, column: usize) -> Result<u32, Fault> {
    u32::try_from(get::<i64>(row, column)?)
        .map_err(|_| Fault::Corrupt("a number out of range".to_owned()))
}

pub(super) fn time(row: &Row, column: usize) -> Result<LogTime, Fault> {
    Ok(LogTime::from_micros(get(row, column)?))
}

pub(super) fn body<T: DeserializeOwned>(row: &Row, column: usize) -> Result<T, Fault> {
    serde_json::from_slice(get(row, column)?)
        .map_err(|error| Fault::Corrupt(format!("a row: {error}")))
}

pub(super) fn fixed<const N: usize>(row: &Row, column: usize) -> Result<[u8; N], Fault> {
    get::<&[u8]>(row, column)?
        .try_into()
        .map_err(|_| Fault::Corrupt(format!("not {N} bytes")))
}

fn id<T, E: std::fmt::Display>(made: Result<T, E>) -> Result<T, Fault> {
    made.map_err(|error| Fault::Corrupt(format!("a row's id: {error}")))
}

pub(super) const HEAD: &str = "SELECT log, salt, incarnation, position, hash, time, format,
    refusals, batches, leases, floor, ended FROM head WHERE id = 1";

pub(super) fn head(rows: &[Row]) -> Result<Head, Fault> {
    let [row] = rows else {
        return Err(Fault::Corrupt("the head row is gone".to_owned()));
    };
    Ok(Head {
        log: get(row, 0)?,
        salt: fixed(row, 1)?,
        incarnation: small(row, 2)?,
        position: number(row, 3)?,
        hash: fixed(row, 4)?,
        time: time(row, 5)?,
        format: small(row, 6)?,
        refusals: number(row, 7)?,
        batches: codec::read_batches(get(row, 8)?)?,
        leases: codec::read_json(get(row, 9)?, "leases")?,
        floor: number(row, 10)?,
        ended: codec::read_json(get(row, 11)?, "incarnations")?,
    })
}

pub(super) const HOLD: &str = "t.created, t.last, t.version, t.body";

/// A hold whose columns begin here.
pub(super) fn hold(row: &Row, first: usize) -> Result<HoldRow, Fault> {
    Ok(HoldRow {
        created: number(row, first)?,
        last: number(row, first + 1)?,
        version: number(row, first + 2)?,
        hold: body(row, first + 3)?,
    })
}

/// What the name index says of a key.
pub(super) const KEYS: &str = "SELECT n.name, n.at, n.fingerprint, r.text
    FROM unnest($1::uuid[]) AS k(name) JOIN name n ON n.name = k.name
    LEFT JOIN refusal r ON r.number = -n.at";

pub(super) fn key(row: &Row) -> Result<(Name, KeyRow), Fault> {
    let at: i64 = get(row, 1)?;
    let mark = if at > 0 {
        Mark::Position(at.cast_unsigned())
    } else {
        let number = at.unsigned_abs();
        let text: Option<&str> = get(row, 3)?;
        let text = text.ok_or_else(|| Fault::Corrupt(format!("refusal {number} is gone")))?;
        let said: Rejection = serde_json::from_str(text)
            .map_err(|error| Fault::Corrupt(format!("refusal {number}: {error}")))?;
        Mark::Refusal(number, said)
    };
    let fingerprint = get::<Sixteen>(row, 2)?.0;
    Ok((get::<Sixteen>(row, 0)?.0, KeyRow { mark, fingerprint }))
}

pub(super) const SKU: &str = "t.created, t.last, t.version, t.stock_last, t.stock_version,
    t.locations, t.body";

pub(super) fn sku(row: &Row) -> Result<SkuRow, Fault> {
    let locations: Vec<LocationId> = serde_json::from_str(get(row, 5)?)
        .map_err(|error| Fault::Corrupt(format!("a SKU's locations: {error}")))?;
    Ok(SkuRow {
        created: number(row, 0)?,
        last: number(row, 1)?,
        version: number(row, 2)?,
        stock_last: number(row, 3)?,
        stock_version: number(row, 4)?,
        locations,
        sku: body(row, 6)?,
    })
}

pub(super) const BALANCE: &str = "t.sku, t.location, t.supply, t.available, t.held, t.sold,
    t.shipped, t.returned, t.written_off";

pub(super) fn balance(row: &Row) -> Result<(Place, Balances), Fault> {
    let place = (
        id(SkuId::new(get(row, 0)?))?,
        id(LocationId::new(get(row, 1)?))?,
    );
    Ok((place, balances(row, 2)?))
}

/// Balances whose columns begin here.
pub(super) fn balances(row: &Row, first: usize) -> Result<Balances, Fault> {
    let mut raw = [0_i64; 7];
    for (column, units) in raw.iter_mut().enumerate() {
        *units = get(row, first + column)?;
    }
    Ok(Balances::from_raw(raw))
}

/// SKUs with their balances.
pub(super) fn listed(
    skus: impl Iterator<Item = Result<SkuRow, Fault>>,
    balances: &[Row],
) -> Result<Vec<Listed>, Fault> {
    let stands: Map<Place, Balances> = balances.iter().map(balance).collect::<Result<_, _>>()?;
    let listed = skus.map(|row| {
        let row = row?;
        let stock = row.locations.iter().map(|location| {
            let place = (row.sku.terms.sku.clone(), location.clone());
            let balances = stands.get(&place).copied();
            (location.clone(), balances.unwrap_or_default())
        });
        let stock = stock.collect();
        Ok((row, stock))
    });
    listed.collect()
}

pub(super) const TOKEN: &str = "t.created, t.last, t.version, t.secret, t.body";

pub(super) fn token(row: &Row) -> Result<TokenRow, Fault> {
    Ok(TokenRow {
        created: number(row, 0)?,
        last: number(row, 1)?,
        version: number(row, 2)?,
        secret: fixed(row, 3)?,
        token: body(row, 4)?,
    })
}

pub(super) const SUBSCRIPTION: &str = "t.created, t.last, t.version, t.body, t.progress, t.id";

pub(super) fn subscription(row: &Row) -> Result<SubscriptionRow, Fault> {
    let read = SubscriptionRow {
        created: number(row, 0)?,
        last: number(row, 1)?,
        version: number(row, 2)?,
        body: body(row, 3)?,
        progress: body(row, 4)?,
    };
    if read.body.id.as_str() != get::<&str>(row, 5)? {
        let what = format!("the row of subscription {} is another's", read.body.id);
        return Err(Fault::Corrupt(what));
    }
    Ok(read)
}

pub(super) fn share(row: &Row) -> Result<(Share, u64), Fault> {
    let share = (
        id(SkuId::new(get(row, 0)?))?,
        id(CustomerId::new(get(row, 1)?))?,
    );
    Ok((share, number(row, 2)?))
}

pub(super) fn log(row: &Row) -> Result<LogRow, Fault> {
    Ok(LogRow {
        position: number(row, 0)?,
        hash: fixed(row, 1)?,
        text: get(row, 2)?,
    })
}

pub(super) fn refusal(row: &Row) -> Result<RefusalRow, Fault> {
    Ok(RefusalRow {
        number: number(row, 0)?,
        name: get::<Sixteen>(row, 1)?.0,
        fingerprint: get::<Sixteen>(row, 2)?.0,
        text: get(row, 3)?,
    })
}

pub(super) fn private(row: &Row) -> Result<PrivateRow, Fault> {
    let part = u8::try_from(get::<i16>(row, 1)?)
        .map_err(|_| Fault::Corrupt("a private text's part".to_owned()))?;
    let customer: Option<&str> = get(row, 2)?;
    let erased_at: Option<i64> = get(row, 4)?;
    Ok(PrivateRow {
        id: (number(row, 0)?, part),
        customer: id(customer.map(CustomerId::new).transpose())?,
        text: String::from_utf8(get(row, 3)?)
            .map_err(|error| Fault::Corrupt(format!("a private text: {error}")))?,
        erased_at: erased_at.map(LogTime::from_micros),
    })
}
