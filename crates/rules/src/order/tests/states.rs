//! The machine of orders, pair by pair, and the names that bodies spell.

use super::*;

/// The design's machine, but for QUEUED, which is no order yet, and REJECTED, where one begins.
const LEGAL: [(Status, Status); 13] = [
    (Status::Pending, Status::Paid),
    (Status::Pending, Status::Cancelled),
    (Status::Pending, Status::Expired),
    (Status::Expired, Status::Paid),
    (Status::Paid, Status::Confirmed),
    (Status::Paid, Status::Cancelled),
    (Status::Paid, Status::Refunded),
    (Status::Confirmed, Status::Shipped),
    (Status::Confirmed, Status::Cancelled),
    (Status::Confirmed, Status::Refunded),
    (Status::Shipped, Status::Delivered),
    (Status::Shipped, Status::Refunded),
    (Status::Delivered, Status::Refunded),
];

#[test]
fn the_legal_pairs_are_those_of_the_machine() {
    for from in Status::ALL {
        for to in Status::ALL {
            let expected = LEGAL.contains(&(from, to));
            let next = from.next(to);
            assert_eq!(next.is_ok(), expected, "{from:?} {to:?}");
            assert!(next.is_ok() || next == Err(Illegal { from, to }));
        }
    }
}

#[test]
fn an_order_is_found_by_its_status_and_by_no_other_word() {
    for status in Status::ALL {
        assert_eq!(Status::from_name(status.name()), Some(status));
        let text = serde_json::to_string(&status).expect("a status is a string");
        assert_eq!(text, format!("\"{}\"", status.name()));
    }
    assert_eq!(Status::from_name("QUEUED"), None);
}

#[test]
fn ended_means_that_no_provider_is_asked_for_the_orders_own_sake() {
    let open = [
        Status::Pending,
        Status::Paid,
        Status::Confirmed,
        Status::Shipped,
    ];
    for status in Status::ALL {
        assert_eq!(status.is_ended(), !open.contains(&status), "{status:?}");
    }
}

#[test]
fn reasons_and_kinds_are_written_as_bodies_spell_them() {
    let reasons = [
        Reason::Declined,
        Reason::NotDone,
        Reason::Partial,
        Reason::Unpaid,
        Reason::Requested,
        Reason::ReviewRejected,
        Reason::Late,
        Reason::CancelledBefore,
    ];
    for reason in reasons {
        let text = serde_json::to_string(&reason).expect("a reason is a string");
        assert_eq!(text, format!("\"{}\"", reason.name()));
    }
    for kind in AdjustmentKind::ALL {
        let text = serde_json::to_string(&kind).expect("a kind is a string");
        assert_eq!(text, format!("\"{}\"", kind.name()));
    }
}

#[test]
fn a_patch_of_nothing_is_empty_and_changes_nothing() {
    let order = taken(1_000).0.created;
    let patch = Patch::between(&order, &order);
    assert_eq!(serde_json::to_string(&patch).expect("it is data"), "{}");
    assert_eq!(patch.apply(order.clone()), order);
}
