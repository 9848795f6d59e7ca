//! What is an id and what is not.

use super::*;

#[test]
fn an_id_is_taken_or_refused_by_its_length_and_characters() {
    let long = "a".repeat(ID_MAX);
    let too_long = "a".repeat(ID_MAX + 1);
    let cases: [(&str, Result<(), BadId>); 11] = [
        ("h-1", Ok(())),
        ("A.b_c:d~e-9", Ok(())),
        (&long, Ok(())),
        ("", Err(BadId::Empty)),
        (&too_long, Err(BadId::TooLong { max: ID_MAX })),
        ("-h", Err(BadId::Character)),
        ("a/b", Err(BadId::Character)),
        ("a\nb", Err(BadId::Character)),
        ("a\u{202e}b", Err(BadId::Character)),
        ("ann@example.org", Err(BadId::Character)),
        ("h-1 ", Err(BadId::Character)),
    ];
    for (text, expected) in cases {
        assert_eq!(HoldId::new(text).map(|_| ()), expected, "{text:?}");
    }
}

#[test]
fn a_sku_is_at_most_sixty_characters() {
    assert!(SkuId::new(&"s".repeat(SKU_MAX)).is_ok());
    let refused = SkuId::new(&"s".repeat(SKU_MAX + 1));
    assert_eq!(refused, Err(BadId::TooLong { max: SKU_MAX }));
}

#[test]
fn ids_that_differ_in_case_are_different_ids() {
    assert_ne!(HoldId::new("Key-A"), HoldId::new("key-a"));
}
