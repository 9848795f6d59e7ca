//! Tokens of leases: what was written under one that had been taken over, and what under none.

use super::log::{at, forge, reword};
use super::orders::forged;
use super::site::{Named, Site, named, planted_trade};
use evenkeel_engine::chain::Entry;
use evenkeel_engine::verify::{Invariant, Kind};
use evenkeel_rules::lease::{Lease, Leases};
use evenkeel_rules::time::LogTime;

/// What the usual history of orders is written under, in its order: one node alone, then two, then
/// a third alone.
const TOKENS: [u64; 4] = [1, 2, 3, 4];

/// Where something was written under a token.
fn under(site: &dyn Site, token: u64) -> Vec<u64> {
    let entries = site.log().into_iter().map(|row| Entry::read(&row.text));
    let entries = entries.map(|entry| entry.expect("readable"));
    let of = entries.filter(|entry| entry.cause.lease == Some(token));
    of.map(|entry| entry.position).collect()
}

fn on(kind: Kind, position: u64) -> Vec<Named> {
    vec![named(Invariant::I12, kind, &format!("log {position}"))]
}

/// Says in a row that it was written under another token.
fn retoken(site: &mut dyn Site, position: u64, (from, to): (u64, u64)) {
    let mut log = site.log();
    let (from, to) = (format!("\"lease\":{from}}}"), format!("\"lease\":{to}}}"));
    reword(&mut log[at(position)], &from, &to);
    forge(site, log, position);
}

#[tokio::test]
async fn the_history_is_written_under_every_token_and_they_rise() {
    planted_trade(|site| {
        let of = TOKENS.map(|token| under(site, token));
        assert!(of.iter().all(|rows| rows.len() > 2), "{of:?}");
        let (alone, third) = (&of[0], &of[3]);
        assert!(alone.last() < of[1].first() && alone.last() < of[2].first());
        assert!(of[1].last() < third.first() && of[2].last() < third.first());
        Vec::new()
    })
    .await;
}

/// The last row of an order that was written under a token.
fn last_of_an_order(site: &dyn Site, token: u64) -> u64 {
    let log = site.log();
    let is_saga = |position: &u64| {
        let entry = Entry::read(&log[at(*position)].text);
        entry.expect("readable").cause.kind == "saga"
    };
    let mut rows = under(site, token).into_iter().filter(is_saga);
    rows.next_back().expect("some")
}

#[tokio::test]
async fn a_later_row_of_a_shard_under_an_earlier_token_is_named() {
    // For all that the log tells whoever wrote under 3 may live on, but this shard is another's.
    planted_trade(|site| {
        let position = last_of_an_order(site, 4);
        retoken(site, position, (4, 3));
        on(Kind::TokenFell, position)
    })
    .await;
}

#[tokio::test]
async fn a_row_under_a_token_that_lost_another_shard_is_named() {
    // This shard was nobody's before, but whoever wrote under 1 has lost others.
    planted_trade(|site| {
        let position = *under(site, 4).last().expect("some");
        retoken(site, position, (4, 1));
        on(Kind::TokenFell, position)
    })
    .await;
}

#[tokio::test]
async fn a_token_that_nobody_was_given_is_named() {
    planted_trade(|site| {
        let position = *under(site, 4).last().expect("some");
        retoken(site, position, (4, 5));
        on(Kind::TokenUnknown, position)
    })
    .await;
    planted_trade(|site| {
        let position = under(site, 1)[0];
        retoken(site, position, (1, 0));
        on(Kind::TokenUnknown, position)
    })
    .await;
}

#[tokio::test]
async fn a_clients_row_under_a_token_is_named() {
    planted_trade(|site| {
        let parts = ["\"kind\":\"take_order\"", "order:o-33\""];
        let lease = ("},\"fingerprint\"", ",\"lease\":4},\"fingerprint\"");
        let position = forged(site, &parts, lease);
        on(Kind::TokenUnknown, position)
    })
    .await;
}

#[tokio::test]
async fn what_an_engine_wrote_under_no_token_is_named() {
    for kind in ["saga", "inbox"] {
        planted_trade(|site| {
            let lease = "\"lease\":2},\"fingerprint\":null,\"actor\":\"t-1\"";
            let none = "\"fingerprint\":null,\"actor\":\"engine\"";
            let kind = format!("\"kind\":\"{kind}\"");
            let parts = [kind.as_str(), lease];
            let change = (format!(",{lease}"), format!("}},{none}"));
            let position = forged(site, &parts, (&change.0, &change.1));
            on(Kind::Unfenced, position)
        })
        .await;
    }
}

fn leases(last: u64, token: u64) -> Leases {
    let live = vec![Lease {
        node: "node-c".to_owned(),
        joined: token,
        token,
        until: LogTime::default(),
        format: 1,
    }];
    Leases { last, live }
}

#[tokio::test]
async fn leases_that_fell_behind_the_log_are_named() {
    planted_trade(|site| {
        site.set_leases(leases(4, 2));
        vec![named(Invariant::I12, Kind::TokenFell, "head main")]
    })
    .await;
    planted_trade(|site| {
        site.set_leases(leases(4, 5));
        vec![named(Invariant::I12, Kind::TokenFell, "head main")]
    })
    .await;
    planted_trade(|site| {
        site.set_leases(leases(3, 3));
        on(Kind::TokenUnknown, under(site, 4)[0])
    })
    .await;
}
