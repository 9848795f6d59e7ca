//! The filter never says that a known name is unknown.

use super::*;

fn name(number: u64) -> Name {
    let mut name = [0; 16];
    let (one, two) = (
        number.wrapping_mul(0x9e37_79b9_7f4a_7c15),
        (number + 7).wrapping_mul(0xd1b5_4a32_d192_ed03),
    );
    name[..8].copy_from_slice(&one.to_be_bytes());
    name[8..].copy_from_slice(&two.to_be_bytes());
    name
}

fn upto(position: u64, refusals: u64) -> Upto {
    Upto { position, refusals }
}

#[test]
fn a_known_name_is_never_unknown_and_few_unknown_are_taken_for_known() {
    let names = Names::default();
    let last = 2 * RANGE + 9;
    let all = (1..=last).map(|at| (name(at), at.cast_signed()));
    let full = names.heard(all, upto(last, 0));
    let ranges: Vec<Range> = full.iter().map(|(range, _)| *range).collect();
    assert_eq!(ranges, [(false, 0), (false, 1)]);
    assert_eq!(names.upto(), upto(last, 0));
    assert!((1..=last).all(|at| names.may_know(&name(at))));
    let wrong = (last + 1..last + 100_001).filter(|at| names.may_know(&name(*at)));
    let wrong = wrong.count();
    assert!(wrong < 1_500, "{wrong} of 100,000");
}

#[test]
fn kept_filters_are_taken_over_up_to_the_first_that_is_missing() {
    let names = Names::default();
    let last = 3 * RANGE;
    let all = (1..=last).map(|at| (name(at), at.cast_signed()));
    let refused = (1..=RANGE).map(|at| (name(last + at), -at.cast_signed()));
    let kept = names.heard(all.chain(refused), upto(last, RANGE));
    assert_eq!(kept.len(), 4);
    let next = Names::default();
    for (range, bits) in kept.into_iter().filter(|(range, _)| *range != (false, 1)) {
        next.adopt(range, bits);
    }
    assert_eq!(next.upto(), upto(RANGE, RANGE));
    assert!(next.may_know(&name(1)) && next.may_know(&name(last + 1)));
    let missing = (RANGE + 1..=last).map(|at| (name(at), at.cast_signed()));
    next.heard(missing, upto(last, RANGE));
    assert!((1..=last + RANGE).all(|at| next.may_know(&name(at))));
}
