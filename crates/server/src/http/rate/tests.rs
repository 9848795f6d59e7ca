use super::*;
use std::net::{Ipv4Addr, Ipv6Addr};

const MOST: Most = Most {
    token: 1_000,
    address: 10,
};

fn token(name: &str) -> TokenId {
    TokenId::new(name).expect("an id")
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn the_thousand_and_first_request_of_a_second_is_refused_and_the_next_second_begins_anew() {
    let rates = Rates::new(MOST);
    let (busy, other) = (token("busy"), token("other"));
    for number in 0..1_000 {
        assert!(rates.token(&busy, ms(5_000 + number)).is_ok(), "{number}");
    }
    let refused = rates.token(&busy, ms(5_999)).expect_err("one too many");
    let answer = refused.render("/v1/holds");
    assert_eq!(answer.status(), 429);
    let header = |name: &str| answer.headers()[name].to_str().expect("visible ASCII");
    assert_eq!(header("retry-after"), "1");
    assert_eq!(header("ratelimit-policy"), "\"token\";q=1000;w=1");
    assert_eq!(header("ratelimit"), "\"token\";r=0;t=1");
    assert!(rates.token(&other, ms(5_999)).is_ok(), "each has his own");
    assert!(rates.token(&busy, ms(6_000)).is_ok());
    assert!(rates.token(&busy, ms(6_998)).is_ok());
}

#[test]
fn an_address_is_its_network_of_64_bits_and_a_mapped_one_is_that_of_version_4() {
    let v6 = |last| IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 7, 0, 0, 0, last));
    let v4 = Ipv4Addr::new(192, 0, 2, 1);
    assert_eq!(place_of(v6(1)), place_of(v6(0xffff)));
    let neighbour = Ipv6Addr::new(0x2001, 0xdb8, 0, 8, 0, 0, 0, 1);
    assert_ne!(place_of(v6(1)), place_of(neighbour.into()));
    assert_eq!(place_of(v4.into()), place_of(v4.to_ipv6_mapped().into()));
    let next = Ipv4Addr::new(192, 0, 2, 2);
    assert_ne!(place_of(v4.into()), place_of(next.into()));
    let rates = Rates::new(MOST);
    for number in 0..10 {
        assert!(rates.address(v6(number), ms(1)).is_ok());
    }
    assert!(rates.address(v6(99), ms(1)).is_err());
    assert!(rates.address(v4.into(), ms(1)).is_ok());
}

#[test]
fn no_limit_is_no_limit() {
    let rates = Rates::new(Most {
        token: 0,
        address: 0,
    });
    for _ in 0..5_000 {
        assert!(rates.token(&token("busy"), ms(0)).is_ok());
        let address = Ipv4Addr::LOCALHOST.into();
        assert!(rates.address(address, ms(0)).is_ok());
    }
}

#[test]
fn memory_is_bounded_and_who_is_known_stays_limited_in_a_crowd() {
    let mut shard = Shard::default();
    assert_eq!(shard.count(0, 1, ms(0)), None);
    for client in 1..3 * CLIENTS_MAX as u128 {
        assert_eq!(shard.count(client, 1, ms(100)), None);
    }
    assert_eq!(shard.clients.len(), CLIENTS_MAX);
    assert_eq!(shard.count(0, 1, ms(400)), Some(ms(600)));
    // A second later all of them are forgotten for whoever comes.
    assert_eq!(shard.count(u128::MAX, 1, ms(1_200)), None);
    assert_eq!(shard.clients.len(), 1);
}

#[test]
fn a_wait_is_said_in_whole_seconds_and_never_too_short() {
    let said = [0, 1, 999, 1_000, 1_001, 9_500].map(|time| whole_seconds(ms(time)));
    assert_eq!(said, [1, 1, 1, 1, 2, 10]);
}
