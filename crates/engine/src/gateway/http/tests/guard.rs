//! Steps lead where they may, judged by the address that is connected to.

use super::*;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// A resolver that says one thing after another, and never the same again.
struct Names(Mutex<VecDeque<Vec<IpAddr>>>);

impl Names {
    fn saying<const N: usize>(answers: [&[&str]; N]) -> Arc<Self> {
        let parse = |text: &&str| text.parse().expect("an address");
        let list = |one: &&[&str]| one.iter().map(parse).collect();
        Arc::new(Self(Mutex::new(answers.iter().map(list).collect())))
    }
}

#[async_trait]
impl Resolve for Names {
    async fn resolve(&self, _host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let next = self.0.lock().pop_front();
        let addresses = next.ok_or(io::ErrorKind::NotFound)?;
        let with_port = |address| SocketAddr::new(address, port);
        Ok(addresses.into_iter().map(with_port).collect())
    }
}

/// A resolver that says loopback to everybody.
struct Inside;

#[async_trait]
impl Resolve for Inside {
    async fn resolve(&self, _host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(vec![SocketAddr::from((Ipv4Addr::LOCALHOST, port))])
    }
}

/// A resolver that does not come back.
struct Silence;

#[async_trait]
impl Resolve for Silence {
    async fn resolve(&self, _host: &str, _port: u16) -> io::Result<Vec<SocketAddr>> {
        std::future::pending().await
    }
}

fn step_to(url: &str) -> Call {
    Call::Step {
        key: "k".to_owned(),
        url: url.to_owned(),
        body: "{}".to_owned(),
    }
}

fn allowing(allow: Outbound, names: Arc<dyn Resolve>) -> HttpGateway {
    let options = HttpOptions {
        allow,
        ..HttpOptions::default()
    };
    HttpGateway::with_resolver(options, names).expect("usable options")
}

async fn polite() -> Peer {
    Peer::new(|_| Then::SayAndClose(answer(200, "").replace("\r\n\r\n", CLOSING))).await
}

/// The peer says that it closes, so that the next call resolves and connects anew.
const CLOSING: &str = "\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn a_step_to_an_address_that_is_not_public_is_not_sent() {
    let peer = polite().await;
    let gateway = allowing(Outbound::public(), Arc::new(SystemResolver));
    let port = peer.port;
    for host in [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "0.0.0.0",
    ] {
        let call = step_to(&format!("http://{host}:{port}/book"));
        was_not_sent(
            &gateway.call(&call, LONG).await,
            "the address is not allowed",
        );
    }
    assert_eq!(peer.connections(), 0);
}

#[tokio::test]
async fn a_name_that_leads_inside_is_not_connected_to() {
    let peer = polite().await;
    let names = Names::saying([&["127.0.0.1"], &["::ffff:127.0.0.1"], &["169.254.169.254"]]);
    let gateway = allowing(Outbound::public(), names);
    let call = step_to(&format!("http://shop.example:{}/book", peer.port));
    for what in ["loopback", "loopback", "link-local"] {
        was_not_sent(&gateway.call(&call, LONG).await, what);
    }
    assert_eq!(peer.connections(), 0);
}

#[tokio::test]
async fn a_name_that_is_rebound_is_judged_again_at_every_connection() {
    let peer = polite().await;
    let place = format!("127.0.0.1:{}", peer.port);
    let allow = Outbound::only(&[place]).expect("a place");
    let names = Names::saying([&["127.0.0.1"], &["10.0.0.1"], &["127.0.0.1"]]);
    let gateway = allowing(allow, names);
    let call = step_to(&format!("http://shop.example:{}/book", peer.port));
    assert_eq!(gateway.call(&call, LONG).await, Reply::Done);
    was_not_sent(&gateway.call(&call, LONG).await, "private");
    assert_eq!(gateway.call(&call, LONG).await, Reply::Done);
    assert_eq!(peer.connections(), 2);
}

#[tokio::test]
async fn one_blocked_address_among_those_of_a_name_blocks_the_name() {
    let peer = polite().await;
    let place = format!("127.0.0.1:{}", peer.port);
    let allow = Outbound::only(&[place]).expect("a place");
    let names = Names::saying([&["127.0.0.1", "10.0.0.1"]]);
    let call = step_to(&format!("http://shop.example:{}/book", peer.port));
    let reply = allowing(allow, names).call(&call, LONG).await;
    was_not_sent(&reply, "private");
    assert_eq!(peer.connections(), 0);
}

#[tokio::test]
async fn a_listed_name_leads_where_it_resolves_to() {
    let peer = polite().await;
    let place = format!("stock.internal:{}", peer.port);
    let allow = Outbound::public_and(&[place]).expect("a place");
    let gateway = allowing(allow, Names::saying([&["127.0.0.1"]]));
    let call = step_to(&format!("http://Stock.Internal:{}/book", peer.port));
    assert_eq!(gateway.call(&call, LONG).await, Reply::Done);
}

#[tokio::test]
async fn a_step_does_not_ride_on_a_providers_connection() {
    let peer = Peer::new(|_| Then::Say(answer(200, RECEIPT))).await;
    let place = format!("http://bank.example:{}", peer.port);
    let payment = Some(Endpoint {
        url: place.clone(),
        callback_url: None,
    });
    let options = HttpOptions {
        payment,
        ..HttpOptions::default()
    };
    let gateway = HttpGateway::with_resolver(options, Arc::new(Inside)).expect("usable options");
    for round in 0..50 {
        let key = format!("charge-{round}");
        assert_eq!(gateway.call(&charge(&key), LONG).await, completed());
        let reply = gateway.call(&step_to(&place), LONG).await;
        was_not_sent(&reply, "loopback");
    }
    assert_eq!(peer.heard().len(), 50);
}

#[tokio::test]
async fn a_name_without_an_address_means_that_nothing_was_sent() {
    let call = step_to("http://nowhere.example/book");
    let unknown = allowing(Outbound::public(), Names::saying([]));
    was_not_sent(&unknown.call(&call, LONG).await, "not found");
    let empty = allowing(Outbound::public(), Names::saying([&[]]));
    was_not_sent(&empty.call(&call, LONG).await, "the name has no address");
    let silent = allowing(Outbound::public(), Arc::new(Silence));
    was_not_sent(&silent.call(&call, SHORT).await, "no connection in time");
}

#[tokio::test]
async fn a_name_that_has_several_addresses_is_tried_at_one_after_the_other() {
    let peer = polite().await;
    let nobody = Ipv4Addr::new(127, 0, 0, 9).to_string();
    let names = Names::saying([&[&nobody, "127.0.0.1"]]);
    let call = step_to(&format!("http://shop.example:{}/book", peer.port));
    let reply = allowing(loopback(), names).call(&call, LONG).await;
    assert_eq!(reply, Reply::Done);
}

#[tokio::test]
async fn a_step_whose_url_is_none_is_not_sent() {
    let gateway = allowing(Outbound::public(), Names::saying([]));
    for url in [
        "",
        "book",
        "ftp://shop.example/",
        "http://a:b@shop.example/",
    ] {
        let reply = gateway.call(&step_to(url), LONG).await;
        assert!(matches!(reply, Reply::NotSent { .. }), "{url}: {reply:?}");
    }
}
