use super::*;

const SOLD_OUT: &[u8] = br#"{"type":"urn:evenkeel:stock.sold_out","title":"Sold out","status":409,
    "code" : "stock.sold_out","detail":"of \"lamp\"","as_of":"main.1:812","retryable":true}"#;

#[test]
fn a_head_is_read_only_when_whole() {
    let text = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\nEvenkeel-Position: main.1:7\r\n\
        Idempotency-Replayed: true\r\nRetry-After: 3\r\n\r\n{}";
    for cut in 0..text.len() - 2 {
        assert_eq!(head(&text[..cut]), Ok(None), "cut at {cut}");
    }
    let found = head(text).expect("it parses").expect("it is whole");
    assert_eq!(found.status, 201);
    assert_eq!(found.length, text.len() - 2);
    assert_eq!(found.body, Framing::Length(2));
    assert_eq!(&text[found.position.expect("it has one")], b"main.1:7");
    assert!(found.replayed && !found.close);
    assert_eq!(found.retry_after, Some(3));
}

#[test]
fn the_end_of_a_body_is_known_by_length_chunks_or_close() {
    let framing = |lines: &str| {
        let text = format!("HTTP/1.1 200 OK\r\n{lines}\r\n");
        head(text.as_bytes()).map(|found| found.map(|found| (found.body, found.close)))
    };
    assert_eq!(
        framing("content-length: 5\r\n"),
        Ok(Some((Framing::Length(5), false)))
    );
    assert_eq!(
        framing("transfer-encoding: chunked\r\n"),
        Ok(Some((Framing::Chunked, false)))
    );
    assert_eq!(framing(""), Ok(Some((Framing::UntilClose, true))));
    assert_eq!(
        framing("content-length: 0\r\nconnection: close\r\n"),
        Ok(Some((Framing::Length(0), true)))
    );
    assert!(framing("content-length: x\r\n").is_err());
    assert!(framing("transfer-encoding: gzip\r\n").is_err());
}

#[test]
fn chunks_are_put_together_only_when_the_last_is_there() {
    let text = b"4\r\nWiki\r\n6\r\npedia \r\n0\r\nx: y\r\n\r\nnext";
    let mut body = Vec::new();
    for cut in 0..text.len() - 4 {
        assert_eq!(chunks(&text[..cut], &mut body), Ok(None), "cut at {cut}");
    }
    assert_eq!(chunks(text, &mut body), Ok(Some(text.len() - 4)));
    assert_eq!(body, b"Wikipedia ");
    assert!(chunks(b"4\r\nWikis\r\n0\r\n\r\n", &mut body).is_err());
}

#[test]
fn members_are_found_by_name_not_by_value() {
    assert_eq!(member(SOLD_OUT, "code"), Some("stock.sold_out"));
    assert_eq!(member(SOLD_OUT, "as_of"), Some("main.1:812"));
    assert_eq!(
        member(SOLD_OUT, "detail"),
        None,
        "an escaped text is not guessed at"
    );
    assert_eq!(member(SOLD_OUT, "status"), None, "a number is no text");
    assert_eq!(member(br#"{"a":"code","code":"x"}"#, "code"), Some("x"));
    assert_eq!(member(b"{\"code", "code"), None);
    assert_eq!(member(b"", "code"), None);
}
