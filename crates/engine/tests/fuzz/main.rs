//! Any bytes, for every reader of foreign text and for the judge.
//!
//! The targets are plain functions that `fuzz/` drives with libFuzzer; here seeds are mutated, so
//! many of each as `PROPTEST_CASES` says.

#[path = "../../../../fuzz/drive.rs"]
mod drive;
mod judge;
mod naive;
mod parsers;

#[test]
fn ids_are_taken_as_they_are_or_not_at_all() {
    drive::all("ids", parsers::ids);
}

#[test]
fn tokens_of_consistency_are_what_they_are_written_as() {
    drive::all("tokens", parsers::tokens);
}

#[test]
fn log_entries_are_of_a_known_format() {
    drive::all("entries", parsers::entries);
}

#[test]
fn filters_match_something_that_is_published() {
    drive::all("filters", parsers::filters);
}

#[test]
fn addresses_are_the_same_when_read_again() {
    drive::all("urls", parsers::urls);
}

#[test]
fn files_of_answers_are_read_to_their_end() {
    drive::all("acks", parsers::acks);
}

#[test]
fn anchors_are_read_as_they_were_written() {
    drive::all("anchors", parsers::anchors);
}

#[test]
fn the_judge_decides_as_the_naive_ledger_does() {
    drive::all("judge", judge::judge);
}

#[test]
fn a_naive_ledger_that_is_mistaken_is_seen() {
    use naive::Mistake::{FinalSoldOut, ForgottenKey, Grace, LastFirst, LongLife};
    for mistake in [Grace, LongLife, ForgottenKey, FinalSoldOut, LastFirst] {
        let ledger = || naive::Naive::mistaken(mistake);
        let run = || drive::all("judge", |bytes| judge::beside(ledger(), bytes));
        assert!(std::panic::catch_unwind(run).is_err(), "{mistake:?}");
    }
}
