//! What may become of the log's old part.

use super::*;
use crate::commit::KeepUp;
use crate::port::{SealRow, SegmentRow};

fn up(asked: KeepUp) -> Commit {
    ask(Command::Upkeep(Box::new(asked)))
}

fn segment(first: u64, last: u64) -> SegmentRow {
    SegmentRow {
        first,
        last,
        before: [0; 32],
        hash: [0; 32],
        index: [0; 32],
        bytes: 1,
    }
}

/// A world whose log has twelve rows, and those rows.
fn world() -> (World, Vec<LogRow>) {
    let mut world = World::stocked();
    let mut rows = Vec::new();
    while world.view.head.position < 12 {
        let settled = world.settle(&[ask(change("lamp", Change::Receive(units(1))))]);
        let writes = settled.writes.expect("it is accepted");
        rows.extend(writes.log.iter().cloned());
        world.keep(writes);
    }
    (world, rows)
}

fn is_fenced(world: &mut World, asked: KeepUp) -> bool {
    let settled = world.settle(&[up(asked)]);
    settled.writes.is_none() && matches!(settled.verdicts[..], [Verdict::Failed(Fault::Fenced)])
}

#[test]
fn the_floor_rises_only_over_a_segment_that_begins_at_it() {
    let (mut world, _) = world();
    for (first, last) in [(2, 5), (0, 5), (1, 12), (1, 0), (1, 13)] {
        let raise = KeepUp::Raise(segment(first, last));
        assert!(is_fenced(&mut world, raise), "{first} to {last}");
    }
    let settled = world.settle(&[up(KeepUp::Raise(segment(1, 5)))]);
    let writes = settled.writes.expect("it is accepted");
    assert_eq!((writes.head.floor, writes.head.position), (6, 12));
    assert_eq!(writes.upkeep.segments, [segment(1, 5)]);
    world.keep(writes);
    assert!(
        is_fenced(&mut world, KeepUp::Raise(segment(1, 5))),
        "another was quicker"
    );
}

#[test]
fn rows_leave_only_below_the_floor() {
    let (mut world, _) = world();
    world.view.head.floor = 6;
    for (first, last) in [(1, 6), (3, 2), (7, 8)] {
        let out = KeepUp::TakeOut { first, last };
        assert!(is_fenced(&mut world, out), "{first} to {last}");
    }
    let (first, last) = (1, 5);
    let settled = world.settle(&[up(KeepUp::TakeOut { first, last })]);
    let writes = settled.writes.expect("it is accepted");
    assert_eq!(writes.upkeep.taken_out, Some((1, 5)));
}

#[test]
fn rows_come_back_only_where_they_join_the_log() {
    let (mut world, rows) = world();
    let first = rows[0].position;
    let floor = first + 5;
    world.view.head.floor = floor;
    let back = |rows: &[LogRow]| KeepUp::BringBack {
        rows: rows.to_vec(),
        forget: None,
    };
    let mut edited = rows[..5].to_vec();
    edited[2].text.push(b' ');
    let gap = [&rows[..2], &rows[3..5]].concat();
    for wrong in [&rows[..4], &rows[..6], &[], &edited, &gap] {
        assert!(is_fenced(&mut world, back(wrong)));
    }
    let settled = world.settle(&[up(back(&rows[1..5]))]);
    let writes = settled.writes.expect("it is accepted");
    assert_eq!(writes.head.floor, first + 1);
}

#[test]
fn a_seal_is_of_the_log_that_there_is_and_one_change_is_made_a_batch() {
    let (mut world, _) = world();
    let seals = |position| KeepUp::Seal {
        seals: vec![SealRow {
            position,
            text: Vec::new(),
        }],
        forget: vec![1],
    };
    assert!(is_fenced(&mut world, seals(13)));
    let settled = world.settle(&[up(seals(12)), up(seals(11))]);
    let [Verdict::Told(_), Verdict::Failed(Fault::Fenced)] = &settled.verdicts[..] else {
        panic!("the second waits for another batch");
    };
    let writes = settled.writes.expect("the first is accepted");
    assert_eq!(writes.upkeep.seals[0].position, 12);
    assert_eq!(writes.upkeep.forget_seals, [1]);
}
