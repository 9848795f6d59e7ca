//! From a body's tree to the types of the rules, with every mistake named.
//!
//! A [`Fields`] walks one object. Each member is asked for once by name; what is missing, of
//! another type or out of range is noted in the [`Report`] with its JSON pointer, and reading goes
//! on, so that a client learns all its mistakes at once. A member that nobody asked for is a
//! mistake too: nothing is ignored silently, nothing is assigned in bulk.

use super::json::Value;
use super::problem::{Problem, Violation};
use evenkeel_rules::ids::BadId;
use evenkeel_rules::money::{Currency, Money};
use evenkeel_rules::quantity::{MAX, Quantity};
use evenkeel_rules::time::LogTime;
use std::fmt::Write as _;

/// More mistakes than this are not listed.
const VIOLATIONS_MAX: usize = 100;

/// Where in the body something stands; made text only for a mistake.
#[derive(Clone, Copy)]
pub(crate) enum Place<'p> {
    Root,
    Member(&'p Place<'p>, &'p str),
    Index(&'p Place<'p>, usize),
}

impl Place<'_> {
    fn pointer(&self) -> String {
        match self {
            Place::Root => String::new(),
            Place::Member(parent, name) => {
                let name = name.replace('~', "~0").replace('/', "~1");
                parent.pointer() + "/" + &name
            }
            Place::Index(parent, index) => {
                let mut pointer = parent.pointer();
                write!(pointer, "/{index}").expect("text grows in memory");
                pointer
            }
        }
    }
}

/// The mistakes found so far.
#[derive(Default)]
pub(crate) struct Report(Vec<Violation>);

impl Report {
    /// Notes a mistake.
    pub(crate) fn add(&mut self, place: &Place<'_>, code: &'static str) {
        if self.0.len() < VIOLATIONS_MAX {
            self.0.push(Violation {
                pointer: place.pointer(),
                code,
            });
        }
    }

    /// What was read, if there was no mistake.
    ///
    /// # Errors
    /// The 422 problem that lists the mistakes.
    pub(crate) fn finish<T>(self, read: Option<T>) -> Result<T, Problem> {
        match read {
            Some(read) if self.0.is_empty() => Ok(read),
            _ => Err(Problem::violated(self.0)),
        }
    }
}

/// Reads a whole body, which is an object.
///
/// # Errors
/// The 422 problem that lists all mistakes.
pub(crate) fn read<'a, T>(
    value: &'a Value<'a>,
    fields: impl FnOnce(&mut Fields<'a, '_>) -> Option<T>,
) -> Result<T, Problem> {
    let mut report = Report::default();
    let read = object(value, &Place::Root, &mut report, fields);
    report.finish(read)
}

/// Reads an object at `place`.
fn object<'a, T>(
    value: &'a Value<'a>,
    place: &Place<'_>,
    report: &mut Report,
    read: impl FnOnce(&mut Fields<'a, '_>) -> Option<T>,
) -> Option<T> {
    let Value::Object(members) = value else {
        report.add(place, "type");
        return None;
    };
    let mut fields = Fields {
        members,
        asked: Vec::new(),
        place,
        report,
    };
    let result = read(&mut fields);
    let Fields { asked, .. } = fields;
    if asked.len() < members.len() {
        for (name, _) in members {
            if !asked.contains(&name.as_ref()) {
                report.add(&Place::Member(place, name), "unknown_member");
            }
        }
    }
    result
}

/// One object being read.
pub(crate) struct Fields<'a, 'r> {
    members: &'a [(std::borrow::Cow<'a, str>, Value<'a>)],
    /// Names that were asked for and are there.
    asked: Vec<&'static str>,
    place: &'r Place<'r>,
    report: &'r mut Report,
}

