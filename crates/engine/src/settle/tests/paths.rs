//! Every way in which the judge answers.

use super::*;
use evenkeel_rules::idempotency;

#[test]
fn every_command_is_accepted_with_just_its_writes() {
    // What a command writes: log rows, names, holds, SKUs, balances, tokens, timers.
    let table = [
        (put("sofa"), [1, 0, 0, 1, 0, 0, 0]),
        (
            change("lamp", Change::Receive(units(3))),
            [1, 0, 0, 1, 1, 0, 0],
        ),
        (
            change("lamp", Change::Find(units(1))),
            [1, 0, 0, 1, 1, 0, 0],
        ),
        (
            change("lamp", Change::WriteOff(units(1))),
            [1, 0, 0, 1, 1, 0, 0],
        ),
        (
            place("h-2", &[("lamp", 1), ("chair", 1)]),
            [1, 1, 1, 0, 2, 0, 1],
        ),
        (confirm("h-1"), [1, 0, 1, 0, 1, 0, 0]),
        (release("h-1"), [1, 0, 1, 0, 1, 0, 0]),
        (extend("h-1"), [1, 0, 1, 0, 0, 0, 1]),
        (make_token("t-2"), [1, 0, 0, 0, 0, 1, 0]),
        (revoke("t-1"), [1, 0, 0, 0, 0, 1, 0]),
    ];
    for (command, expected) in table {
        let mut world = World::stocked();
        let position = world.view.head.position;
        let settled = world.settle(&[ask(command.clone())]);
        assert_eq!(
            accepted(&settled.verdicts[0]).0,
            position + 1,
            "{command:?}"
        );
        let writes = settled.writes.expect("it changes something");
        let counts = [
            writes.log.len(),
            writes.names.len(),
            writes.holds.len(),
            writes.skus.len(),
            writes.balances.len(),
            writes.tokens.len(),
            writes.timers.len(),
        ];
        assert_eq!(counts, expected, "{command:?}");
        assert_eq!((writes.was, writes.head.position), (position, position + 1));
        let keyed = World::stocked().settle(&[keyed("k-1", command.clone())]);
        let names = keyed.writes.expect("it changes something").names.len();
        assert_eq!(names, expected[1] + 1, "a key is one name: {command:?}");
    }
}

#[test]
fn an_overdue_hold_expires_and_a_live_one_does_not() {
    let mut world = World::stocked();
    let early = world.settle(&[ask(expire("h-1"))]);
    assert_eq!(refused(&early.verdicts[0]), hold::Rejection::NotDue.into());
    assert!(early.writes.is_none());
    let mut world = world.after(60_000);
    let verdicts = world.run(&[ask(expire("h-1")), ask(expire("h-1")), ask(expire("h-4"))]);
    accepted(&verdicts[0]);
    let ended_at = world.clock;
    assert_eq!(
        refused(&verdicts[1]),
        hold::Rejection::Expired { ended_at }.into()
    );
    assert_eq!(refused(&verdicts[2]), hold::Rejection::NotFound.into());
    assert_eq!(
        world.view.balances[&at("lamp")]
            .expect("it stands")
            .available(),
        5
    );
}

#[test]
fn what_changes_nothing_writes_nothing() {
    let mut world = World::stocked();
    world.run(&[ask(confirm("h-1")), ask(place("h-2", &[("chair", 1)]))]);
    world.run(&[ask(release("h-2")), ask(revoke("t-1"))]);
    let before = world.view.head.clone();
    for command in [put("lamp"), confirm("h-1"), release("h-2"), revoke("t-1")] {
        let settled = world.settle(&[keyed("k-1", command.clone())]);
        let told = outcome(&settled.verdicts[0]);
        let unchanged =
            matches!(told, Outcome::Unchanged { position, .. } if *position == before.position);
        assert!(unchanged, "{command:?}: {told:?}");
        assert!(settled.writes.is_none(), "{command:?}");
    }
}

