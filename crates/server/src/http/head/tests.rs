use super::*;
use crate::http::route::JSON;
use http::HeaderValue;

fn headers(list: &[(&'static str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in list {
        let value = HeaderValue::from_bytes(value.as_bytes()).expect("a header value");
        map.append(HeaderName::from_static(name), value);
    }
    map
}

#[test]
fn a_quoted_and_a_bare_key_are_one_key() {
    let long = "k".repeat(255);
    for (sent, expected) in [
        ("abc", "abc"),
        ("\"abc\"", "abc"),
        ("a'b,c;d", "a'b,c;d"),
        (long.as_str(), long.as_str()),
        (&format!("\"{long}\""), long.as_str()),
    ] {
        let map = headers(&[("idempotency-key", sent)]);
        assert_eq!(key(&map).expect("a good key"), Some(expected));
    }
    assert_eq!(key(&headers(&[])).expect("no key"), None);
}

#[test]
fn a_key_that_is_not_visible_ascii_in_one_header_is_bad() {
    let long = "k".repeat(256);
    let bad = [
        "",
        "\"",
        "\"\"",
        "\"abc",
        "abc\"",
        "a b",
        "\"a b\"",
        "a\tb",
        "é",
        "a\"b",
        "\"a\"b\"",
        long.as_str(),
    ];
    for sent in bad {
        let map = headers(&[("idempotency-key", sent)]);
        assert_eq!(
            key(&map).map_err(|problem| problem.code()),
            Err(Code::BadKey),
            "{sent:?}"
        );
    }
    let twice = headers(&[("idempotency-key", "a"), ("idempotency-key", "a")]);
    assert_eq!(
        key(&twice).map_err(|problem| problem.code()),
        Err(Code::BadKey)
    );
}

#[test]
fn a_bearer_token_is_one_header_with_one_word() {
    assert_eq!(
        bearer(&headers(&[("authorization", "Bearer ek_1")])),
        Some("ek_1")
    );
    assert_eq!(
        bearer(&headers(&[("authorization", "bearer ek_1")])),
        Some("ek_1")
    );
    for value in [
        "",
        "Bearer",
        "Bearer ",
        "Basic ek_1",
        "ek_1",
        "Bearer a b",
        "Bearer é",
    ] {
        assert_eq!(
            bearer(&headers(&[("authorization", value)])),
            None,
            "{value:?}"
        );
    }
    let twice = headers(&[("authorization", "Bearer a"), ("authorization", "Bearer a")]);
    assert_eq!(bearer(&twice), None);
}

#[test]
fn json_is_taken_unless_the_accept_header_rules_it_out() {
    for value in [
        "*/*",
        "application/json",
        "text/html, application/*;q=0.1",
        "APPLICATION/JSON",
        "application/json;q=0, */*",
        "",
    ] {
        assert!(takes(&headers(&[("accept", value)]), JSON), "{value}");
    }
    assert!(takes(&headers(&[]), JSON));
    let both = headers(&[("accept", "text/html"), ("accept", "*/*")]);
    assert!(takes(&both, JSON));
    for value in [
        "text/html",
        "application/json;q=0",
        "application/jsonp",
        "*/*; q=0.000",
    ] {
        assert!(!takes(&headers(&[("accept", value)]), JSON), "{value}");
    }
}

#[test]
fn a_body_says_that_it_is_json_in_utf8() {
    for value in [
        "application/json",
        "application/json; charset=utf-8",
        "Application/JSON;charset=\"UTF-8\"",
        "application/json;",
    ] {
        assert!(is_json(&headers(&[("content-type", value)])), "{value}");
    }
    for value in [
        "text/plain",
        "",
        "application/json; charset=latin1",
        "application/jsonp",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "application/json, text/plain",
    ] {
        assert!(!is_json(&headers(&[("content-type", value)])), "{value}");
    }
    assert!(!is_json(&headers(&[])));
    let twice = [
        ("content-type", "application/json"),
        ("content-type", "text/plain"),
    ];
    assert!(!is_json(&headers(&twice)));
}

#[test]
fn if_match_is_a_version_in_quotes_or_a_star() {
    let read = |value| if_match(&headers(&[("if-match", value)])).map_err(|_| ());
    assert_eq!(read("\"3\""), Ok(Expected::Version(3)));
    assert_eq!(read("*"), Ok(Expected::Existing));
    assert_eq!(
        if_match(&headers(&[])).map_err(|_| ()),
        Ok(Expected::Anything)
    );
    for value in [
        "3",
        "W/\"3\"",
        "\"x\"",
        "\"\"",
        "\"1\", \"2\"",
        "",
        "\"-1\"",
        "\"+1\"",
    ] {
        assert_eq!(read(value), Err(()), "{value}");
    }
}

#[test]
fn the_headers_of_consistency_are_read_as_one() {
    let map = headers(&[
        ("evenkeel-position", "main.1:8, main.1:9"),
        ("evenkeel-position", "main.1:10"),
        ("evenkeel-wait", "30000"),
        ("evenkeel-consistency", "immediate"),
    ]);
    let read = at_least(&map).expect("all is well");
    assert_eq!(read.tokens, ["main.1:8", "main.1:9", "main.1:10"]);
    assert_eq!(
        (read.wait, read.level),
        (Millis(30_000), Some(Level::Immediate))
    );
    let empty = HeaderMap::new();
    let read = at_least(&empty).expect("nothing is asked");
    assert_eq!(
        (read.tokens.len(), read.wait, read.level),
        (0, Millis(1000), None)
    );
    for wait in [
        "-1",
        "30001",
        "1.5",
        "soon",
        "",
        "+1",
        "99999999999999999999",
    ] {
        let map = headers(&[("evenkeel-wait", wait)]);
        let read = at_least(&map);
        assert_eq!(
            read.map_err(|problem| problem.code()),
            Err(Code::Schema),
            "{wait}"
        );
    }
    assert!(at_least(&headers(&[("evenkeel-consistency", "strong")])).is_err());
}

#[test]
fn a_deadline_is_a_moment() {
    let read = |value| deadline(&headers(&[("evenkeel-deadline", value)])).map_err(|_| ());
    assert_eq!(
        read("1970-01-01T00:00:01Z"),
        Ok(Some(LogTime::from_micros(1_000_000)))
    );
    assert_eq!(read("tomorrow"), Err(()));
    assert_eq!(deadline(&HeaderMap::new()).map_err(|_| ()), Ok(None));
}

#[test]
fn sizes_are_judged_in_the_order_of_the_contract() {
    let uri = |length: usize| {
        let text = format!("/{}", "a".repeat(length - 1));
        text.parse::<Uri>().expect("a long path")
    };
    let code =
        |uri: &Uri, map: &HeaderMap, body| sizes(uri, map, body).map_err(|problem| problem.code());
    let mut many = HeaderMap::new();
    for _ in 0..=FIELDS_MAX {
        many.append("x", HeaderValue::from_static("1"));
    }
    let large = headers(&[("x", "v".repeat(HEADERS_MAX).as_str())]);
    let over = BODY_MAX + 1;
    assert_eq!(code(&uri(URI_MAX), &HeaderMap::new(), BODY_MAX), Ok(()));
    assert_eq!(code(&uri(URI_MAX + 1), &many, over), Err(Code::UriTooLong));
    assert_eq!(code(&uri(9), &many, over), Err(Code::HeadersTooLarge));
    assert_eq!(code(&uri(9), &large, over), Err(Code::HeadersTooLarge));
    assert_eq!(code(&uri(9), &HeaderMap::new(), over), Err(Code::TooLarge));
}
