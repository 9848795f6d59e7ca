//! Subscriptions: damaged rows, checkpoints and parked streams, and what a wrong judge would write
//! of them. The last test has the list of damages by which each finding about them is told.

use super::log::{at, forge, reword};
use super::shop::{START, Shop, put, receive};
use super::site::{History, Named, Site, look, named, plant_in};
use evenkeel_engine::chain::Entry;
use evenkeel_engine::commit::{Command, Step, Subscribing};
use evenkeel_engine::port::{Store, SubscriptionRow};
use evenkeel_engine::verify::{Invariant, Kind, Outcome};
use evenkeel_rules::ids::SubscriptionId;
use evenkeel_rules::lease::shard_of;
use evenkeel_rules::subscription::{Act, Ask, Filter, Progress, State, Waiting};
use evenkeel_rules::time::{LogTime, Millis};

/// Where `shop` is made, its two streams are parked and its secret is rotated.
const MADE: u64 = 3;
const PARKED: [u64; 2] = [6, 8];
const ROTATED: u64 = 9;
/// Where `gone` is made and ended.
const BEGUN: u64 = 11;
const ENDED: u64 = 12;
const HEAD: u64 = ENDED;
/// How far `shop` has come.
const CHECKPOINT: u64 = 5;

fn id(text: &str) -> SubscriptionId {
    SubscriptionId::new(text).expect("a well-formed id")
}

fn create(name: &str, types: &[&str], url: Option<&str>) -> Command {
    let filters = types.iter().map(|types| Filter::new(types));
    let ask = Box::new(Ask {
        id: id(name),
        url: url.map(str::to_owned),
        types: filters.map(|one| one.expect("it matches")).collect(),
        from: url.map(|_| 1),
    });
    let secret = url.map_or("", |_| "whsec_Zmlyc3Q=").to_owned();
    Command::Subscription(Subscribing::Create { ask, secret })
}

fn act(name: &str, act: Act, private: &str) -> Command {
    Command::Subscription(Subscribing::Change {
        id: id(name),
        act,
        private: private.to_owned(),
        lease: None,
    })
}

/// What the relay may write under for `shop`.
async fn lease(store: &dyn Store) -> Option<u64> {
    let head = store.head().await.expect("readable");
    head.leases.owner(shard_of(MADE)).map(|lease| lease.token)
}

async fn park(shop: &mut Shop<'_>, stream: &str, from: u64) {
    let change = Subscribing::Change {
        id: id("shop"),
        act: Act::Park {
            stream: stream.to_owned(),
            from,
            index: 0,
            cause: "422".to_owned(),
            tries: 1,
        },
        private: String::new(),
        lease: lease(shop.store).await,
    };
    shop.run("", Command::Subscription(change)).await;
}

async fn advance(shop: &mut Shop<'_>, to: u64) {
    let row = shop.store.subscription(&id("shop")).await;
    let row = row.expect("readable").rows.expect("it exists");
    let step = Step {
        seen: row.version,
        from: row.progress.checkpoint,
        next: Progress {
            checkpoint: to,
            ..row.progress
        },
        effect: None,
    };
    let advance = Subscribing::Advance {
        id: id("shop"),
        step: Box::new(step),
        lease: lease(shop.store).await,
    };
    shop.run("", Command::Subscription(advance)).await;
}

async fn join(shop: &mut Shop<'_>, node: &str) {
    let beat = Command::Beat {
        node: node.to_owned(),
        joined: None,
        ttl: Millis(60_000),
    };
    shop.run("", beat).await;
}

/// One with a stream that is caught up and one that waits, one that is read in process and paused,
/// one that was ended; relayed by one node, and then beside another.
pub(crate) async fn history(store: &dyn Store) {
    let mut shop = Shop::new(store);
    let url = Some("https://shop.example/events");
    shop.run("", put("lamp", "Lamp")).await;
    shop.run("", receive("lamp", 10)).await;
    shop.run("k-1", create("shop", &["stock.*", "sku.*"], url))
        .await;
    shop.run("k-2", create("books", &["order.*"], None)).await;
    join(&mut shop, "node-a").await;
    advance(&mut shop, 2).await;
    shop.run("", receive("lamp", 1)).await;
    park(&mut shop, "stock:lamp", 5).await;
    join(&mut shop, "node-b").await;
    let parked = PARKED[0];
    shop.run("", act("shop", Act::Retry { parked }, "")).await;
    park(&mut shop, "sku:lamp", 1).await;
    shop.run("", act("shop", Act::Rotate, "whsec_bmV4dA=="))
        .await;
    shop.run("", act("books", Act::Pause, "")).await;
    shop.run("", create("gone", &["*"], url)).await;
    shop.run("", act("gone", Act::Delete, "")).await;
    advance(&mut shop, CHECKPOINT).await;
    let head = store.head().await.expect("readable");
    assert_eq!(head.position, HEAD);
}

