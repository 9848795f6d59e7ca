//! Summing: however a demand is written, it is judged as one.

use super::*;
use crate::quantity::MAX;

#[test]
fn lines_of_one_sku_and_location_become_one_in_order_of_appearance() {
    struct Row {
        when: Vec<Wanted>,
        then: Option<Vec<Wanted>>,
    }
    let table = [
        Row {
            when: vec![],
            then: Some(vec![]),
        },
        Row {
            when: vec![wanted("lamp", "main", 3), wanted("lamp", "main", 3)],
            then: Some(vec![wanted("lamp", "main", 6)]),
        },
        Row {
            when: vec![
                wanted("lamp", "main", 1),
                wanted("chair", "main", 2),
                wanted("lamp", "east", 4),
                wanted("lamp", "main", 8),
                wanted("Lamp", "main", 16),
            ],
            then: Some(vec![
                wanted("lamp", "main", 9),
                wanted("chair", "main", 2),
                wanted("lamp", "east", 4),
                wanted("Lamp", "main", 16),
            ]),
        },
        Row {
            when: vec![wanted("lamp", "main", MAX - 1), wanted("lamp", "main", 1)],
            then: Some(vec![wanted("lamp", "main", MAX)]),
        },
        Row {
            when: vec![wanted("lamp", "main", MAX), wanted("lamp", "main", 1)],
            then: None,
        },
        Row {
            when: vec![wanted("lamp", "main", MAX), wanted("lamp", "east", MAX)],
            then: Some(vec![
                wanted("lamp", "main", MAX),
                wanted("lamp", "east", MAX),
            ]),
        },
    ];
    for row in table {
        assert_eq!(sum(&row.when), row.then, "{:?}", row.when);
    }
}

#[test]
fn the_most_lines_of_a_request_sum_up() {
    let lines = vec![wanted("lamp", "main", 2); LINES_MAX];
    let all = 2 * LINES_MAX as u64;
    assert_eq!(sum(&lines), Some(vec![wanted("lamp", "main", all)]));
}
