//! More requests in a second than one client may make.

use crate::run::pass;
use crate::server::Server;
use crate::wire::{Reply, Wire};
use crate::{alone, now};
use std::time::Duration;

const ASKED: usize = 1_500;
const LIMIT: usize = 1_000;

/// How many were refused, each of them as the contract says.
fn refused(replies: &[Reply], policy: &str) -> usize {
    let refused: Vec<&Reply> = replies.iter().filter(|it| it.status == 429).collect();
    for reply in &refused {
        assert_eq!(reply.code(), "rate_limited");
        assert_eq!(reply.json()["retryable"], true);
        assert_eq!(reply.header("retry-after"), Some("1"));
        let says = |name| reply.header(name).map(str::to_owned);
        let policy = |rest: &str| Some(format!("\"{policy}\";{rest}"));
        assert_eq!(says("ratelimit-policy"), policy("q=1000;w=1"));
        assert_eq!(says("ratelimit"), policy("r=0;t=1"));
    }
    refused.len()
}

/// Asks too often in one second, again if the machine was too slow for that.
fn asks_too_often(wire: &mut Wire, line: &str, policy: &str) {
    for _ in 0..10 {
        let begun = now();
        let replies = wire.repeat(line, ASKED);
        let took = begun.elapsed();
        let refused = refused(&replies, policy);
        println!("{line} ({policy}): {ASKED} asked in {took:.2?}, {refused} refused");
        if took < Duration::from_secs(1) {
            assert_eq!(refused, ASKED - LIMIT, "{policy}");
            return;
        }
        pass(Duration::from_secs(1));
    }
    panic!("this machine cannot ask {ASKED} times in a second");
}

#[test]
fn a_buyer_who_asks_too_often_is_told_429_and_nobody_else_is() {
    let _alone = alone();
    let server = Server::start(&[]);
    let (busy, quiet) = (server.buyer("busy"), server.buyer("quiet"));
    let mut wire = Wire::to(server.address(), &busy);
    asks_too_often(&mut wire, "GET /v1/skus/lamp", "token");
    let mut other = Wire::to(server.address(), &quiet);
    assert_eq!(refused(&other.repeat("GET /v1/skus/lamp", 100), "token"), 0);
    let replies = server.admin().repeat("GET /v1/skus/lamp", 2 * LIMIT);
    assert_eq!(refused(&replies, "token"), 0, "an admin has no limit");
    // What it was told to wait is enough.
    pass(Duration::from_secs(1));
    assert_eq!(wire.get("/v1/skus/lamp").status, 404);
}

#[test]
fn an_address_without_a_token_is_told_429_and_its_buyers_are_not() {
    let _alone = alone();
    let server = Server::start(&[]);
    let buyer = server.buyer("quiet");
    for (line, token) in [
        ("GET /v1/holds", ""),
        ("GET /v1/holds", "ek_wrong"),
        ("GET /livez", ""),
        ("POST /v1/callbacks/payment/unsigned", ""),
    ] {
        let mut nobody = Wire::to(server.address(), token);
        asks_too_often(&mut nobody, line, "address");
        let mut known = Wire::to(server.address(), &buyer);
        assert_eq!(known.get("/v1/skus/lamp").status, 404);
        pass(Duration::from_secs(1));
    }
}

#[test]
fn a_limit_of_0_is_none() {
    let _alone = alone();
    let off = [
        ("EVENKEEL_LIMITS__REQUESTS_PER_TOKEN", "0"),
        ("EVENKEEL_LIMITS__REQUESTS_PER_ADDRESS", "0"),
    ];
    let server = Server::start(&off);
    let buyer = server.buyer("busy");
    for token in ["", &buyer] {
        let mut wire = Wire::to(server.address(), token);
        let replies = wire.repeat("GET /v1/skus/lamp", 2 * LIMIT);
        assert_eq!(refused(&replies, "token"), 0);
    }
}
