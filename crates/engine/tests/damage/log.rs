//! Damage to the log and its head.

use super::site::{Named, Site, findings, look, look_with, named, planted, sites};
use evenkeel_engine::chain::{link, origin};
use evenkeel_engine::commit::Key;
use evenkeel_engine::port::LogRow;
use evenkeel_engine::verify::{Inputs, Invariant, Kind, Outcome};

/// The head of the usual history.
const HEAD: u64 = 19;

fn chained(kind: Kind, position: u64) -> Vec<Named> {
    vec![named(Invariant::I16, kind, &format!("log {position}"))]
}

pub(crate) fn at(position: u64) -> usize {
    usize::try_from(position).expect("small") - 1
}

/// Changes a row's text, which keeps its length and stays JSON.
pub(crate) fn reword(row: &mut LogRow, from: &str, to: &str) {
    let text = String::from_utf8(row.text.clone()).expect("text");
    assert!(text.contains(from), "{from} is not in {text}");
    row.text = text.replacen(from, to, 1).into_bytes();
}

/// Hashes all rows anew, from one on, and the head.
fn rehash(site: &mut dyn Site, log: &mut [LogRow], first_hash: [u8; 32]) {
    let mut previous = first_hash;
    for row in log.iter_mut() {
        row.hash = link(&previous, &row.text);
        previous = row.hash;
    }
    site.set_head(log.last().expect("a row").position, previous);
}

/// Hashes all rows from `from` on anew, as who wants to hide a change must.
pub(crate) fn forge(site: &mut dyn Site, mut log: Vec<LogRow>, from: u64) {
    let before = log[at(from) - 1].hash;
    rehash(site, &mut log[at(from)..], before);
    site.set_log(log);
}

/// A row that no commit wrote, in place of what would stand there.
fn made_up(log: &[LogRow], position: u64, linked: bool) -> LogRow {
    let mut row = log[at(6)].clone();
    row.position = position;
    reword(
        &mut row,
        "\"position\":6,",
        &format!("\"position\":{position},"),
    );
    if linked {
        row.hash = link(&log[at(position) - 1].hash, &row.text);
    }
    row
}

/// Puts a made-up row in and moves the others up.
fn insert(log: &mut Vec<LogRow>, position: u64, linked: bool) {
    let row = made_up(log, position, linked);
    log.iter_mut()
        .skip(at(position))
        .for_each(|row| row.position += 1);
    log.insert(at(position), row);
}

#[tokio::test]
async fn an_edited_text_is_named() {
    // The first, one whose hold goes on, one that ended it, one by hand, the sweep's, the last.
    for (position, from, to) in [
        (1, "\"Lamp\"", "\"Lump\""),
        (6, "\"quantity\":2", "\"quantity\":3"),
        (8, "\"confirmed\":1", "\"confirmed\":0"),
        (12, "\"quantity\":1", "\"quantity\":2"),
        (15, "\"actor\":\"t-1", "\"actor\":\"t-9"),
        (HEAD, "\"confirmed\":2", "\"confirmed\":1"),
    ] {
        planted(|site| {
            let mut log = site.log();
            reword(&mut log[at(position)], from, to);
            site.set_log(log);
            chained(Kind::EntryEdited, position)
        })
        .await;
    }
}

#[tokio::test]
async fn a_text_that_is_no_json_any_more_is_named() {
    for position in [1, 8, HEAD] {
        planted(|site| {
            let mut log = site.log();
            log[at(position)].text = b"nothing".to_vec();
            site.set_log(log);
            chained(Kind::EntryEdited, position)
        })
        .await;
    }
}

#[tokio::test]
async fn an_edited_hash_is_named() {
    for position in [1, 8, 18, HEAD] {
        planted(|site| {
            let mut log = site.log();
            log[at(position)].hash[5] ^= 1;
            site.set_log(log);
            chained(Kind::EntryEdited, position)
        })
        .await;
    }
}

#[tokio::test]
async fn an_edited_hash_leaves_everything_else_checkable() {
    for mut site in sites().await {
        let mut log = site.log();
        log[at(8)].hash[5] ^= 1;
        site.set_log(log);
        let report = look(&*site).await;
        assert_eq!(report.check(Invariant::I8).result, Outcome::Held);
        assert_eq!(report.check(Invariant::I16).result, Outcome::Violated);
    }
}

#[tokio::test]
async fn a_text_edited_together_with_its_hash_is_named() {
    for (position, from, to) in [
        (6, "\"quantity\":2", "\"quantity\":3"),
        (8, "\"confirmed\":1", "\"confirmed\":0"),
        (13, "Better", "Bitter"),
        (HEAD, "\"confirmed\":2", "\"confirmed\":1"),
    ] {
        planted(|site| {
            let mut log = site.log();
            let before = log[at(position) - 1].hash;
            let row = &mut log[at(position)];
            reword(row, from, to);
            row.hash = link(&before, &row.text);
            site.set_log(log);
            chained(Kind::EntryEdited, position)
        })
        .await;
    }
}

