//! A row that is not in the view is not absent, and the cache is believed only while it is exact.

use super::*;
use crate::port::{FRONT_MAX, FRONT_NEAR};

/// Hides one kind of row from a view.
type Hide = fn(&mut View);

fn widened(verdict: &Verdict) -> &Touch {
    match verdict {
        Verdict::Widen(touch) => touch,
        other => panic!("not widened: {other:?}"),
    }
}

#[test]
fn every_row_that_nobody_asked_for_widens_and_never_refuses() {
    let hide_hold: Hide = |view| view.holds.clear();
    let hide_skus: Hide = |view| view.skus.clear();
    let hide_balances: Hide = |view| view.balances.clear();
    let hide_tokens: Hide = |view| view.tokens.clear();
    let hide_keys: Hide = |view| view.keys.clear();
    let found = Change::Find(units(1));
    let table = [
        ("key", keyed("k-1", put("lamp")), hide_keys),
        ("put's SKU", ask(put("lamp")), hide_skus),
        (
            "change's SKU",
            ask(change("lamp", found.clone())),
            hide_skus,
        ),
        (
            "change's balances",
            ask(change("lamp", found)),
            hide_balances,
        ),
        ("place's id", ask(place("h-2", &[("lamp", 1)])), hide_hold),
        ("place's SKU", ask(place("h-2", &[("lamp", 1)])), hide_skus),
        (
            "place's balances",
            ask(place("h-2", &[("lamp", 1)])),
            hide_balances,
        ),
        ("confirm's hold", ask(confirm("h-1")), hide_hold),
        ("confirm's balances", ask(confirm("h-1")), hide_balances),
        ("release's hold", ask(release("h-1")), hide_hold),
        ("release's balances", ask(release("h-1")), hide_balances),
        ("extend's hold", ask(extend("h-1")), hide_hold),
        ("expire's hold", ask(expire("h-1")), hide_hold),
        ("token's id", ask(make_token("t-2")), hide_tokens),
        ("revoked token", ask(revoke("t-1")), hide_tokens),
    ];
    for (what, commit, hide) in table {
        let mut world = World::stocked();
        let mut view = world.full_view(std::slice::from_ref(&commit));
        hide(&mut view);
        view.front = Some(Vec::new());
        world.ledger.clear();
        let settled = world.judge(view, std::slice::from_ref(&commit));
        let touch = widened(&settled.verdicts[0]);
        assert_ne!(*touch, Touch::default(), "{what}");
        assert!(settled.writes.is_none(), "{what}");
        // With what it asked for it is judged, and not widened again.
        let mut view = World::stocked().full_view(std::slice::from_ref(&commit));
        let all = std::mem::replace(&mut view, View::new(world.view.head.clone()));
        show(&mut view, &all, touch);
        show(&mut view, &all, &asked_by(&commit));
        let settled = world.judge(view, std::slice::from_ref(&commit));
        assert!(matches!(settled.verdicts[0], Verdict::Told(_)), "{what}");
    }
}

/// What every caller asks for: the key, and nothing else here.
fn asked_by(commit: &Commit) -> Touch {
    Touch {
        keys: commit.key.iter().map(|key| key.name).collect(),
        ..Touch::default()
    }
}

/// Copies what a touch names from one view to another.
fn show(view: &mut View, all: &View, touch: &Touch) {
    for name in &touch.keys {
        view.keys.insert(*name, all.keys[name].clone());
    }
    for id in &touch.holds {
        view.holds.insert(id.clone(), all.holds[id].clone());
        // A hold's lines are learnt from its row, so its balances come with the next widening.
        for line in all.holds[id].iter().flat_map(|row| &row.hold.lines) {
            let place = (line.sku.clone(), line.location.clone());
            view.balances.insert(place.clone(), all.balances[&place]);
        }
    }
    for id in &touch.tokens {
        view.tokens.insert(id.clone(), all.tokens[id].clone());
    }
    for id in &touch.rows.skus {
        view.skus.insert(id.clone(), all.skus[id].clone());
    }
    for place in &touch.rows.balances {
        view.balances.insert(place.clone(), all.balances[place]);
    }
}

#[test]
fn a_widened_commit_asks_for_everything_that_its_command_wants() {
    let mut world = World::stocked();
    let view = View::new(world.view.head.clone());
    world.ledger.clear();
    let lines = [("lamp", 1), ("chair", 1), ("sofa", 1)];
    let settled = world.judge(view, &[ask(place("h-2", &lines)), ask(confirm("h-1"))]);
    let place = widened(&settled.verdicts[0]);
    assert!(place.holds.contains(&hold_id("h-2")));
    assert_eq!(place.rows.skus, [sku("lamp"), sku("chair"), sku("sofa")]);
    assert_eq!(place.rows.balances, [at("lamp"), at("chair"), at("sofa")]);
    assert!(
        widened(&settled.verdicts[1])
            .holds
            .contains(&hold_id("h-1"))
    );
}

