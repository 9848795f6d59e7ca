//! What becomes of a log whose store was restored from a backup.

use super::*;
use crate::lineage::Ended;

#[test]
fn a_restored_log_has_another_name_and_nothing_else_is_changed() {
    let mut world = World::stocked();
    let before = world.view.head.clone();
    world.run(&[ask(Command::Restored)]);
    let first = world.view.head.clone();
    let seconds = u32::try_from(NOW.micros() / 1_000_000).expect("a moment of these years");
    assert_eq!(first.incarnation, seconds.max(2));
    let ended = |incarnation| Ended {
        incarnation,
        last: before.position,
    };
    assert_eq!(first.ended, [ended(1)]);
    assert_eq!((first.position, first.hash), (before.position, before.hash));
    // The same backup again, within the same second.
    world.run(&[ask(Command::Restored)]);
    let second = &world.view.head;
    assert_eq!(second.incarnation, first.incarnation + 1);
    assert_eq!(second.ended, [ended(1), ended(first.incarnation)]);
    world.run(&[keyed("k-1", place("h-2", &[("lamp", 1)]))]);
    assert_eq!(world.view.head.position, before.position + 1);
}

#[test]
fn no_lease_of_a_future_that_was_lost_is_given_again() {
    let mut world = World::stocked();
    let ttl = Millis(5_000);
    let joins = |leases: &evenkeel_rules::lease::Leases, clock| {
        let joined = leases.renew(("a", 1), None, (clock, ttl));
        joined.expect("joining is never refused")
    };
    let (leases, joined) = joins(&world.view.head.leases, world.clock);
    world.view.head.leases = leases.clone();
    // In the future that was lost it joined again and again.
    let mut lost = leases;
    for _ in 0..1_000 {
        lost = joins(&lost, world.clock).0;
    }
    world.run(&[ask(Command::Restored)]);
    let beat = Command::Beat {
        node: "a".to_owned(),
        joined: Some(joined),
        ttl,
    };
    let settled = world.settle(&[ask(beat)]);
    assert!(matches!(
        settled.verdicts[..],
        [Verdict::Failed(Fault::Fenced)]
    ));
    let (leases, _) = joins(&world.view.head.leases, world.clock);
    assert!(leases.live.iter().all(|lease| lease.token > lost.last));
}