#[test]
fn momentary_refusals_write_nothing_and_final_ones_their_key() {
    let mut world = World::stocked();
    world.run(&[ask(place("h-2", &[("chair", 1)])), ask(release("h-2"))]);
    let ended_at = world.clock;
    let table: [(Command, Rejection); 9] = [
        (
            place("h-3", &[("sofa", 1)]),
            hold::Rejection::SkuUnknown { sku: sku("sofa") }.into(),
        ),
        (place("h-3", &[("lamp", 4)]), sold_out("lamp")),
        (confirm("h-3"), hold::Rejection::NotFound.into()),
        (
            change("sofa", Change::Find(units(1))),
            stock::Rejection::SkuUnknown.into(),
        ),
        (
            change("lamp", Change::WriteOff(units(4))),
            stock::Rejection::Insufficient.into(),
        ),
        (revoke("t-2"), token::Rejection::NotFound.into()),
        (
            place("h-1", &[("lamp", 1)]),
            hold::Rejection::AlreadyExists.into(),
        ),
        (
            confirm("h-2"),
            hold::Rejection::Released { ended_at }.into(),
        ),
        (extend("h-2"), hold::Rejection::Released { ended_at }.into()),
    ];
    for (command, expected) in table {
        let head = world.view.head.clone();
        let settled = world.settle(&[keyed("k-1", command.clone())]);
        assert_eq!(refused(&settled.verdicts[0]), expected, "{command:?}");
        if !expected.is_final() {
            assert!(settled.writes.is_none(), "{command:?}");
            continue;
        }
        let writes = settled.writes.expect("a final refusal is kept");
        assert_eq!(writes.refusals.len(), 1, "{command:?}");
        assert_eq!(writes.refusals[0].number, head.refusals + 1);
        assert_eq!(writes.head.position, head.position, "it takes no position");
        assert_eq!(writes.head.hash, head.hash);
        assert_eq!(writes.head.batches.len(), head.batches.len() + 1);
        assert!(writes.log.is_empty() && writes.names.is_empty() && writes.holds.is_empty());
        let settled = world.settle(&[ask(command.clone())]);
        assert!(
            settled.writes.is_none(),
            "nothing to replay without a key: {command:?}"
        );
    }
}

#[test]
fn the_key_is_looked_at_before_anything_else() {
    let mut world = World::stocked();
    let first = keyed("k-1", place("h-2", &[("lamp", 3)]));
    let (position, _) = {
        let verdicts = world.run(std::slice::from_ref(&first));
        let (position, effect) = accepted(&verdicts[0]);
        (position, effect.clone())
    };
    let no = keyed("k-2", place("h-1", &[("lamp", 1)]));
    world.run(std::slice::from_ref(&no));
    // Nothing is available, the id is in use: the answer is still the first one.
    let other = keyed("k-1", place("h-3", &[("lamp", 9)]));
    let settled = world.settle(&[first, other, no]);
    assert!(settled.writes.is_none());
    let told: Vec<&Outcome> = settled.verdicts.iter().map(outcome).collect();
    assert!(matches!(told[0], Outcome::Replay { position: same } if *same == position));
    let reused = idempotency::Rejection::KeyReused;
    assert_eq!(refused(&settled.verdicts[1]), reused.into());
    let already: Rejection = hold::Rejection::AlreadyExists.into();
    assert!(matches!(told[2], Outcome::ReplayRefused(said) if *said == already));
}

#[test]
fn an_id_that_is_taken_is_said_before_units_that_are_short() {
    let mut world = World::stocked();
    let verdicts = world.run(&[
        ask(place("h-1", &[("lamp", 900)])),
        ask(place("h-2", &[("lamp", 3)])),
        ask(place("h-2", &[("lamp", 1)])),
        ask(place("h-3", &[("lamp", 1)])),
    ]);
    let already: Rejection = hold::Rejection::AlreadyExists.into();
    assert_eq!(refused(&verdicts[0]), already);
    accepted(&verdicts[1]);
    assert_eq!(refused(&verdicts[2]), already, "taken by the commit before");
    assert_eq!(refused(&verdicts[3]), sold_out("lamp"));
}

