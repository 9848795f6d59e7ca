use super::*;

fn written(request: &Outgoing<'_>) -> Result<String, BreaksLine> {
    let target = Target::new("http://127.0.0.1:7411").expect("a good address");
    let mut buffer = b"of the last request".to_vec();
    write(&mut buffer, &target, request)?;
    Ok(String::from_utf8(buffer).expect("requests here are ASCII"))
}

#[test]
fn a_post_carries_token_key_and_length() {
    let caller = Caller::bearer("ek_1").expect("a good token");
    let text = written(&Outgoing {
        method: "POST",
        path: "/v1/holds",
        caller: &caller,
        key: Some("k-1"),
        body: Some(br#"{"lines":[]}"#),
    });
    assert_eq!(
        text.as_deref(),
        Ok(
            "POST /v1/holds HTTP/1.1\r\nhost: 127.0.0.1:7411\r\nauthorization: Bearer ek_1\r\n\
            idempotency-key: k-1\r\ncontent-type: application/json\r\ncontent-length: 12\r\n\r\n\
            {\"lines\":[]}"
        )
    );
}

#[test]
fn a_get_has_no_body_and_needs_no_token() {
    let caller = Caller::nobody();
    let request = Outgoing {
        method: "GET",
        path: "/livez",
        caller: &caller,
        key: None,
        body: None,
    };
    assert_eq!(
        written(&request).as_deref(),
        Ok("GET /livez HTTP/1.1\r\nhost: 127.0.0.1:7411\r\n\r\n")
    );
}

#[test]
fn nothing_can_break_out_of_its_line() {
    let caller = Caller::nobody();
    let get = Outgoing {
        method: "GET",
        path: "/a b",
        caller: &caller,
        key: None,
        body: None,
    };
    assert_eq!(written(&get), Err(BreaksLine));
    let get = Outgoing {
        path: "/a",
        key: Some("k\r\nx: y"),
        ..get
    };
    assert_eq!(written(&get), Err(BreaksLine));
    assert!(Caller::bearer("ek\r\nx: y").is_err());
    assert!(Caller::bearer("").is_err());
}

#[test]
fn numbers_are_written_as_digits() {
    for number in [0_usize, 9, 10, 12_345, 1_048_576] {
        let mut buffer = Vec::new();
        put_number(&mut buffer, number);
        assert_eq!(buffer, number.to_string().into_bytes());
    }
}
