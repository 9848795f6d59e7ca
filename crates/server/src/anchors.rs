//! `DIR/anchors`: what was known of the log's chain, a line `position hash` each.
//!
//! A line is added at each start of `serve` and by each green `verify`; `verify` compares the log
//! with all of them. So a tail that is cut together with its head row, or a log that is written
//! anew as a whole, is found out by whoever keeps a copy of this file elsewhere. Lines are only
//! ever added, each in one write, so that a server and a command may both do it.
//!
//! A line `ended INCARNATION LAST` stands where a backup was restored: what was anchored behind
//! that position is of a future that this log does not have.
//!
//! It is no part of the store: without it nothing is lost but that one proof.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use evenkeel_engine::chain::{Hash, hex};
use evenkeel_engine::port::Head;
use evenkeel_engine::verify::{Report, ended_line, read_anchors};

const FILE: &str = "anchors";

/// The anchors of one data directory.
#[derive(Clone, Debug)]
pub(crate) struct Anchors {
    /// Nothing for a store without a directory.
    path: Option<PathBuf>,
}

impl Anchors {
    /// Those of a data directory.
    pub(crate) fn of(directory: &Path) -> Self {
        let path = Some(directory.join(FILE));
        Self { path }
    }

    /// Those of a store in memory: none.
    #[cfg(test)]
    pub(crate) fn none() -> Self {
        Self { path: None }
    }

    /// Every anchor of the file, none if there is no file.
    ///
    /// # Errors
    /// The file cannot be read, or which line of it is no anchor.
    pub(crate) fn read(&self) -> Result<Vec<(u64, Hash)>, String> {
        let Some(path) = &self.path else {
            return Ok(Vec::new());
        };
        let told = |what: &dyn std::fmt::Display| format!("{}: {what}", path.display());
        match std::fs::read_to_string(path) {
            Ok(text) => read_anchors(&text).map_err(|what| told(&what)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(told(&error)),
        }
    }

    /// Adds the position that a green report was made at; a report that is not green adds nothing.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn add_green(&self, report: &Report) -> std::io::Result<()> {
        report.anchor().map_or(Ok(()), |line| self.add(&line))
    }

    /// Adds, once each, where the log's earlier incarnations ended: a backup was restored there,
    /// and what was anchored behind it is of the future that was lost.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn follow(&self, head: &Head) -> std::io::Result<()> {
        let known = self.text();
        for line in head.ended.iter().map(ended_line) {
            if !known.lines().any(|known| known.trim() == line.trim()) {
                self.add(&line)?;
            }
        }
        Ok(())
    }

    /// Adds where the log stands at a start; an empty log has nothing to anchor.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn add_start(&self, position: u64, hash: &Hash) -> std::io::Result<()> {
        if position == 0 {
            return Ok(());
        }
        self.add(&format!("{position} {}\n", hex(hash)))
    }

    fn text(&self) -> String {
        let text = self.path.as_ref().map(std::fs::read_to_string);
        text.and_then(Result::ok).unwrap_or_default()
    }

    fn add(&self, line: &str) -> std::io::Result<()> {
        let Some(path) = &self.path else {
            return Ok(());
        };
        let known = self.text();
        let (_, last) = known.trim_end().rsplit_once('\n').unwrap_or(("", &known));
        if last.trim_end() == line.trim_end() {
            return Ok(());
        }
        let mut file = OpenOptions::new().append(true).create(true).open(path)?;
        // A line that a killed process left half written is taken away.
        let whole = known.rfind('\n').map_or(0, |end| end + 1);
        if whole < known.len() {
            file.set_len(whole as u64)?;
        }
        file.write_all(line.as_bytes())?;
        file.sync_data()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use evenkeel_engine::lineage::Ended;
    use evenkeel_engine::store::memory::MemoryStore;

    #[test]
    fn lines_are_added_once_and_read_back() {
        let directory = tempfile::tempdir().expect("a scratch directory");
        let anchors = Anchors::of(directory.path());
        assert_eq!(anchors.read(), Ok(Vec::new()), "there is no file yet");
        anchors.add_start(0, &[1; 32]).expect("nothing is written");
        assert!(
            !directory.path().join(FILE).exists(),
            "an empty log has no anchor"
        );
        anchors.add_start(3, &[1; 32]).expect("it is written");
        anchors
            .add_start(3, &[1; 32])
            .expect("it stands there already");
        anchors.add_start(9, &[2; 32]).expect("it is written");
        let both = vec![(3, [1; 32]), (9, [2; 32])];
        assert_eq!(anchors.read(), Ok(both.clone()));

        let path = directory.path().join(FILE);
        let text = std::fs::read_to_string(&path).expect("it is there");
        std::fs::write(&path, text + "12 0303").expect("half a line is left");
        assert_eq!(anchors.read(), Ok(both.clone()));
        anchors.add_start(20, &[4; 32]).expect("it is written");
        let three = [both, vec![(20, [4; 32])]].concat();
        assert_eq!(anchors.read(), Ok(three.clone()));

        // A power cut left a line of which a sector was not written.
        let text = std::fs::read_to_string(&path).expect("it is there");
        std::fs::write(&path, text + "\0\0\0\x00303\n").expect("half a line is left");
        assert_eq!(anchors.read(), Ok(three.clone()));
        anchors.add_start(21, &[5; 32]).expect("it is written");
        assert_eq!(anchors.read(), Ok([three, vec![(21, [5; 32])]].concat()));
    }

    #[test]
    fn what_was_anchored_in_a_future_that_was_lost_is_passed_over() {
        let directory = tempfile::tempdir().expect("a scratch directory");
        let anchors = Anchors::of(directory.path());
        for (position, hash) in [(3, [1; 32]), (9, [2; 32]), (12, [3; 32])] {
            anchors.add_start(position, &hash).expect("it is written");
        }
        let store = MemoryStore::new("main", [5; 16]);
        let mut head = store.tables().head.clone();
        anchors.follow(&head).expect("there is nothing to be said");
        assert_eq!(anchors.read().map(|all| all.len()), Ok(3));
        head.ended = vec![Ended {
            incarnation: 1,
            last: 9,
        }];
        anchors.follow(&head).expect("it is written");
        anchors.add_start(13, &[4; 32]).expect("it is written");
        let there = [(3, [1; 32]), (9, [2; 32]), (13, [4; 32])].to_vec();
        assert_eq!(anchors.read(), Ok(there.clone()));
        anchors.follow(&head).expect("it stands there already");
        assert_eq!(anchors.read(), Ok(there));
    }

    #[test]
    fn a_line_that_is_none_is_named() {
        let directory = tempfile::tempdir().expect("a scratch directory");
        std::fs::write(directory.path().join(FILE), "3 abc\n").expect("it is written");
        let said = Anchors::of(directory.path())
            .read()
            .expect_err("it is no anchor");
        assert!(said.contains("line 1"), "{said}");
    }
}
