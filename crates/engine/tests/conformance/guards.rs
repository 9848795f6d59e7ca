//! The store's own guards, and what a locked view says.

use super::world::{START, Shop, ask, hold, keyed, place, put, receive, release, sku, token};
use super::{Fixture, audit};
use evenkeel_engine::commit::{Command, Commit, hold_name};
use evenkeel_engine::ledger::Ledger;
use evenkeel_engine::port::{Fault, Rows, Store, Touch, Writes};
use evenkeel_engine::settle::{Context, settle};
use evenkeel_rules::ids::LocationId;
use evenkeel_rules::time::Millis;
use evenkeel_rules::token::Role;

fn commit(command: Command) -> Commit {
    let request = keyed(&format!("{command:?}"), command);
    Commit {
        command: request.command,
        key: request.key,
        actor: request.actor,
        owner: None,
        expected: None,
        touch: Touch::default(),
    }
}

/// A token that exists, and everything that the commands below want.
fn touch(commits: &[Commit]) -> Touch {
    let lamp = (sku("lamp"), LocationId::main());
    Touch {
        keys: commits.iter().filter_map(|it| Some(it.key?.name)).collect(),
        holds: vec![hold("h-1"), hold("h-2")],
        tokens: vec![token("t-1"), token("t-2")],
        rows: Rows {
            skus: vec![sku("lamp"), sku("chair")],
            balances: vec![lamp, (sku("chair"), LocationId::main())],
        },
        ..Touch::default()
    }
}

fn make_token(id: &str) -> Command {
    Command::CreateToken {
        id: token(id),
        role: Role::Shop,
        customer: None,
        secret: [u8::try_from(id.len()).expect("short"); 32],
    }
}

/// What a batch of one of each command would write now.
async fn writes(store: &dyn Store) -> Writes {
    let commands = [
        put("chair"),
        receive("lamp", 1),
        release("h-1"),
        place("h-2", &[("lamp", 1)]),
        Command::RevokeToken { id: token("t-1") },
        place("h-1", &[("lamp", 1)]),
    ];
    let commits: Vec<Commit> = commands.into_iter().map(commit).collect();
    let (locked, view) = store.lock(&touch(&commits)).await.expect("lockable");
    drop(locked);
    let context = Context {
        clock: START,
        batch: [9; 16],
        max_life: Millis(3_600_000),
        warn: Millis(0),
        allocation: &[],
    };
    let commits: Vec<&Commit> = commits.iter().collect();
    let settled = settle(&mut Ledger::default(), view, &commits, context);
    settled.writes.expect("there is something to write")
}

async fn finish(store: &dyn Store, writes: &Writes) -> Result<(), Fault> {
    let (locked, _) = store.lock(&Touch::default()).await.expect("lockable");
    locked.finish(writes).await
}

