//! Standard output: raw JSON, or tables for people that fit a terminal of 100 columns.
//!
//! With `--json` exactly what the server answered is printed, one value, nothing else. Colours are
//! used on a terminal only and never when `NO_COLOR` is set. A reader that closes the pipe early
//! (`| head`) ends the command without a complaint.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, Width};
use indicatif::ProgressBar;

use super::failure::{Failure, Verdict};
use crate::columns::WIDTH;

/// Words are not wrapped into a narrower column than this.
const NARROWEST: u16 = 14;

/// Prints bytes as they are.
pub(crate) fn raw(bytes: &[u8]) -> Result<Verdict, Failure> {
    let mut out = std::io::stdout().lock();
    let written = out.write_all(bytes).and_then(|()| out.flush());
    match written {
        Ok(()) => Ok(Verdict::True),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(Verdict::True),
        Err(error) => Err(Failure::Refused(format!("standard output: {error}"))),
    }
}

/// Prints text and ends the line.
pub(crate) fn line(text: &str) -> Result<Verdict, Failure> {
    raw(format!("{}\n", text.trim_end()).as_bytes())
}

/// A column of a table: its title, and whether it holds numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Column {
    /// Words, to the left; the first to be wrapped where it gets narrow.
    Text(&'static str),
    /// An id, a word or a time that is never wrapped.
    Word(&'static str),
    /// Numbers, to the right.
    Number(&'static str),
}

impl Column {
    const fn title(self) -> &'static str {
        match self {
            Self::Text(title) | Self::Word(title) | Self::Number(title) => title,
        }
    }

    /// The narrowest that it may be made, of the cells in its place.
    fn narrowest(self, rows: &[Vec<String>], at: usize) -> u16 {
        let cells = rows.iter().filter_map(|row| row.get(at));
        let longest = cells.map(|cell| cell.chars().count()).max();
        let longest = longest.unwrap_or(0).max(self.title().len());
        u16::try_from(longest).map_or(NARROWEST, |longest| longest.min(NARROWEST))
    }
}

/// A table without borders, at most [`WIDTH`] columns wide unless its ids alone are wider; long
/// cells wrap.
pub(crate) fn table(columns: &[Column], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(u16::try_from(WIDTH).unwrap_or(u16::MAX));
    table.set_header(columns.iter().map(|column| column.title().to_uppercase()));
    let numbered = columns.iter().enumerate();
    let narrowest: Vec<u16> = numbered
        .map(|(at, column)| column.narrowest(&rows, at))
        .collect();
    table.add_rows(rows);
    let shown = table.column_iter_mut().zip(narrowest);
    for (column, (shown, narrowest)) in columns.iter().zip(shown) {
        shown.set_padding((0, 2));
        match column {
            Column::Text(_) => {
                let narrowest = Width::Fixed(narrowest + 2);
                shown.set_constraint(ColumnConstraint::LowerBoundary(narrowest));
            }
            Column::Word(_) => {
                shown.set_constraint(ColumnConstraint::ContentWidth);
            }
            Column::Number(_) => {
                shown.set_constraint(ColumnConstraint::ContentWidth);
                shown.set_cell_alignment(CellAlignment::Right);
            }
        }
    }
    let lines: Vec<String> = table
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect();
    lines.join("\n")
}

/// A word that stands out on a terminal and is plain text elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// All is well.
    Good,
    /// Look here.
    Bad,
    /// Neither.
    Faint,
}

/// The word in its tone's colour, if standard output is a terminal that wants colours.
pub(crate) fn toned(word: &str, tone: Tone) -> String {
    let wanted = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let code = match tone {
        Tone::Good => 32,
        Tone::Bad => 31,
        Tone::Faint => 2,
    };
    if wanted {
        format!("\u{1b}[{code}m{word}\u{1b}[0m")
    } else {
        word.to_owned()
    }
}

/// A sign of work of unknown length on standard error, if a person is watching.
pub(crate) fn busy() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner();
    bar.set_message("working");
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

/// A bar on standard error for work whose length becomes known, if a person is watching.
pub(crate) fn progress() -> ProgressBar {
    if std::io::stderr().is_terminal() {
        ProgressBar::new(0)
    } else {
        ProgressBar::hidden()
    }
}