fn subject(name: &str) -> String {
    format!("subscription {name}")
}

fn state(name: &str) -> Named {
    named(Invariant::I15, Kind::StateEdited, &subject(name))
}

fn told(kind: Kind) -> Named {
    named(Invariant::I9, kind, &subject("shop"))
}

fn broken(kind: Kind, name: &str) -> Named {
    named(Invariant::I7, kind, &subject(name))
}

fn edit(site: &mut dyn Site, edit: impl Fn(&mut SubscriptionRow)) {
    site.edit_subscription("shop", &|mut row| {
        edit(&mut row);
        Some(row)
    });
}

/// Plants each of these in a row of its own, and demands that it is named so, and nothing else.
async fn edits(edits: &[fn(&mut SubscriptionRow)], expected: &[Named]) {
    for each in edits {
        plant_in(History::Subscriptions, |site| {
            edit(site, each);
            expected.to_vec()
        })
        .await;
    }
}

/// Rewrites rows of the log, their hashes fitting.
fn rewrite(site: &mut dyn Site, from: u64, changes: &[(u64, &str, &str)]) {
    let mut log = site.log();
    for (position, old, new) in changes {
        reword(&mut log[at(*position)], old, new);
    }
    forge(site, log, from);
}

#[tokio::test]
async fn subscriptions_that_nobody_damaged_are_held() {
    plant_in(History::Subscriptions, |_| Vec::new()).await;
    let file = super::site::Memory::new();
    history(&file.0).await;
    let report = look(&file).await;
    for (invariant, checked) in [(Invariant::I9, 3), (Invariant::I12, 2)] {
        let check = report.check(invariant);
        assert_eq!((check.result, check.checked), (Outcome::Held, checked));
    }
    // A reader that has read everything stands at the head.
    edits(&[|row| row.progress.checkpoint = HEAD], &[]).await;
}

#[tokio::test]
async fn an_edited_subscription_is_named() {
    let of_its_stream: [fn(&mut SubscriptionRow); 3] = [
        |row| row.created = MADE + 2,
        |row| row.last -= 1,
        |row| row.version += 1,
    ];
    edits(&of_its_stream, &[state("shop")]).await;
    let of_its_body: [fn(&mut SubscriptionRow); 10] = [
        |row| row.body.url = None,
        |row| drop(row.body.types.pop()),
        |row| row.body.state = State::Paused,
        |row| row.body.set_to += 1,
        |row| row.body.secrets.truncate(1),
        |row| row.body.secrets[1].until = None,
        |row| row.body.secrets[0].made -= 1,
        |row| row.body.reason = Some("gone".to_owned()),
        |row| row.body.created_at = LogTime::from_micros(START),
        |row| row.body.since = LogTime::from_micros(START),
    ];
    edits(&of_its_body, &[state("shop")]).await;
}

#[tokio::test]
async fn an_edited_parked_stream_is_named() {
    let of_one: [fn(&mut SubscriptionRow); 6] = [
        |row| row.body.parked[0].stream = "stock:desk".to_owned(),
        |row| row.body.parked[0].from -= 1,
        |row| row.body.parked[0].index = 1,
        |row| row.body.parked[0].retrying = false,
        |row| row.body.parked[1].cause = "410".to_owned(),
        |row| row.body.parked[1].since = LogTime::from_micros(START),
    ];
    edits(&of_one, &[state("shop")]).await;
    // What its progress has is then another one's.
    let of_all: [fn(&mut SubscriptionRow); 4] = [
        |row| drop(row.body.parked.pop()),
        |row| row.body.parked.reverse(),
        |row| row.body.parked[0].id += 1,
        |row| row.body.parked[1].from = HEAD + 1,
    ];
    edits(&of_all, &[told(Kind::StateEdited), state("shop")]).await;
}

