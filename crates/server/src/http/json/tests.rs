use super::*;

fn code(body: &[u8]) -> Option<Code> {
    parse(body).err().map(|problem| problem.code())
}

#[test]
fn what_is_not_one_json_value_is_malformed() {
    for body in [
        "",
        " ",
        "{",
        "}",
        "[1,]",
        "{\"a\":1,}",
        "{a:1}",
        "NaN",
        "Infinity",
        "01",
        "-",
        "1.",
        ".5",
        "1e",
        "+1",
        "tru",
        "nul",
        "\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\"a\nb\"",
        "1 2",
        "{} {}",
        "'a'",
        "\u{feff}{}",
        "[1 2]",
        "{\"a\" 1}",
        "{\"a\":1 \"b\":2}",
        "-01",
        "0x10",
    ] {
        assert_eq!(code(body.as_bytes()), Some(Code::MalformedJson), "{body:?}");
    }
}

#[test]
fn text_with_two_readings_is_refused_in_values_and_names() {
    for body in [
        "\"\\ud800\"",
        "\"\\ud800x\"",
        "\"\\ud800\\n\"",
        "\"\\ud800\\ud800\"",
        "\"\\udc00\"",
        "\"\\u0000\"",
        "{\"a\\u0000\":1}",
        "{\"\\uD800\":1}",
        "\"a\u{0}b\"",
    ] {
        assert_eq!(code(body.as_bytes()), Some(Code::BadText), "{body:?}");
    }
    assert_eq!(code(b"\"\xff\""), Some(Code::BadText));
    assert_eq!(code(b"{\"\xc3\x28\":1}"), Some(Code::BadText));
    assert_eq!(code(b"\"\xed\xa0\x80\""), Some(Code::BadText));
}

#[test]
fn a_member_named_twice_is_refused_however_it_is_spelled() {
    for body in [
        "{\"quantity\":1,\"quantity\":100}",
        "{\"a\":1,\"\\u0061\":2}",
        "[{\"b\":{\"a\":1,\"a\":1}}]",
    ] {
        assert_eq!(code(body.as_bytes()), Some(Code::DuplicateMember), "{body}");
    }
    let members = |last: usize| {
        let many: Vec<_> = (0..100)
            .chain([last])
            .map(|n| format!("\"m{n}\":{n}"))
            .collect();
        format!("{{{}}}", many.join(","))
    };
    assert_eq!(code(members(3).as_bytes()), Some(Code::DuplicateMember));
    assert_eq!(code(members(70).as_bytes()), Some(Code::DuplicateMember));
    assert_eq!(code(members(100).as_bytes()), None);
}

#[test]
fn thirty_two_levels_are_read_and_thirty_three_are_not() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let nested = |depth: usize| format!("{}1{}", open.repeat(depth), close.repeat(depth));
        assert_eq!(code(nested(32).as_bytes()), None);
        assert_eq!(code(nested(33).as_bytes()), Some(Code::TooDeep));
        assert_eq!(code(open.repeat(500_000).as_bytes()), Some(Code::TooDeep));
    }
}

#[test]
fn whole_numbers_stay_apart_from_those_that_look_like_them() {
    for (body, value) in [
        ("1", Value::Integer(1)),
        ("-3", Value::Integer(-3)),
        ("-0", Value::Integer(0)),
        ("1.0", Value::Decimal("1.0")),
        ("1e2", Value::Decimal("1e2")),
        ("-1.5E+3", Value::Decimal("-1.5E+3")),
        ("9007199254740992", Value::Integer(9_007_199_254_740_992)),
    ] {
        assert_eq!(parse(body.as_bytes()).ok(), Some(value), "{body}");
    }
    let endless = "9".repeat(400);
    assert_eq!(
        parse(endless.as_bytes()).ok(),
        Some(Value::Integer(i128::MAX))
    );
}

#[test]
fn escapes_are_read_as_json_says() {
    let body = "\"a\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude00é\"";
    let expected = "a\"\\/\u{8}\u{c}\n\r\té😀é";
    assert_eq!(
        parse(body.as_bytes()).ok(),
        Some(Value::Text(expected.into()))
    );
}

#[test]
fn spellings_of_one_value_have_one_canonical_form() {
    let form = |body: &str| {
        let mut out = Vec::new();
        canonical(&parse(body.as_bytes()).expect("a good body"), &mut out);
        String::from_utf8(out).expect("canonical text is UTF-8")
    };
    let one = form(" { \"b\" : [ 1 , null ] , \"a\" : \"\\u0041\\n\" } ");
    assert_eq!(one, "{\"a\":\"A\\n\",\"b\":[1,null]}");
    assert_eq!(one, form("{\"a\":\"A\\u000a\",\"b\":[1,null]}"));
    assert_ne!(form("[1,2]"), form("[2,1]"));
    assert_ne!(form("1"), form("1.0"));
    assert_ne!(form("[true,false]"), form("[\"true\",false]"));
}

#[test]
fn a_string_is_written_as_by_everybody_else_whatever_is_in_it() {
    let chars = (0..0x300).chain([0x2028, 0xd7ff, 0xe000, 0xffff, 0x1_0000, 0x10_ffff]);
    let chars: Vec<char> = chars.filter_map(char::from_u32).collect();
    let alone = chars.iter().map(ToString::to_string);
    let among = chars.iter().map(|one| format!("in stock{one}, 12"));
    for text in alone.chain(among).chain([String::new()]) {
        let mut out = Vec::new();
        quoted(&text, &mut out);
        assert_eq!(
            out,
            serde_json::to_vec(&text).expect("plain JSON"),
            "{text:?}"
        );
    }
}

#[test]
fn bodies_are_accepted_just_when_another_reader_accepts_them() {
    let mut seed = 7_u64;
    let mut next = |bound: usize| {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).expect("31 bits fit") % bound
    };
    let alphabet = [
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"a\"",
        "\"b\"",
        "1",
        "-",
        "0",
        ".",
        "e",
        " ",
        "true",
        "null",
        "\"\\n\"",
        "\"\\u00e9\"",
    ];
    for _ in 0..50_000 {
        let length = 1 + next(9);
        let body: String = (0..length)
            .map(|_| alphabet[next(alphabet.len())])
            .collect();
        let theirs = serde_json::from_str::<serde_json::Value>(&body).is_ok();
        let ours = matches!(code(body.as_bytes()), None | Some(Code::DuplicateMember));
        assert_eq!(ours, theirs, "{body}");
    }
}