#[test]
fn a_place_of_many_lines_moves_all_of_them_in_one_row() {
    let mut world = World::stocked();
    let settled = world.settle(&[
        ask(place("h-2", &[("lamp", 1), ("chair", 1)])),
        ask(place("h-3", &[("lamp", 1), ("chair", 1)])),
        ask(place("h-4", &[("lamp", 2)])),
    ]);
    accepted(&settled.verdicts[0]);
    assert_eq!(refused(&settled.verdicts[1]), sold_out("chair"));
    accepted(&settled.verdicts[2]);
    let writes = settled.writes.expect("two were accepted");
    assert_eq!(writes.log.len(), 2);
    let entry = Entry::read(&writes.log[0].text).expect("it is readable");
    assert_eq!((entry.events.len(), entry.moves.len()), (1, 2));
    // One row per place, from what stands in the store to what the whole batch leaves.
    let lamp = writes
        .balances
        .iter()
        .find(|write| write.place == at("lamp"));
    let lamp = lamp.expect("it moved");
    assert_eq!(lamp.was.expect("it stood").available(), 3);
    assert_eq!(lamp.now.available(), 0);
    assert_eq!(writes.balances.len(), 2);
}

#[test]
fn a_hold_that_changes_twice_in_a_batch_is_one_row() {
    let mut world = World::stocked();
    let batch = [
        ask(place("h-2", &[("lamp", 1)])),
        ask(extend("h-2")),
        ask(extend("h-1")),
        ask(confirm("h-2")),
        ask(release("h-1")),
    ];
    let settled = world.settle(&batch);
    let writes = settled.writes.expect("all were accepted");
    assert_eq!(writes.log.len(), 5);
    let rows: Vec<_> = writes
        .holds
        .iter()
        .map(|it| {
            (
                it.row.hold.id.as_str(),
                it.was,
                it.row.version,
                it.row.hold.state,
            )
        })
        .collect();
    let expected = [
        ("h-2", None, 3, State::Confirmed),
        ("h-1", Some(1), 3, State::Released),
    ];
    assert_eq!(rows, expected);
    let names = writes
        .names
        .iter()
        .filter(|it| it.name == hold_name(&hold_id("h-2")));
    assert_eq!(names.count(), 1, "an id is named once");
    let entry = Entry::read(&writes.log[3].text).expect("it is readable");
    let event = &entry.events[0];
    assert_eq!((event.version, event.previous), (3, writes.was + 2));
    for write in &writes.holds {
        let body: hold::Hold = serde_json::from_slice(&write.body).expect("it is JSON");
        assert_eq!(body, write.row.hold, "the body is the row's");
    }
}

#[test]
fn balances_that_contradict_a_hold_are_corrupt_and_their_neighbours_are_not() {
    let mut world = World::stocked();
    let edited = Balances::from_raw([-5, 5, 0, 0, 0, 0, 0]);
    world.view.balances.insert(at("lamp"), Some(edited));
    for command in [confirm("h-1"), release("h-1")] {
        let mut view = world.full_view(&[]);
        view.front = None;
        let batch = [ask(command.clone()), ask(place("h-2", &[("chair", 1)]))];
        world.ledger.clear();
        let settled = world.judge(view, &batch);
        let failed = &settled.verdicts[0];
        assert!(
            matches!(failed, Verdict::Failed(Fault::Corrupt(_))),
            "{failed:?}"
        );
        accepted(&settled.verdicts[1]);
        let writes = settled.writes.expect("the neighbour is written");
        assert_eq!(
            (writes.log.len(), writes.balances.len()),
            (1, 1),
            "{command:?}"
        );
    }
    // So is a pull that would free what is not held, and a made token id that is in use.
    let mut world = world.after(60_000);
    let batch = [ask(place("h-2", &[("lamp", 6)])), ask(make_token("t-1"))];
    for verdict in world.settle(&batch).verdicts {
        assert!(
            matches!(verdict, Verdict::Failed(Fault::Corrupt(_))),
            "{verdict:?}"
        );
    }
}