#[tokio::test]
async fn progress_that_does_not_know_what_is_parked_is_named() {
    let all: [fn(&mut SubscriptionRow); 5] = [
        |row| row.progress.waiting.truncate(1),
        |row| row.progress.waiting.clear(),
        |row| row.progress.waiting.reverse(),
        |row| row.progress.waiting[0].id += 1,
        |row| row.progress.waiting.push(stranger()),
    ];
    edits(&all, &[told(Kind::StateEdited)]).await;
}

fn stranger() -> Waiting {
    Waiting {
        id: ROTATED,
        count: 1,
        last: CHECKPOINT,
        done: 0,
    }
}

#[tokio::test]
async fn a_checkpoint_beyond_the_log_is_named() {
    let all: [fn(&mut SubscriptionRow); 2] = [
        |row| row.progress.checkpoint = HEAD + 1,
        |row| row.progress.checkpoint = u64::MAX >> 1,
    ];
    edits(&all, &[told(Kind::CheckpointAhead)]).await;
}

fn removed(site: &mut dyn Site, name: &str) -> Vec<Named> {
    site.edit_subscription(name, &|_| None);
    vec![state(name)]
}

#[tokio::test]
async fn a_removed_subscription_is_named_even_one_that_was_ended() {
    for name in ["shop", "books", "gone"] {
        plant_in(History::Subscriptions, |site| removed(site, name)).await;
    }
}

#[tokio::test]
async fn a_subscription_that_no_row_made_is_named() {
    plant_in(History::Subscriptions, |site| {
        edit(site, |row| row.body.id = id("ship"));
        vec![state("ship"), state("shop")]
    })
    .await;
}

#[tokio::test]
async fn an_event_of_a_subscription_that_may_not_stand_where_it_stands_is_named() {
    let type_of = |kind: &str| format!("\"type\":\"subscription.{kind}\"");
    let (parked, deleted) = (type_of("parked"), type_of("deleted"));
    let (created, paused) = (type_of("created"), type_of("paused"));
    let (version, previous) = ("\"version\":2", "\"previous\":3");
    for (position, change, kind, name) in [
        (
            PARKED[0],
            (version, "\"version\":3"),
            Kind::VersionGap,
            "shop",
        ),
        (
            PARKED[0],
            (previous, "\"previous\":2"),
            Kind::IllegalTransition,
            "shop",
        ),
        // The next one stands behind its end.
        (
            PARKED[0],
            (&*parked, &*deleted),
            Kind::IllegalTransition,
            "shop",
        ),
        (
            ENDED,
            (&*deleted, &*created),
            Kind::IllegalTransition,
            "gone",
        ),
        (
            BEGUN,
            (&*created, &*paused),
            Kind::IllegalTransition,
            "gone",
        ),
    ] {
        plant_in(History::Subscriptions, |site| {
            rewrite(site, position, &[(position, change.0, change.1)]);
            vec![broken(kind, name)]
        })
        .await;
    }
}

#[tokio::test]
async fn an_event_of_a_subscription_that_says_what_none_says_is_named() {
    for data in [
        "\"data\":{\"id\":\"gong\"",
        "\"data\":{\"mail\":\"1\",\"id\":\"gone\"",
        "\"data\":{\"it\":\"gone\"",
    ] {
        plant_in(History::Subscriptions, |site| {
            rewrite(site, ENDED, &[(ENDED, "\"data\":{\"id\":\"gone\"", data)]);
            vec![broken(Kind::IllegalTransition, "gone"), state("gone")]
        })
        .await;
    }
}

/// Log and row agree that a stream is parked from an event on that does not exist.
fn parked_beyond(site: &mut dyn Site) -> Vec<Named> {
    let (from, to) = ("lamp\",\"from\":5,", "lamp\",\"from\":50,");
    let changes = [PARKED[0], 7, PARKED[1], ROTATED].map(|position| (position, from, to));
    rewrite(site, PARKED[0], &changes);
    edit(site, |row| row.body.parked[0].from = 50);
    vec![told(Kind::StateEdited)]
}

#[tokio::test]
async fn a_stream_that_is_parked_from_beyond_the_log_is_named() {
    plant_in(History::Subscriptions, parked_beyond).await;
}

/// Log and head were cut together; rows of subscriptions alone were written since.
fn cut(site: &mut dyn Site) -> Vec<Named> {
    let mut log = site.log();
    log.truncate(at(ROTATED));
    site.set_head(ROTATED - 1, log[at(ROTATED - 1)].hash);
    site.set_log(log);
    let subject = format!("log {ROTATED}");
    vec![named(Invariant::I16, Kind::TailCut, &subject)]
}

