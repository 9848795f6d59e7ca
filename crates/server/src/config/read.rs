//! Reads what was written: the TOML file with the line of every key, and the environment.
//!
//! It turns text into (key, value, place) and judges names only; values are judged by their key.
//! Nothing is skipped in silence: a section, a key or a variable that is not in the table is a
//! mistake, because a misspelt key that does nothing is the costliest kind.

use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys::{self, KEYS, Kind, Value};
use super::mistake::{nearest_key, nearest_section};
use super::{Given, Mistake, Origin};

/// Reads the file's keys in the order of the file.
pub(super) fn file(path: &Path, given: &mut Vec<Given>, mistakes: &mut Vec<Mistake>) {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            mistakes.push(Mistake::at(
                path.display(),
                format!("cannot be read: {error}"),
            ));
            return;
        }
    };
    text_of(path, &text, given, mistakes);
}

/// Reads the keys of a file's text.
pub(super) fn text_of(
    path: &Path,
    text: &str,
    given: &mut Vec<Given>,
    mistakes: &mut Vec<Mistake>,
) {
    let source = Source { path, text };
    match DeTable::parse(text) {
        Ok(table) => source.sections(table.get_ref(), given, mistakes),
        Err(error) => {
            let line = source.line(&error.span().unwrap_or_default());
            mistakes.push(source.mistake(line, error.message()));
        }
    }
}

struct Source<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Source<'_> {
    fn line(&self, span: &Range<usize>) -> usize {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        before.matches('\n').count() + 1
    }

    fn mistake(&self, line: usize, what: impl Into<String>) -> Mistake {
        Mistake::at(format!("{}:{line}", self.path.display()), what)
    }

    fn sections(&self, table: &DeTable<'_>, given: &mut Vec<Given>, mistakes: &mut Vec<Mistake>) {
        for (name, value) in table {
            let line = self.line(&name.span());
            let section = name.get_ref().as_ref();
            let prefix = format!("{section}.");
            let known = KEYS.iter().any(|key| key.path.starts_with(&prefix));
            match value.get_ref() {
                DeValue::Table(keys) if known => self.keys(section, keys, given, mistakes),
                DeValue::Table(_) => mistakes.push(self.mistake(line, unknown_section(section))),
                _ if known => {
                    mistakes.push(self.mistake(line, format!("{section} must be a section")));
                }
                _ => mistakes.push(self.mistake(line, unknown_key(section))),
            }
        }
    }

    fn keys(
        &self,
        section: &str,
        table: &DeTable<'_>,
        given: &mut Vec<Given>,
        mistakes: &mut Vec<Mistake>,
    ) {
        for (name, value) in table {
            let line = self.line(&name.span());
            let path = format!("{section}.{}", name.get_ref());
            match keys::find(&path) {
                Some(key) => given.push(Given {
                    key: key.path,
                    value: from_toml(value),
                    origin: Origin::File {
                        path: self.path.to_owned(),
                        line,
                    },
                }),
                None => mistakes.push(self.mistake(line, unknown_key(&path))),
            }
        }
    }
}

fn from_toml(value: &Spanned<DeValue<'_>>) -> Value {
    match value.get_ref() {
        DeValue::String(text) => Value::Text(text.clone().into_owned()),
        DeValue::Integer(number) => {
            let parsed = i64::from_str_radix(number.as_str(), number.radix());
            parsed.map_or(Value::Other("an integer beyond 64 bits"), Value::Integer)
        }
        DeValue::Float(_) => Value::Other("a float"),
        DeValue::Boolean(_) => Value::Other("a boolean"),
        DeValue::Datetime(_) => Value::Other("a date"),
        DeValue::Array(items) => {
            let text = |item: &Spanned<DeValue<'_>>| match item.get_ref() {
                DeValue::String(text) => Some(text.clone().into_owned()),
                _ => None,
            };
            let texts: Option<Vec<_>> = items.iter().map(text).collect();
            texts.map_or(Value::Other("an array of other things"), Value::List)
        }
        DeValue::Table(_) => Value::Other("a table"),
    }
}

/// A list in a variable, which is TOML.
fn list(text: &str) -> Value {
    let line = format!("list = {text}");
    let table = DeTable::parse(&line).ok();
    let value = table.as_ref().and_then(|table| table.get_ref().get("list"));
    value.map_or(Value::Other("a broken list"), from_toml)
}

fn unknown_section(name: &str) -> String {
    format!(
        "unknown section {name}; did you mean {}?",
        nearest_section(name)
    )
}

fn unknown_key(path: &str) -> String {
    format!("unknown key {path}; did you mean {}?", nearest_key(path))
}

/// Reads the variables that name a key; those without a double underscore are not configuration
/// (`EVENKEEL_URL` and `EVENKEEL_TOKEN` tell a command which server to speak to).
pub(super) fn variables(
    variables: impl Iterator<Item = (String, String)>,
    given: &mut Vec<Given>,
    mistakes: &mut Vec<Mistake>,
) {
    let mut ours: Vec<(String, String)> = variables
        .filter(|(name, _)| name.starts_with("EVENKEEL_") && name.contains("__"))
        .collect();
    ours.sort();
    for (name, text) in ours {
        let Some(key) = KEYS.iter().find(|key| key.variable() == name) else {
            let path = name["EVENKEEL_".len()..].replace("__", ".").to_lowercase();
            let near = keys::find(nearest_key(&path)).expect("the nearest key is in the table");
            let what = format!("unknown variable; did you mean {}?", near.variable());
            mistakes.push(Mistake::at(name, what));
            continue;
        };
        let value = match (key.kind, text.trim().parse()) {
            (Kind::Integer, Ok(number)) => Value::Integer(number),
            (Kind::List, _) if text.trim_start().starts_with('[') => list(&text),
            (Kind::Integer | Kind::Text | Kind::List, _) => Value::Text(text),
        };
        given.push(Given {
            key: key.path,
            value,
            origin: Origin::Variable(name),
        });
    }
}
