//! Where we may be sent, and where not: tables over addresses, texts and lists.

use super::*;

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn blocked(outbound: &Outbound, text: &str) -> Option<&'static str> {
    match outbound.admit("example.com", address(text), 443) {
        Ok(()) => None,
        Err(Why::Blocked(what)) => Some(what),
        Err(other) => panic!("{text}: {other}"),
    }
}

#[test]
fn addresses_that_are_not_public_are_blocked_and_named() {
    for (text, what) in [
        ("0.0.0.0", "unspecified"),
        ("0.1.2.3", "unspecified"),
        ("10.0.0.1", "private"),
        ("10.255.255.255", "private"),
        ("100.64.0.1", "shared by a carrier"),
        ("100.100.100.200", "shared by a carrier"),
        ("100.127.255.255", "shared by a carrier"),
        ("127.0.0.1", "loopback"),
        ("127.255.255.254", "loopback"),
        ("168.63.129.16", "a cloud's own"),
        ("169.254.0.1", "link-local"),
        ("169.254.169.254", "link-local"),
        ("172.16.0.1", "private"),
        ("172.31.255.255", "private"),
        ("192.0.0.192", "reserved"),
        ("192.0.2.1", "documentation"),
        ("192.88.99.1", "reserved"),
        ("192.168.0.1", "private"),
        ("198.18.0.1", "benchmarking"),
        ("198.19.255.255", "benchmarking"),
        ("198.51.100.7", "documentation"),
        ("203.0.113.7", "documentation"),
        ("224.0.0.1", "multicast"),
        ("239.255.255.255", "multicast"),
        ("240.0.0.1", "reserved"),
        ("255.255.255.255", "reserved"),
        ("::", "unspecified"),
        ("::1", "loopback"),
        ("::127.0.0.1", "reserved"),
        ("::ffff:127.0.0.1", "loopback"),
        ("::ffff:169.254.169.254", "link-local"),
        ("::ffff:10.0.0.1", "private"),
        ("64:ff9b::7f00:1", "loopback"),
        ("64:ff9b::a9fe:a9fe", "link-local"),
        ("64:ff9b:1::1", "reserved"),
        ("100::1", "reserved"),
        ("2001::1", "reserved"),
        ("2001:0:7f00:1::", "reserved"),
        ("2001:db8::1", "documentation"),
        ("2002:7f00:1::", "6to4"),
        ("3fff::1", "documentation"),
        ("4000::1", "reserved"),
        ("fc00::1", "private"),
        ("fd00:ec2::254", "private"),
        ("fe80::1", "link-local"),
        ("febf::1", "link-local"),
        ("fec0::1", "private"),
        ("ff02::1", "multicast"),
    ] {
        assert_eq!(blocked(&Outbound::public(), text), Some(what), "{text}");
    }
}

#[test]
fn addresses_beside_the_blocked_ones_are_public() {
    for text in [
        "1.0.0.0",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "::ffff:8.8.8.8",
        "64:ff9b::808:808",
        "2001:4860:4860::8888",
        "2606:4700::1111",
        "2a00:1450::1",
    ] {
        assert_eq!(blocked(&Outbound::public(), text), None, "{text}");
    }
}

#[test]
fn a_list_allows_its_networks_and_places_and_no_more() {
    let list = [
        "10.1.0.0/16",
        "127.0.0.1:9000",
        "[::1]:9000",
        "Stock.internal.:8080",
        "fd00::/8",
    ];
    let outbound = Outbound::public_and(&list).expect("a well-formed list");
    for (host, at, port, allowed) in [
        ("x.example", "10.1.2.3", 80, true),
        ("x.example", "::ffff:10.1.2.3", 80, true),
        ("x.example", "10.2.0.0", 80, false),
        ("127.0.0.1", "127.0.0.1", 9000, true),
        ("127.0.0.1", "127.0.0.1", 9001, false),
        ("127.0.0.2", "127.0.0.2", 9000, false),
        ("::1", "::1", 9000, true),
        ("::1", "::1", 80, false),
        ("stock.internal", "10.9.9.9", 8080, true),
        ("stock.internal", "10.9.9.9", 8081, false),
        ("x.stock.internal", "10.9.9.9", 8080, false),
        ("x.example", "fd12::1", 443, true),
        ("x.example", "fe80::1", 443, false),
        ("x.example", "8.8.8.8", 443, true),
    ] {
        let said = outbound.admit(host, address(at), port);
        assert_eq!(said.is_ok(), allowed, "{host} {at} {port}");
    }
}