#[tokio::test]
async fn two_edited_texts_are_two_findings() {
    for (first, second) in [(8, 9), (6, 15)] {
        planted(|site| {
            let mut log = site.log();
            for position in [first, second] {
                reword(&mut log[at(position)], "\"actor\":\"", "\"actor\":\"x");
            }
            site.set_log(log);
            [
                chained(Kind::EntryEdited, first),
                chained(Kind::EntryEdited, second),
            ]
            .concat()
        })
        .await;
    }
}

#[tokio::test]
async fn a_row_inserted_between_others_is_named() {
    for position in [2, 8, HEAD] {
        for (linked, head_moved) in [(true, false), (false, false), (true, true), (false, true)] {
            planted(|site| {
                let mut log = site.log();
                insert(&mut log, position, linked);
                site.set_log(log);
                let (head, hash, _) = site.head();
                site.set_head(head + u64::from(head_moved), hash);
                chained(Kind::EntryInserted, position)
            })
            .await;
        }
    }
}

#[tokio::test]
async fn a_row_beyond_the_head_is_named() {
    for linked in [true, false] {
        planted(|site| {
            let mut log = site.log();
            let row = made_up(&log, HEAD + 1, linked);
            log.push(row);
            site.set_log(log);
            chained(Kind::EntryInserted, HEAD + 1)
        })
        .await;
    }
    planted(|site| {
        let mut log = site.log();
        let mut copy = log[at(HEAD)].clone();
        copy.position += 1;
        log.push(copy);
        site.set_log(log);
        chained(Kind::EntryInserted, HEAD + 1)
    })
    .await;
    planted(|site| {
        let mut log = site.log();
        let mut far = log[at(HEAD)].clone();
        far.position += 7;
        log.push(far);
        site.set_log(log);
        chained(Kind::EntryInserted, HEAD + 7)
    })
    .await;
}

#[tokio::test]
async fn a_row_before_the_first_is_named() {
    planted(|site| {
        let mut log = site.log();
        let mut row = log[0].clone();
        row.position = 0;
        log.insert(0, row);
        site.set_log(log);
        chained(Kind::EntryInserted, 0)
    })
    .await;
}

#[tokio::test]
async fn a_removed_row_is_named() {
    for position in 1..HEAD {
        planted(|site| {
            let mut log = site.log();
            log.remove(at(position));
            site.set_log(log);
            chained(Kind::EntryRemoved, position)
        })
        .await;
    }
}

#[tokio::test]
async fn removed_rows_beside_each_other_are_one_finding() {
    planted(|site| {
        let mut log = site.log();
        log.drain(at(6)..at(10));
        site.set_log(log);
        chained(Kind::EntryRemoved, 6)
    })
    .await;
}

#[tokio::test]
async fn a_removed_row_whose_gap_was_closed_is_named() {
    for position in [1, 8, 18] {
        for head_moved in [false, true] {
            planted(|site| {
                let mut log = site.log();
                log.remove(at(position));
                log.iter_mut()
                    .skip(at(position))
                    .for_each(|row| row.position -= 1);
                site.set_log(log);
                let (head, hash, _) = site.head();
                site.set_head(head - u64::from(head_moved), hash);
                chained(Kind::EntryRemoved, position)
            })
            .await;
        }
    }
}

#[tokio::test]
async fn a_cut_tail_is_named() {
    for left in [HEAD - 1, 12, 5, 0] {
        planted(|site| {
            let mut log = site.log();
            log.truncate(usize::try_from(left).expect("small"));
            site.set_log(log);
            chained(Kind::TailCut, left + 1)
        })
        .await;
    }
}

#[tokio::test]
async fn a_tail_cut_together_with_its_head_is_told_by_the_state_rows() {
    for left in [HEAD - 1, 15, 12] {
        planted(|site| {
            let mut log = site.log();
            log.truncate(usize::try_from(left).expect("small"));
            site.set_head(left, log[at(left)].hash);
            site.set_log(log);
            chained(Kind::TailCut, left + 1)
        })
        .await;
    }
}

#[tokio::test]
async fn a_wholly_rewound_store_is_told_by_an_anchor_only() {
    let site = super::site::Memory::new();
    let mut shop = super::shop::Shop::new(&site.0);
    shop.open().await;
    let earlier = site.0.tables();
    shop.run("late", super::shop::receive("desk", 1)).await;
    let late = site.head();
    site.0.edit(|tables| *tables = earlier);

    let report = look(&site).await;
    assert!(report.ok);
    let note = report
        .check(Invariant::I16)
        .note
        .clone()
        .unwrap_or_default();
    assert!(note.contains("would not be seen"), "{note}");
    let inputs = Inputs {
        anchors: vec![(late.0, late.1)],
        ..Inputs::default()
    };
    let report = look_with(&site, inputs).await;
    assert_eq!(findings(&report), chained(Kind::TailCut, HEAD + 1));
}