#[test]
fn too_few_units_are_no_reason_to_refuse_before_the_front_was_searched() {
    let mut world = World::stocked().after(1_000);
    let batch = [
        ask(place("h-2", &[("lamp", 4)])),
        ask(place("h-3", &[("lamp", 3)])),
    ];
    let mut view = world.full_view(&batch);
    view.front = None;
    let settled = world.judge(view, &batch);
    assert_eq!(widened(&settled.verdicts[0]).front, Some(world.clock));
    accepted(&settled.verdicts[1]);
    let verdicts = world.run(&batch[..1]);
    assert_eq!(
        refused(&verdicts[0]),
        sold_out("lamp"),
        "the front is empty"
    );
    let verdicts = world.after(60_000).run(&batch[..1]);
    accepted(&verdicts[0]);
}

#[test]
fn a_pull_asks_for_all_places_of_the_holds_that_it_ends() {
    let mut world = World::stocked();
    world.run(&[ask(place_for("h-2", &[("lamp", 3), ("chair", 1)], 1_000))]);
    let mut world = world.after(1_000);
    let batch = [ask(place("h-3", &[("lamp", 3)]))];
    let mut view = world.full_view(&batch);
    view.balances.remove(&at("chair"));
    world.ledger.clear();
    let settled = world.judge(view, &batch);
    assert!(
        widened(&settled.verdicts[0])
            .rows
            .balances
            .contains(&at("chair"))
    );
    assert!(settled.writes.is_none());
    accepted(&world.run(&batch)[0]);
    assert_eq!(
        world.view.balances[&at("chair")]
            .expect("it stands")
            .available(),
        1
    );
}

#[test]
fn rows_of_an_exact_ledger_need_not_be_read_and_of_another_must() {
    let mut world = World::stocked();
    let batch = [ask(place("h-2", &[("lamp", 1)]))];
    for exact in [true, false] {
        let mut view = world.full_view(&batch);
        (view.skus, view.balances) = (Map::default(), Map::default());
        if !exact {
            // Another node wrote in between.
            view.head.batches.push_back([200; 16]);
            view.head.position += 1;
        }
        assert_eq!(view.confirms(world.ledger.exact_at()), exact);
        let settled = world.judge(view, &batch);
        let told = matches!(settled.verdicts[0], Verdict::Told(Outcome::Accepted { .. }));
        assert_eq!(told, exact);
        if !exact {
            widened(&settled.verdicts[0]);
        }
        // What was judged here was not committed.
        world.ledger.clear();
        world.run(&[ask(put("lamp"))]);
    }
}

#[test]
fn a_full_front_is_searched_from_the_oldest_on() {
    let mut world = World::stocked();
    world.run(&[ask(change("lamp", Change::Receive(units(5_000))))]);
    let commits: Vec<Commit> = (0..FRONT_MAX + 4)
        .map(|number| ask(place_for(&format!("f-{number}"), &[("lamp", 1)], 1_000)))
        .collect();
    for part in commits.chunks(512) {
        let mut view = world.full_view(part);
        for commit in part {
            if let Command::Place(place) = &commit.command {
                view.holds.insert(place.id.clone(), None);
            }
        }
        let settled = world.judge(view, part);
        world.keep(settled.writes.expect("all are accepted"));
    }
    let mut world = world.after(1_000);
    let left = world.view.balances[&at("lamp")]
        .expect("it stands")
        .available();
    let mut view = world.full_view(&[]);
    view.front
        .as_mut()
        .expect("it was asked for")
        .truncate(FRONT_MAX);
    let settled = world.judge(view, &[ask(place("h-2", &[("lamp", left + 64)]))]);
    accepted(&settled.verdicts[0]);
    let writes = settled.writes.expect("it is written");
    let entry = Entry::read(&writes.log[0].text).expect("it is readable");
    assert_eq!(entry.events.len(), hold::PULL_MAX + 1);
    assert_eq!(entry.events[0].stream, "hold:f-0");
}

#[test]
fn a_place_whom_the_first_of_the_front_do_not_help_asks_for_all_of_it() {
    let mut world = World::stocked();
    world.run(&[ask(change("lamp", Change::Receive(units(1_000))))]);
    let due: Vec<Commit> = (0..FRONT_NEAR)
        .map(|number| ask(place_for(&format!("f-{number}"), &[("lamp", 1)], 1_000)))
        .collect();
    let mut view = world.full_view(&due);
    for commit in &due {
        if let Command::Place(place) = &commit.command {
            view.holds.insert(place.id.clone(), None);
        }
    }
    let settled = world.judge(view, &due);
    world.keep(settled.writes.expect("all are accepted"));
    let mut world = world.after(1_000);
    let mut wanted = ask(place("h-2", &[("lamp", 100_000)]));
    let view = world.full_view(&[]);
    assert_eq!(view.front.as_ref().map(Vec::len), Some(FRONT_NEAR));
    let settled = world.judge(view.clone(), std::slice::from_ref(&wanted));
    let Verdict::Widen(touch) = &settled.verdicts[0] else {
        panic!("there may be more: {:?}", settled.verdicts)
    };
    assert!(touch.whole_front && touch.front.is_some());
    wanted.touch.widen((**touch).clone());
    let settled = world.judge(view, &[wanted]);
    assert!(
        matches!(settled.verdicts[0], Verdict::Told(Outcome::Refused { .. })),
        "there is no more: {:?}",
        settled.verdicts
    );
}
