//! What a store's format means for whoever judges.

use super::*;
use evenkeel_rules::event::FORMAT;

#[test]
fn a_node_that_knows_less_than_the_store_judges_nothing() {
    let mut world = World::stocked();
    world.view.head.format = FORMAT + 1;
    let settled = world.settle(&[ask(place("h-2", &[("lamp", 1)]))]);
    assert!(settled.writes.is_none());
    assert!(matches!(
        settled.verdicts[..],
        [Verdict::Failed(Fault::Corrupt(_))]
    ));
}

#[test]
fn rows_are_written_in_the_stores_format_also_by_a_build_that_knows_more() {
    let mut world = World::stocked();
    for format in [FORMAT - 1, FORMAT] {
        world.view.head.format = format;
        let id = format!("h-{}", format + 2);
        let settled = world.settle(&[ask(place(&id, &[("lamp", 1)]))]);
        let writes = settled.writes.expect("it is accepted");
        let entry = Entry::read(&writes.log[0].text).expect("it is readable");
        assert_eq!((entry.format, writes.head.format), (format, format));
        world.keep(writes);
    }
}

fn lives(world: &mut World, format: u32) {
    let leases = &world.view.head.leases;
    let ttl = Millis(5_000);
    let joins = leases.renew(("a", format), None, (world.clock, ttl));
    world.view.head.leases = joins.expect("joining is never refused").0;
}

#[test]
fn the_format_is_raised_once_no_node_is_alive_that_knows_less() {
    let mut world = World::stocked();
    world.view.head.format = FORMAT - 1;
    lives(&mut world, FORMAT - 1);
    let settled = world.settle(&[ask(Command::RaiseFormat)]);
    assert!(settled.writes.is_none());
    assert!(matches!(
        settled.verdicts[..],
        [Verdict::Failed(Fault::Fenced)]
    ));
    let position = world.view.head.position;
    let mut world = world.after(5_000);
    world.run(&[ask(Command::RaiseFormat)]);
    let head = &world.view.head;
    assert_eq!((head.format, head.position), (FORMAT, position));
    let again = world.settle(&[ask(Command::RaiseFormat)]);
    assert!(again.writes.is_none(), "it is raised already");
}

#[test]
fn what_the_newest_nodes_know_holds_nobody_up() {
    let mut world = World::stocked();
    world.view.head.format = FORMAT - 1;
    lives(&mut world, FORMAT);
    world.run(&[ask(Command::RaiseFormat)]);
    assert_eq!(world.view.head.format, FORMAT);
}