#[tokio::test]
async fn a_tail_cut_together_with_its_head_is_told_by_a_subscription() {
    plant_in(History::Subscriptions, cut).await;
}

/// The token that a row was written under.
fn token(site: &dyn Site, position: u64) -> String {
    let entry = Entry::read(&site.log()[at(position)].text).expect("readable");
    format!(",\"lease\":{}", entry.cause.lease.expect("under a lease"))
}

fn on(kind: Kind, position: u64) -> Vec<Named> {
    vec![named(Invariant::I12, kind, &format!("log {position}"))]
}

#[tokio::test]
async fn a_relay_that_wrote_under_a_wrong_token_or_none_is_named() {
    let [first, second] = PARKED;
    plant_in(History::Subscriptions, |site| {
        // The shard was the second node's before.
        let tokens = (token(site, first), token(site, second));
        let swapped = [
            (first, &*tokens.0, &*tokens.1),
            (second, &tokens.1, &tokens.0),
        ];
        rewrite(site, first, &swapped);
        on(Kind::TokenFell, second)
    })
    .await;
    plant_in(History::Subscriptions, |site| {
        let given = token(site, second);
        rewrite(site, second, &[(second, &given, ",\"lease\":9")]);
        on(Kind::TokenUnknown, second)
    })
    .await;
    plant_in(History::Subscriptions, |site| {
        let with = token(site, second) + "},\"fingerprint\":null,\"actor\":\"t-1\"";
        let without = "},\"fingerprint\":null,\"actor\":\"engine\"";
        rewrite(site, second, &[(second, &with, without)]);
        on(Kind::Unfenced, second)
    })
    .await;
    // What a person asked for was asked for under none.
    plant_in(History::Subscriptions, |site| {
        let with = format!("\"id\":\"shop\"{}}}", token(site, second));
        rewrite(site, ROTATED, &[(ROTATED, "\"id\":\"shop\"}", &with)]);
        on(Kind::TokenUnknown, ROTATED)
    })
    .await;
}

#[tokio::test]
async fn a_secret_that_was_emptied_or_erased_by_nobody_is_named() {
    for position in [MADE, ROTATED] {
        let text = format!("private {position}");
        plant_in(History::Subscriptions, |site| {
            site.set_private(position, Some(""));
            vec![named(Invariant::I21, Kind::TextEdited, &text)]
        })
        .await;
        plant_in(History::Subscriptions, |site| {
            site.erase_private(position, LogTime::from_micros(START));
            vec![named(Invariant::I21, Kind::TextMissing, &text)]
        })
        .await;
    }
}

#[cfg(feature = "sqlite")]
mod of_a_file {
    use super::super::file::File;
    use super::super::site::{all_is_said, findings, words};
    use super::*;
    use std::collections::BTreeSet;

    /// What is found, in words, once a column of a subscription is no JSON any more.
    async fn garbled(name: &str, column: &str) -> BTreeSet<String> {
        let file = File::of(History::Subscriptions).await;
        let change = format!("UPDATE subscription SET {column} = x'7b' WHERE id = '{name}'");
        file.change(&change);
        let report = look(&file).await;
        assert_eq!(findings(&report), [state(name)]);
        report.findings().map(|one| one.detail.clone()).collect()
    }

    #[tokio::test]
    async fn a_subscription_that_cannot_be_read_is_named_and_the_others_are_compared() {
        for name in ["shop", "books", "gone"] {
            for column in ["body", "progress"] {
                garbled(name, column).await;
            }
        }
    }

    #[tokio::test]
    async fn every_finding_about_subscriptions_is_told_by_a_damage() {
        let damages: [fn(&mut dyn Site) -> Vec<Named>; 5] = [
            |site| {
                edit(site, |row| row.version += 1);
                vec![state("shop")]
            },
            |site| {
                edit(site, |row| row.progress.checkpoint = HEAD + 1);
                vec![told(Kind::CheckpointAhead)]
            },
            |site| removed(site, "shop"),
            parked_beyond,
            cut,
        ];
        let mut said = garbled("shop", "body").await;
        for damage in damages {
            said.extend(words(History::Subscriptions, damage).await);
        }
        all_is_said(include_str!("../../src/verify/subscriptions.rs"), &said);
    }
}
