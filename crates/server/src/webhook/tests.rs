//! What is signed verifies; whatever differs from it by one byte or one second too many does not.

use super::verify::Verdict;
use super::*;
use evenkeel_engine::clock::SystemIds;
use http::{HeaderMap, HeaderValue};

const SECRET: &str = "whsec_AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcY";
const BODY: &[u8] = br#"{"type":"payment.completed","order":"o-1"}"#;
/// 2026-01-01T00:00:00Z.
const NOW: i64 = 1_767_225_600;
/// Made by another implementation of HMAC, of `evt-1.1767225600.` and the body.
const BY_SECRET: &str = "v1,Krb0X+AA1cRxM3/aVa3kff7vG2xJ2lXwgI0cgcFnKOE=";
const BY_PLAIN_TEXT: &str = "v1,osM3j2aZOfvYQfcYiRg5TwpuhqsXluew7JKz/vKnl+M=";

fn at(second: i64) -> LogTime {
    LogTime::from_micros(second * 1_000_000)
}

fn ring(secrets: &[&str]) -> Ring {
    Ring::new(secrets).expect("these are secrets")
}

fn headers(id: &str, timestamp: &str, signature: &str) -> HeaderMap {
    let value = |text: &str| HeaderValue::from_str(text).expect("a header's value");
    HeaderMap::from_iter([
        (ID, value(id)),
        (TIMESTAMP, value(timestamp)),
        (SIGNATURE, value(signature)),
    ])
}

fn signed(ring: &Ring) -> HeaderMap {
    let Signed {
        id,
        timestamp,
        signature,
    } = ring.sign("evt-1", at(NOW), BODY);
    headers(&id, &timestamp, &signature)
}

fn good() -> Verdict {
    Verdict::Ok("evt-1".to_owned())
}

#[test]
fn a_signature_is_the_one_that_others_make() {
    for (secret, signature) in [(SECRET, BY_SECRET), ("plain text", BY_PLAIN_TEXT)] {
        let made = ring(&[secret]).sign("evt-1", at(NOW), BODY);
        assert_eq!(made.signature, signature, "{secret}");
        assert_eq!(made.timestamp, "1767225600");
        let names = made.headers().map(|(name, _)| name);
        assert_eq!(names, [ID, TIMESTAMP, SIGNATURE]);
    }
}

#[test]
fn what_was_signed_verifies_and_names_its_event() {
    let ring = ring(&[SECRET]);
    assert_eq!(ring.verify(&signed(&ring), BODY, at(NOW)), good());
}

#[test]
fn one_other_byte_anywhere_is_a_bad_signature() {
    let ring = ring(&[SECRET]);
    let headers_of = signed(&ring);
    for index in 0..BODY.len() {
        let mut body = BODY.to_vec();
        body[index] ^= 1;
        let verdict = ring.verify(&headers_of, &body, at(NOW));
        assert_eq!(verdict, Verdict::BadSignature, "byte {index}");
    }
    let tag = STANDARD
        .decode(&BY_SECRET["v1,".len()..])
        .expect("it is base64");
    for index in 0..tag.len() {
        let mut tag = tag.clone();
        tag[index] ^= 0x80;
        let forged = format!("v1,{}", STANDARD.encode(tag));
        let verdict = ring.verify(&headers("evt-1", "1767225600", &forged), BODY, at(NOW));
        assert_eq!(verdict, Verdict::BadSignature, "byte {index}");
    }
    for (id, timestamp) in [("evt-2", "1767225600"), ("evt-1", "1767225601")] {
        let verdict = ring.verify(&headers(id, timestamp, BY_SECRET), BODY, at(NOW));
        assert_eq!(verdict, Verdict::BadSignature, "{id} {timestamp}");
    }
}

#[test]
fn a_signature_cut_short_or_empty_is_bad() {
    let ring = ring(&[SECRET]);
    let tag = STANDARD
        .decode(&BY_SECRET["v1,".len()..])
        .expect("it is base64");
    for length in 0..tag.len() {
        let cut = format!("v1,{}", STANDARD.encode(&tag[..length]));
        let verdict = ring.verify(&headers("evt-1", "1767225600", &cut), BODY, at(NOW));
        assert_eq!(verdict, Verdict::BadSignature, "{length} bytes");
    }
}

#[test]
fn a_body_written_again_with_one_space_is_a_bad_signature() {
    let ring = ring(&[SECRET]);
    let spaced = br#"{"type": "payment.completed","order":"o-1"}"#;
    let verdict = ring.verify(&signed(&ring), spaced, at(NOW));
    assert_eq!(verdict, Verdict::BadSignature);
}

#[test]
fn a_signature_counts_for_300_seconds_in_both_directions() {
    let ring = ring(&[SECRET]);
    for (off, verdict) in [
        (-301, Verdict::Stale),
        (-300, good()),
        (0, good()),
        (300, good()),
        (301, Verdict::Stale),
    ] {
        assert_eq!(
            ring.verify(&signed(&ring), BODY, at(NOW + off)),
            verdict,
            "{off} s"
        );
    }
}

#[test]
fn a_time_beyond_all_numbers_is_stale_and_not_a_panic() {
    let ring = ring(&[SECRET]);
    let timestamp = "9".repeat(40);
    let mac = fed(&ring.0[0], ("evt-1", &timestamp), BODY).finalize();
    let signature = format!("v1,{}", STANDARD.encode(mac.into_bytes()));
    let verdict = ring.verify(&headers("evt-1", &timestamp, &signature), BODY, at(NOW));
    assert_eq!(verdict, Verdict::Stale);
}