impl<'a> Fields<'a, '_> {
    fn find(&mut self, name: &'static str) -> Option<&'a Value<'a>> {
        let (_, value) = self.members.iter().find(|(known, _)| known == name)?;
        self.asked.push(name);
        Some(value)
    }

    /// Notes a mistake in a member of this object.
    pub(crate) fn wrong(&mut self, name: &str, code: &'static str) {
        self.report.add(&Place::Member(self.place, name), code);
    }

    /// Notes a mistake in a member of an object in a list of this object.
    pub(crate) fn wrong_item(
        &mut self,
        list: &str,
        index: usize,
        (name, code): (&str, &'static str),
    ) {
        let list = Place::Member(self.place, list);
        let item = Place::Index(&list, index);
        self.report.add(&Place::Member(&item, name), code);
    }

    /// Notes a mistake in the request's path.
    pub(crate) fn wrong_path(&mut self, code: &'static str) {
        self.report.add(&Place::Member(&Place::Root, "path"), code);
    }

    /// A member that may be missing: `None` is a mistake, already noted; `Some(None)` its absence.
    pub(crate) fn optional<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&'a Value<'a>) -> Result<T, &'static str>,
    ) -> Option<Option<T>> {
        let Some(value) = self.find(name) else {
            return Some(None);
        };
        match read(value) {
            Ok(value) => Some(Some(value)),
            Err(code) => {
                self.wrong(name, code);
                None
            }
        }
    }

    fn required<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&'a Value<'a>) -> Result<T, &'static str>,
    ) -> Option<T> {
        let value = self.optional(name, read)?;
        if value.is_none() {
            self.wrong(name, "required");
        }
        value
    }

    /// An id of any of the rules' id types.
    pub(crate) fn id<T>(
        &mut self,
        name: &'static str,
        new: fn(&str) -> Result<T, BadId>,
    ) -> Option<T> {
        self.required(name, |value| id(value, new))
    }

    /// An id that may be missing.
    pub(crate) fn id_or_none<T>(
        &mut self,
        name: &'static str,
        new: fn(&str) -> Result<T, BadId>,
    ) -> Option<Option<T>> {
        self.optional(name, |value| id(value, new))
    }

    /// One of a few names.
    pub(crate) fn name<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        self.required(name, |value| read(text(value)?).ok_or("enum"))
    }

    /// Text of 1 to `max` characters.
    pub(crate) fn text(&mut self, name: &'static str, max: usize) -> Option<&'a str> {
        self.required(name, |value| bounded(value, max))
    }

    /// Text of 1 to `max` characters that may be missing.
    pub(crate) fn text_or_none(
        &mut self,
        name: &'static str,
        max: usize,
    ) -> Option<Option<&'a str>> {
        self.optional(name, |value| bounded(value, max))
    }

    /// A whole number within bounds, both inclusive.
    pub(crate) fn integer(&mut self, name: &'static str, min: i64, max: i64) -> Option<i64> {
        self.required(name, |value| integer(value, min, max))
    }

    /// A whole number within bounds that may be missing.
    pub(crate) fn integer_or_none(
        &mut self,
        name: &'static str,
        min: i64,
        max: i64,
    ) -> Option<Option<i64>> {
        self.optional(name, |value| integer(value, min, max))
    }

    /// A number of units, 1 to 2^53-1.
    pub(crate) fn quantity(&mut self, name: &'static str) -> Option<Quantity> {
        self.required(name, quantity)
    }

    /// A number of units that may be missing.
    pub(crate) fn quantity_or_none(&mut self, name: &'static str) -> Option<Option<Quantity>> {
        self.optional(name, quantity)
    }

    /// A moment (RFC 3339) that may be missing.
    pub(crate) fn time_or_none(&mut self, name: &'static str) -> Option<Option<LogTime>> {
        self.optional(name, |value| super::time::parse(text(value)?).ok_or("time"))
    }

    /// A price: `{"amount", "currency"}` in minor units.
    pub(crate) fn price(&mut self, name: &'static str) -> Option<Money> {
        self.object(name, |fields| money(fields, 0))
    }

    /// At least so many minor units of a currency; may be missing.
    pub(crate) fn money_or_none(&mut self, name: &'static str, min: i64) -> Option<Option<Money>> {
        self.object_or_none(name, |fields| money(fields, min))
    }

    /// `true` or `false`.
    pub(crate) fn flag(&mut self, name: &'static str) -> Option<bool> {
        self.required(name, |value| match value {
            Value::Bool(flag) => Ok(*flag),
            _ => Err("type"),
        })
    }

    /// A moment (RFC 3339).
    pub(crate) fn time(&mut self, name: &'static str) -> Option<LogTime> {
        self.required(name, |value| super::time::parse(text(value)?).ok_or("time"))
    }

    /// An object.
    pub(crate) fn object<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut Fields<'a, '_>) -> Option<T>,
    ) -> Option<T> {
        let Some(value) = self.find(name) else {
            self.wrong(name, "required");
            return None;
        };
        object(value, &Place::Member(self.place, name), self.report, read)
    }

    /// An object that may be missing.
    pub(crate) fn object_or_none<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut Fields<'a, '_>) -> Option<T>,
    ) -> Option<Option<T>> {
        let Some(value) = self.find(name) else {
            return Some(None);
        };
        object(value, &Place::Member(self.place, name), self.report, read).map(Some)
    }

    /// A list of 1 to `max` objects.
    pub(crate) fn list<T>(
        &mut self,
        name: &'static str,
        max: usize,
        read: impl Fn(&mut Fields<'a, '_>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let list = self.list_or_none(name, max, read)?;
        if list.is_none() {
            self.wrong(name, "required");
        }
        list
    }

    /// A list of 1 to `max` objects that may be missing.
    pub(crate) fn list_or_none<T>(
        &mut self,
        name: &'static str,
        max: usize,
        read: impl Fn(&mut Fields<'a, '_>) -> Option<T>,
    ) -> Option<Option<Vec<T>>> {
        let items = self.optional(name, |value| match value {
            Value::List(items) if items.is_empty() => Err("min"),
            Value::List(items) if items.len() > max => Err("max"),
            Value::List(items) => Ok(items),
            _ => Err("type"),
        })?;
        let Some(items) = items else {
            return Some(None);
        };
        let mut read_items = Vec::with_capacity(items.len());
        let place = Place::Member(self.place, name);
        for (index, item) in items.iter().enumerate() {
            let place = Place::Index(&place, index);
            read_items.extend(object(item, &place, self.report, &read));
        }
        (read_items.len() == items.len()).then_some(Some(read_items))
    }
}

