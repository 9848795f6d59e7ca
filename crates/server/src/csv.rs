//! Comma-separated values, read strictly and written plainly.
//!
//! The first line names the columns; each other line is a record with a value for every one of
//! them. A value with a comma, a quote or a line break stands in double quotes, a quote in it is
//! doubled (RFC 4180). An empty value is a missing one. Lines may end with CR LF or LF, and blank
//! ones are passed over. What has two meanings is refused: a record of another length, a quote in
//! the middle of a bare value, a quoted value that does not end. It never guesses a separator.

/// A table that was read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Table {
    /// The names of the columns, in order.
    pub(crate) columns: Vec<String>,
    /// The records, each with one value per column.
    pub(crate) records: Vec<Vec<String>>,
}

/// Where a text is no table: the number of the record, the first after the names being 0; nothing
/// if the names themselves are wrong.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Broken(pub(crate) Option<usize>);

/// Reads a table.
///
/// # Errors
/// [`Broken`] says which record is the first that does not fit.
pub(crate) fn read(text: &str) -> Result<Table, Broken> {
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut columns: Option<Vec<String>> = None;
    let mut records: Vec<Vec<String>> = Vec::new();
    while !rest.is_empty() {
        let at = columns.is_some().then_some(records.len());
        let (record, after) = record(rest).ok_or(Broken(at))?;
        rest = after;
        if record.len() == 1 && record[0].is_empty() {
            continue;
        }
        match &columns {
            None => columns = Some(named(record).ok_or(Broken(None))?),
            Some(columns) if columns.len() == record.len() => records.push(record),
            Some(_) => return Err(Broken(at)),
        }
    }
    let columns = columns.ok_or(Broken(None))?;
    Ok(Table { columns, records })
}

/// The names of columns: all there, each once.
fn named(record: Vec<String>) -> Option<Vec<String>> {
    let names: Vec<String> = record.iter().map(|name| name.trim().to_owned()).collect();
    let twice = |(at, name): (usize, &String)| names[..at].contains(name);
    let wrong = names.iter().any(String::is_empty) || names.iter().enumerate().any(twice);
    (!wrong).then_some(names)
}

/// One record, and what follows its line.
fn record(text: &str) -> Option<(Vec<String>, &str)> {
    let (mut values, mut rest) = (Vec::new(), text);
    loop {
        let (value, after) = if let Some(quoted) = rest.strip_prefix('"') {
            unquoted(quoted)?
        } else {
            let end = rest.find([',', '\n']).unwrap_or(rest.len());
            let (bare, after) = rest.split_at(end);
            let ends_line = !after.starts_with(',');
            let bare = if ends_line {
                bare.strip_suffix('\r').unwrap_or(bare)
            } else {
                bare
            };
            if bare.contains(['"', '\r']) {
                return None;
            }
            (bare.to_owned(), after)
        };
        values.push(value);
        if let Some(next) = after.strip_prefix(',') {
            rest = next;
            continue;
        }
        let after = after.strip_prefix('\r').unwrap_or(after);
        let ended = after.strip_prefix('\n');
        return match ended {
            Some(next) => Some((values, next)),
            None if after.is_empty() => Some((values, after)),
            None => None,
        };
    }
}

/// A quoted value from behind its first quote, and what follows its last one.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut rest = text;
    loop {
        let (part, after) = rest.split_once('"')?;
        value.push_str(part);
        match after.strip_prefix('"') {
            Some(next) => {
                value.push('"');
                rest = next;
            }
            None => return Some((value, after)),
        }
    }
}

/// A record as one line, without its end.
pub(crate) fn line<'a>(values: impl Iterator<Item = &'a str>) -> String {
    let quoted = |value: &str| {
        if value.contains([',', '"', '\n', '\r']) {
            format!("\"{}\"", value.replace('"', "\"\""))
        } else {
            value.to_owned()
        }
    };
    let values: Vec<String> = values.map(quoted).collect();
    values.join(",")
}

#[cfg(test)]
mod tests;
