use super::*;
use std::collections::BTreeSet;

fn parsed(problem: &Problem) -> serde_json::Value {
    serde_json::from_slice(&problem.document("/v1/\"x\"")).expect("a document is JSON")
}

#[test]
fn every_document_has_the_members_of_the_contract() {
    for code in Code::ALL {
        let meaning = code.meaning();
        let document = parsed(&Problem::new(*code));
        assert_eq!(document["type"], format!("urn:evenkeel:{}", meaning.code));
        assert_eq!(document["code"], meaning.code);
        assert_eq!(document["status"], meaning.status);
        assert_eq!(document["title"], meaning.title);
        assert_eq!(document["instance"], "/v1/\"x\"");
        assert_eq!(document["help"], format!("/docs/errors/{}", meaning.code));
        assert_eq!(document["retryable"], meaning.retryable);
        assert!(
            document["detail"]
                .as_str()
                .is_some_and(|detail| !detail.is_empty())
        );
        let listed = meaning.status == 422 && meaning.code != "key_reused";
        assert_eq!(
            document.get("violations").is_some(),
            listed,
            "{}",
            meaning.code
        );
    }
}

#[test]
fn codes_are_distinct_and_found_by_name() {
    let names: BTreeSet<_> = Code::ALL.iter().map(|code| code.meaning().code).collect();
    assert_eq!(names.len(), Code::ALL.len());
    for code in Code::ALL {
        assert_eq!(Code::from_name(code.meaning().code), Some(*code));
    }
    assert_eq!(Code::from_name("nonsense"), None);
}

#[test]
fn just_these_codes_may_be_tried_again() {
    let again: BTreeSet<_> = Code::ALL
        .iter()
        .map(|code| code.meaning())
        .filter(|meaning| meaning.retryable)
        .map(|meaning| meaning.code)
        .collect();
    let expected = "stock.sold_out limit.customer sale.not_open hold.confirming request_timeout \
        rate_limited unavailable in_flight not_yet outcome_unknown disk_full";
    assert_eq!(again, expected.split_ascii_whitespace().collect());
}

#[test]
fn the_gravest_violation_names_the_problem() {
    let violation = |code| Violation {
        pointer: "/a".to_owned(),
        code,
    };
    for (codes, expected) in [
        (vec!["min", "bad_id", "unknown_member"], Code::UnknownMember),
        (vec!["limit_exceeded", "bad_id"], Code::BadId),
        (vec!["min", "limit_exceeded"], Code::LimitExceeded),
        (vec!["min", "type"], Code::Schema),
    ] {
        let problem = Problem::violated(codes.into_iter().map(violation).collect());
        assert_eq!(problem.code(), expected);
    }
}

#[test]
fn answers_carry_the_headers_that_clients_act_on() {
    for (code, header) in [
        (Code::Unauthenticated, WWW_AUTHENTICATE),
        (Code::RateLimited, RETRY_AFTER),
        (Code::Unavailable, RETRY_AFTER),
        (Code::NotYet, RETRY_AFTER),
        (Code::InFlight, RETRY_AFTER),
    ] {
        let answer = Problem::new(code).render("/");
        assert!(answer.headers().contains_key(header), "{code:?}");
        assert_eq!(answer.headers()[CONTENT_TYPE], "application/problem+json");
    }
    let answer = Problem::new(Code::MethodNotAllowed)
        .allow("GET, PUT")
        .render("/");
    assert_eq!(answer.headers()[ALLOW], "GET, PUT");
    assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
}

#[test]
fn extra_members_stand_beside_the_others() {
    let problem = Problem::new(Code::HoldExpired)
        .member("ended_as", "expired")
        .member("ended_at", "2026-01-01T00:00:00.000Z");
    let document = parsed(&problem);
    assert_eq!(document["ended_as"], "expired");
    assert_eq!(document["ended_at"], "2026-01-01T00:00:00.000Z");
}