#[test]
fn a_forgery_is_told_nothing_about_its_age() {
    let ring = ring(&[SECRET]);
    let verdict = ring.verify(&headers("evt-1", "1", BY_SECRET), BODY, at(NOW));
    assert_eq!(verdict, Verdict::BadSignature);
}

#[test]
fn the_first_secret_signs_and_all_verify() {
    let (old, new) = (ring(&[SECRET]), ring(&["plain text"]));
    let both = ring(&["plain text", SECRET]);
    assert_eq!(both.sign("evt-1", at(NOW), BODY).signature, BY_PLAIN_TEXT);
    for signer in [&old, &new, &both] {
        assert_eq!(both.verify(&signed(signer), BODY, at(NOW)), good());
    }
    let verdict = old.verify(&signed(&both), BODY, at(NOW));
    assert_eq!(verdict, Verdict::BadSignature);
}

#[test]
fn any_signature_of_a_list_is_enough() {
    let ring = ring(&[SECRET]);
    for (list, verdict) in [
        (format!("{BY_PLAIN_TEXT} {BY_SECRET}"), good()),
        (format!("v1a,abc= v2,x {BY_SECRET} v1,%%"), good()),
        (
            format!("{BY_PLAIN_TEXT} {BY_PLAIN_TEXT}"),
            Verdict::BadSignature,
        ),
        (format!("{BY_SECRET} ").repeat(17), Verdict::Malformed),
        (BY_SECRET.replace("v1,", "v2,"), Verdict::Malformed),
    ] {
        let given = headers("evt-1", "1767225600", &list);
        assert_eq!(ring.verify(&given, BODY, at(NOW)), verdict, "{list}");
    }
}

#[test]
fn a_missing_header_is_missing_and_a_second_one_malformed() {
    let ring = ring(&[SECRET]);
    for name in [ID, TIMESTAMP, SIGNATURE] {
        let mut without = signed(&ring);
        let value = without.remove(&name).expect("it was there");
        let verdict = ring.verify(&without, BODY, at(NOW));
        assert_eq!(verdict, Verdict::Missing, "{name}");
        let mut twice = signed(&ring);
        twice.append(&name, value);
        let verdict = ring.verify(&twice, BODY, at(NOW));
        assert_eq!(verdict, Verdict::Malformed, "{name}");
    }
}

#[test]
fn headers_of_another_form_are_malformed() {
    let ring = ring(&[SECRET]);
    let long = "i".repeat(256);
    for (id, timestamp, signature) in [
        ("", "1767225600", BY_SECRET),
        (&long, "1767225600", BY_SECRET),
        ("evt 1", "1767225600", BY_SECRET),
        ("evt-1", "", BY_SECRET),
        ("evt-1", "-1767225600", BY_SECRET),
        ("evt-1", "+1767225600", BY_SECRET),
        ("evt-1", "1767225600.0", BY_SECRET),
        ("evt-1", "2026-01-01T00:00:00Z", BY_SECRET),
        ("evt-1", "1767225600", ""),
        ("evt-1", "1767225600", "v1"),
        ("evt-1", "1767225600", "v1,!"),
        ("evt-1", "1767225600", &BY_SECRET["v1,".len()..]),
    ] {
        let verdict = ring.verify(&headers(id, timestamp, signature), BODY, at(NOW));
        assert_eq!(
            verdict,
            Verdict::Malformed,
            "{id:?} {timestamp:?} {signature:?}"
        );
    }
    let mut foreign = signed(&ring);
    let bytes = HeaderValue::from_bytes(b"evt-\xff").expect("opaque bytes are a value");
    foreign.insert(ID, bytes);
    assert_eq!(ring.verify(&foreign, BODY, at(NOW)), Verdict::Malformed);
}

#[test]
fn a_secret_is_base64_behind_its_prefix_and_never_empty() {
    let unpadded = "whsec_AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGQ";
    let padded = format!("{unpadded}==");
    let ids = (unpadded, padded.as_str());
    let made = [ids.0, ids.1].map(|secret| ring(&[secret]).sign("evt-1", at(NOW), BODY));
    assert_eq!(made[0], made[1]);
    for (secret, why) in [
        ("", BadSecret::Empty),
        ("whsec_", BadSecret::Empty),
        ("whsec_not base64", BadSecret::Base64),
    ] {
        assert_eq!(Ring::new(&[SECRET, secret]).err(), Some(why), "{secret:?}");
    }
    assert_eq!(Ring::new::<&str>(&[]).err(), Some(BadSecret::Empty));
}

#[test]
fn a_made_secret_has_24_random_bytes() {
    let (one, other) = (new_secret(&SystemIds), new_secret(&SystemIds));
    assert_ne!(one, other);
    let encoded = one.strip_prefix("whsec_").expect("it has its prefix");
    assert_eq!(STANDARD.decode(encoded).expect("it is base64").len(), 24);
    assert_eq!(
        ring(&[&one]).verify(&signed(&ring(&[&one])), BODY, at(NOW)),
        good()
    );
}

#[test]
fn a_ring_never_shows_its_secrets() {
    assert_eq!(format!("{:?}", ring(&[SECRET])), "Ring(1 secrets)");
}