#[test]
fn an_overdue_hold_that_is_named_twice_is_pulled_once() {
    let mut world = World::stocked().after(60_000);
    for (count, fits) in [(7, false), (6, false), (5, true)] {
        let mut view = world.full_view(&[]);
        let front = view.front.as_mut().expect("it was asked for");
        front.extend(front.clone());
        assert_eq!(front.len(), 2);
        let settled = world.judge(view, &[ask(place("h-2", &[("lamp", count)]))]);
        assert_eq!(settled.writes.is_some(), fits, "{count} of 5");
        if !fits {
            assert_eq!(refused(&settled.verdicts[0]), sold_out("lamp"));
        }
    }
}

#[test]
fn a_hold_that_was_pulled_is_no_other_commits_any_more() {
    let mut world = World::stocked().after(60_000);
    let batch = [
        ask(place("h-2", &[("lamp", 5)])),
        ask(place("h-3", &[("lamp", 1)])),
        ask(confirm("h-1")),
        ask(expire("h-1")),
    ];
    let verdicts = world.run(&batch);
    accepted(&verdicts[0]);
    assert_eq!(refused(&verdicts[1]), sold_out("lamp"));
    let ended_at = world.clock;
    let expired: Rejection = hold::Rejection::Expired { ended_at }.into();
    assert_eq!(refused(&verdicts[2]), expired);
    assert_eq!(refused(&verdicts[3]), expired);
}

#[test]
fn a_search_is_told_to_the_gate_only_where_nothing_is_overdue() {
    let mut world = World::stocked();
    let no = world.settle(&[ask(place("h-2", &[("lamp", 4), ("chair", 1)]))]);
    assert_eq!(refused(&no.verdicts[0]), sold_out("lamp"));
    assert_eq!(no.news.searched, [at("lamp"), at("chair")]);
    assert!(no.news.available.contains(&(at("lamp"), 3)));
    let mut world = world.after(60_000);
    let no = world.settle(&[ask(place("h-2", &[("lamp", 9), ("chair", 1)]))]);
    assert_eq!(refused(&no.verdicts[0]), sold_out("lamp"));
    assert_eq!(
        no.news.searched,
        [at("chair")],
        "two lamps could still be pulled"
    );
}

#[test]
fn log_time_is_the_later_of_clock_and_head() {
    let mut world = World::stocked();
    let before = world.view.head.time;
    assert_eq!(before, NOW);
    world.clock = LogTime::from_micros(NOW.micros() - 4_000_000);
    let settled = world.settle(&[ask(place("h-2", &[("lamp", 1)]))]);
    let (_, effect) = accepted(&settled.verdicts[0]);
    let Effect::Hold(row) = effect else {
        panic!("a place leaves a hold");
    };
    assert_eq!(
        (row.hold.placed_at, row.hold.deadline),
        (before, before.plus(Millis(60_000)))
    );
    assert_eq!(settled.writes.expect("it is written").head.time, before);
}

#[test]
fn the_head_remembers_the_last_64_batches() {
    let mut world = World::stocked();
    for number in 0..70 {
        let stamp = world.view.head.stamp();
        world.run(&[ask(change("lamp", Change::Find(units(number + 1))))]);
        assert_ne!(world.view.head.stamp(), stamp);
        assert_eq!(world.ledger.exact_at(), world.view.head.stamp());
    }
    assert_eq!(world.view.head.batches.len(), BATCHES_KEPT);
    assert_eq!(world.view.head.batches.back(), Some(&[world.batches; 16]));
}

#[test]
fn the_chain_goes_on_from_row_to_row_within_a_batch() {
    let mut world = World::stocked();
    let before = world.view.head.hash;
    let batch = [
        ask(place("h-2", &[("lamp", 1)])),
        ask(confirm("h-9")),
        ask(release("h-1")),
    ];
    let mut view = world.full_view(&batch);
    view.holds.insert(hold_id("h-9"), None);
    let writes = world.judge(view, &batch).writes.expect("two were accepted");
    let first = link(&before, &writes.log[0].text);
    let second = link(&first, &writes.log[1].text);
    assert_eq!((writes.log[0].hash, writes.log[1].hash), (first, second));
    assert_eq!(writes.head.hash, second);
    let positions: Vec<u64> = writes.log.iter().map(|row| row.position).collect();
    assert_eq!(
        positions,
        [writes.was + 1, writes.was + 2],
        "a refusal takes none"
    );
}