/// The text that a value is.
///
/// # Errors
/// `type` for any other value.
pub(crate) fn text<'a>(value: &'a Value<'a>) -> Result<&'a str, &'static str> {
    if let Value::Text(text) = value {
        Ok(text)
    } else {
        Err("type")
    }
}

fn bounded<'a>(value: &'a Value<'a>, max: usize) -> Result<&'a str, &'static str> {
    let text = text(value)?;
    if text.is_empty() {
        Err("min")
    } else if text.chars().count() > max {
        Err("max")
    } else {
        Ok(text)
    }
}

fn money(fields: &mut Fields<'_, '_>, min: i64) -> Option<Money> {
    let amount = fields.integer("amount", min, evenkeel_rules::money::AMOUNT_MAX);
    let currency = fields.required("currency", |value| {
        Currency::new(text(value)?).map_err(|_| "currency")
    });
    Some(Money {
        amount: amount?,
        currency: currency?,
    })
}

fn id<T>(value: &Value<'_>, new: fn(&str) -> Result<T, BadId>) -> Result<T, &'static str> {
    new(text(value)?).map_err(|_| "bad_id")
}

fn integer(value: &Value<'_>, min: i64, max: i64) -> Result<i64, &'static str> {
    let Value::Integer(number) = value else {
        return Err("type");
    };
    if *number < i128::from(min) {
        return Err("min");
    }
    i64::try_from(*number)
        .ok()
        .filter(|number| *number <= max)
        .ok_or("max")
}

fn quantity(value: &Value<'_>) -> Result<Quantity, &'static str> {
    let max = i64::try_from(MAX).expect("2^53-1 fits");
    let units = integer(value, 1, max)?.unsigned_abs();
    Quantity::new(units).map_err(|_| "max")
}

#[cfg(test)]
mod tests;