type Wrong = (&'static str, fn(&mut Writes));

/// Each belt of the store: a value that is not the one that stands.
fn wrongs() -> Vec<Wrong> {
    vec![
        ("position", |it| it.was -= 1),
        ("hold version", |it| it.holds[0].was = Some(7)),
        ("hold that exists", |it| it.holds[0].was = None),
        ("hold that does not exist", |it| it.holds[1].was = Some(1)),
        ("SKU version", |it| it.skus[1].was = Some((1, 7))),
        ("SKU's stock version", |it| it.skus[1].was = Some((7, 1))),
        ("SKU that exists", |it| it.skus[1].was = None),
        ("SKU that does not exist", |it| {
            it.skus[0].was = Some((1, 0))
        }),
        ("balances", |it| {
            let was = it.balances[0].was.as_mut().expect("it stands");
            let mut raw = was.raw();
            raw[1] += 1;
            *was = evenkeel_rules::stock::Balances::from_raw(raw);
        }),
        ("balances that exist", |it| it.balances[0].was = None),
        ("token version", |it| it.tokens[0].was = Some(7)),
        ("token that exists", |it| it.tokens[0].was = None),
        ("name that is taken", |it| {
            it.names[0].name = hold_name(&hold("h-1"));
        }),
    ]
}

pub(crate) async fn a_finish_that_contradicts_the_rows_is_corrupt_and_writes_nothing<F: Fixture>() {
    let fixture = F::empty().await;
    let shop = Shop::with_lamps(&fixture, 5).await;
    shop.ok(ask(place("h-1", &[("lamp", 1)]))).await;
    shop.ok(ask(make_token("t-1"))).await;
    let store: &dyn Store = &*shop.store;
    let right = writes(store).await;
    assert_eq!((right.skus.len(), right.holds.len()), (2, 2));
    assert_eq!((right.balances.len(), right.tokens.len()), (1, 1));
    let before = store.head().await.expect("readable");
    let known = store.may_know(&right.names[0].name);
    assert!(!known, "a name that nobody used");
    for (what, make_wrong) in wrongs() {
        let mut wrong = right.clone();
        make_wrong(&mut wrong);
        let told = finish(store, &wrong).await;
        assert!(matches!(told, Err(Fault::Corrupt(_))), "{what}: {told:?}");
        assert_eq!(store.head().await.expect("readable"), before, "{what}");
        audit::whole(store).await;
        let names: Vec<_> = right.names.iter().map(|write| write.name).collect();
        let rows = store.names(&names).await.expect("readable").rows;
        assert!(rows.iter().all(Option::is_none), "{what} left a name");
    }
    finish(store, &right).await.expect("it fits");
    shop.close().await;
}

pub(crate) async fn a_view_has_each_row_that_was_asked_for_or_says_absent<F: Fixture>() {
    let fixture = F::empty().await;
    let shop = Shop::with_lamps(&fixture, 5).await;
    let request = keyed("k-1", place("h-1", &[("lamp", 2)]));
    let key = request.key.expect("it has a key");
    let row = shop.hold(request).await;
    shop.ok(ask(make_token("t-1"))).await;
    let mut wants = touch(&[]);
    wants.keys = vec![key.name, [7; 16], key.name];
    let (locked, view) = shop.store.lock(&wants).await.expect("lockable");
    drop(locked);
    assert_eq!(view.head, shop.engine.head().await.expect("readable"));
    assert_eq!(view.keys.len(), 2);
    assert_eq!(view.keys[&[7; 16]], None);
    let known = view.keys[&key.name].as_ref().expect("it was used");
    assert_eq!(known.fingerprint, key.fingerprint);
    assert_eq!(view.holds[&hold("h-1")], Some(row));
    assert_eq!(view.holds[&hold("h-2")], None);
    assert!(view.tokens[&token("t-1")].is_some() && view.tokens[&token("t-2")].is_none());
    assert!(view.skus[&sku("lamp")].is_some() && view.skus[&sku("chair")].is_none());
    let at = |id| (sku(id), LocationId::main());
    let lamps = view.balances[&at("lamp")].expect("it has units");
    assert_eq!(lamps.raw(), [-5, 3, 2, 0, 0, 0, 0]);
    assert_eq!(view.balances[&at("chair")], None);
    assert_eq!(view.front, None, "nobody asked for it");
    shop.close().await;
}

pub(crate) async fn rows_of_a_true_cache_are_not_read_and_of_a_false_one_are<F: Fixture>() {
    let fixture = F::empty().await;
    let shop = Shop::with_lamps(&fixture, 5).await;
    let cached = Rows {
        skus: vec![sku("lamp")],
        balances: vec![(sku("lamp"), LocationId::main())],
    };
    let now = shop.engine.head().await.expect("readable").stamp();
    shop.ok(ask(place("h-1", &[("lamp", 1)]))).await;
    let later = shop.engine.head().await.expect("readable").stamp();
    for (exact_at, read) in [(None, true), (now, true), (later, false)] {
        let wants = Touch {
            cached: cached.clone(),
            exact_at,
            ..Touch::default()
        };
        let (locked, view) = shop.store.lock(&wants).await.expect("lockable");
        drop(locked);
        assert_eq!(view.confirms(exact_at), !read, "{exact_at:?}");
        let seen = (view.skus.len(), view.balances.len());
        assert_eq!(seen, if read { (1, 1) } else { (0, 0) }, "{exact_at:?}");
    }
    shop.close().await;
}