#[tokio::test]
async fn a_log_rewritten_from_some_row_on_is_told_by_an_anchor() {
    for mut site in sites().await {
        let log = site.log();
        let anchors = || {
            vec![
                (5, log[at(5)].hash),
                (12, log[at(12)].hash),
                (15, log[at(15)].hash),
            ]
        };
        let inputs = Inputs {
            anchors: anchors(),
            ..Inputs::default()
        };
        let whole = look_with(&*site, inputs).await;
        assert!(whole.ok);
        let note = whole.check(Invariant::I16).note.clone().unwrap_or_default();
        assert!(note.contains("the last anchor is at 15"), "{note}");

        let mut forged = log.clone();
        reword(&mut forged[at(8)], "\"actor\":\"t-1", "\"actor\":\"t-9");
        forge(&mut *site, forged, 8);
        let inputs = Inputs {
            anchors: anchors(),
            ..Inputs::default()
        };
        let report = look_with(&*site, inputs).await;
        assert_eq!(findings(&report), chained(Kind::EntryEdited, 12));
    }
}

#[tokio::test]
async fn a_row_inserted_into_a_rehashed_log_is_named() {
    planted(|site| {
        let mut log = site.log();
        insert(&mut log, 8, true);
        forge(site, log, 8);
        chained(Kind::EntryInserted, 8)
    })
    .await;
}

#[tokio::test]
async fn a_row_removed_from_a_rehashed_log_is_named() {
    planted(|site| {
        let mut log = site.log();
        log.remove(at(8));
        log.iter_mut().skip(at(8)).for_each(|row| row.position -= 1);
        forge(site, log, 8);
        chained(Kind::EntryRemoved, 8)
    })
    .await;
}

#[tokio::test]
async fn a_rehashed_row_that_cannot_be_read_is_named() {
    planted(|site| {
        let mut log = site.log();
        log[at(8)].text = b"{}".to_vec();
        forge(site, log, 8);
        chained(Kind::EntryEdited, 8)
    })
    .await;
}

#[tokio::test]
async fn a_head_with_another_hash_is_named() {
    planted(|site| {
        let (head, mut hash, _) = site.head();
        hash[0] ^= 1;
        site.set_head(head, hash);
        vec![named(Invariant::I16, Kind::StateEdited, "head main")]
    })
    .await;
}

#[tokio::test]
async fn a_skipped_version_is_named() {
    // A hold's second and last event, a SKU's, a stock's and a token's; chain and head forged.
    for (position, subject) in [
        (8, "hold h-1"),
        (10, "hold h-2"),
        (11, "hold h-3"),
        (13, "sku lamp"),
        (12, "sku lamp"),
        (17, "token t-2"),
    ] {
        planted(|site| {
            let mut log = site.log();
            reword(&mut log[at(position)], "\"version\":2", "\"version\":3");
            forge(site, log, position);
            vec![named(Invariant::I7, Kind::VersionGap, subject)]
        })
        .await;
    }
}

#[tokio::test]
async fn a_key_that_took_effect_twice_is_named() {
    planted(|site| {
        let hex = |key: &str| evenkeel_engine::chain::hex(&Key::new(None, key, &[]).name);
        let (first, second) = (hex("put-1"), hex("put-3"));
        let mut log = site.log();
        reword(&mut log[at(13)], &second, &first);
        forge(site, log, 13);
        let subject = format!("key {first}");
        vec![named(Invariant::I6, Kind::EffectTwice, &subject)]
    })
    .await;
}

#[tokio::test]
async fn a_version_skipped_in_log_and_state_row_is_named_once() {
    planted(|site| {
        let mut log = site.log();
        reword(&mut log[at(8)], "\"version\":2", "\"version\":3");
        forge(site, log, 8);
        let mut row = site.hold(6);
        row.version = 3;
        site.set_hold(6, Some(row));
        vec![named(Invariant::I7, Kind::VersionGap, "hold h-1")]
    })
    .await;
}

#[tokio::test]
async fn a_pointer_to_the_wrong_event_is_named() {
    planted(|site| {
        let mut log = site.log();
        reword(&mut log[at(8)], "\"previous\":6", "\"previous\":5");
        forge(site, log, 8);
        vec![named(Invariant::I7, Kind::IllegalTransition, "hold h-1")]
    })
    .await;
}

#[tokio::test]
async fn hash_zero_is_of_the_log_and_its_salt() {
    let site = super::site::Memory::new();
    super::shop::Shop::new(&site.0).open().await;
    let first = &site.log()[0];
    assert_eq!(first.hash, link(&origin("main", &[3; 16]), &first.text));
}