#[test]
fn only_a_list_means_that_the_public_internet_is_not_allowed_either() {
    let outbound = Outbound::only(&["127.0.0.1:9000"]).expect("a well-formed list");
    let loopback = address("127.0.0.1");
    assert_eq!(outbound.admit("127.0.0.1", loopback, 9000), Ok(()));
    assert_eq!(blocked(&outbound, "127.0.0.1"), Some("loopback"));
    assert_eq!(blocked(&outbound, "8.8.8.8"), Some("not on the list"));
}

#[test]
fn an_entry_that_is_neither_network_nor_place_is_refused_by_name() {
    for entry in [
        "",
        "10.0.0.0",
        "10.0.0.1/8",
        "10.0.0.0/33",
        "fd00::/129",
        "10.0.0.0/",
        "stock.internal",
        "stock.internal:0",
        "stock.internal:65536",
        "::1:9000",
        "http://stock.internal:80",
        "0x7f.1:80",
        "*.internal:80",
    ] {
        let said = Outbound::public_and(&[entry]);
        assert_eq!(said, Err(BadEntry(entry.to_owned())), "{entry}");
    }
}

#[test]
fn a_url_is_refused_for_what_can_be_seen_in_its_text() {
    let long = format!("http://example.com/{}", "x".repeat(URL_MAX));
    for (text, why) in [
        (long.as_str(), Why::Long),
        ("", Why::Syntax),
        ("/book", Why::Syntax),
        ("example.com/book", Why::Syntax),
        ("http://", Why::Syntax),
        ("http://exa mple.com/", Why::Syntax),
        ("http://ex\u{e4}mple.com/", Why::Syntax),
        ("ftp://example.com/", Why::Scheme),
        ("gopher://example.com:70/", Why::Scheme),
        ("unix://run/x.sock", Why::Scheme),
        ("http://user@example.com/", Why::Credentials),
        ("http://user:secret@example.com/", Why::Credentials),
        ("http://example.com@127.0.0.1/", Why::Credentials),
        ("http://2130706433/", Why::Host),
        ("http://0x7f000001/", Why::Host),
        ("http://0x7f.1/", Why::Host),
        ("http://127.1/", Why::Host),
        ("http://0177.0.0.1/", Why::Host),
        ("http://127.0.0.1.0x7f/", Why::Host),
        ("http://a..example/", Why::Host),
        ("http://%31%32%37.0.0.1/", Why::Syntax),
        ("http://example.com:0/", Why::Port),
        ("http://example.com:/", Why::Port),
        ("http://example.com:65536/", Why::Port),
        ("http://127.0.0.1/", Why::Blocked("loopback")),
        ("http://127.0.0.1./", Why::Host),
        ("http://localhost:9000/", Why::Blocked("loopback")),
        ("http://LOCALHOST./", Why::Blocked("loopback")),
        ("http://api.localhost/", Why::Blocked("loopback")),
        ("http://169.254.169.254/latest", Why::Blocked("link-local")),
        ("http://[::1]:8080/", Why::Blocked("loopback")),
        ("http://[::ffff:10.0.0.1]/", Why::Blocked("private")),
        ("http://[fe80::1]/", Why::Blocked("link-local")),
    ] {
        assert_eq!(check_url(text), Err(why), "{text}");
    }
}

#[test]
fn a_url_that_may_be_called_says_its_host_and_port() {
    for (text, host, port) in [
        ("http://Example.COM/book?x=1", "example.com", 80),
        ("http://example.com.:8080", "example.com", 8080),
        ("http://8.8.8.8/", "8.8.8.8", 80),
        ("http://[2606:4700:0:0::1111]:81/", "2606:4700::1111", 81),
        ("http://xn--exmple-cua.com/", "xn--exmple-cua.com", 80),
        ("http://a_b.example/", "a_b.example", 80),
    ] {
        let url = check_url(text).expect(text);
        assert_eq!((url.host(), url.port()), (host, port), "{text}");
    }
}

#[test]
fn https_is_callable_exactly_when_tls_is_built_in() {
    let said = check_url("https://example.com/").map(|url| (url.port(), url.is_https()));
    let expected = if cfg!(feature = "tls") {
        Ok((443, true))
    } else {
        Err(Why::NoTls)
    };
    assert_eq!(said, expected);
}

#[test]
fn a_url_is_allowed_early_by_the_list_that_will_allow_it_later() {
    let outbound = Outbound::only(&["127.0.0.1:9000"]).expect("a well-formed list");
    assert!(outbound.check_url("http://127.0.0.1:9000/book").is_ok());
    assert!(outbound.check_url("http://127.0.0.1:9001/book").is_err());
    assert!(outbound.check_url("http://8.8.8.8/").is_err());
}
