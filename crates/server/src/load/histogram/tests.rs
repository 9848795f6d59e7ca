use super::*;

#[test]
fn every_value_falls_into_a_cell_that_reaches_at_most_a_sixty_fourth_above_it() {
    let mut values: Vec<u64> = (0..3000).collect();
    values.extend((12..TOP_BITS).flat_map(|bits| [(1 << bits) - 1, 1 << bits, (1 << bits) + 1]));
    for value in values.into_iter().filter(|value| *value < 1 << TOP_BITS) {
        let top = upper(cell(value));
        assert!(
            value <= top && top <= value + value / 64,
            "{value} in a cell up to {top}"
        );
    }
}

#[test]
fn cells_follow_each_other_without_gap() {
    for index in 1..CELLS {
        assert_eq!(cell(upper(index - 1) + 1), index);
    }
    assert_eq!(cell(u64::MAX), CELLS - 1);
}

#[test]
fn percentiles_are_those_of_the_values() {
    let mut histogram = Histogram::default();
    for micros in 1..=1000 {
        histogram.record(Duration::from_micros(micros));
    }
    for (share, expected) in [(0.5, 0.5), (0.9, 0.9), (0.99, 0.99), (0.999, 0.999)] {
        let found = histogram.quantile_ms(share);
        assert!(
            found >= expected && found <= expected * 1.016 + 0.001,
            "{share}: {found}"
        );
    }
    assert_eq!(histogram.greatest_ms(), 1.0);
    assert_eq!(histogram.quantile_ms(1.0), 1.0);
    assert_eq!(Histogram::default().quantile_ms(0.5), 0.0);
}

#[test]
fn what_was_counted_since_a_moment_leaves_out_what_was_there() {
    let mut histogram = Histogram::default();
    histogram.record(Duration::from_secs(9));
    let before = histogram.clone();
    assert_eq!((&histogram - &before).quantile_ms(0.99), 0.0);
    for _ in 0..100 {
        histogram.record(Duration::from_millis(2));
    }
    let since = &histogram - &before;
    assert!(since.quantile_ms(0.99) < 2.1, "{}", since.quantile_ms(0.99));
    assert!(since.greatest_ms() < 2.1, "{}", since.greatest_ms());
}
