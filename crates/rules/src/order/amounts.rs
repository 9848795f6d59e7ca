//! What an order's money comes to.
//!
//! Every amount is a sum over distinct facts, in minor units of the order's currency, so it does
//! not depend on the order in which they came. What a refund of ours takes back is never counted
//! again as given back by the provider: `refunded <= refund_requested <= captured <= authorised`.

use super::{Order, Refund, RefundStatus, Status, Units, Why};
use crate::payment::{self, Charge};

impl Order {
    /// Minor units that are on their way back or went back.
    #[must_use]
    pub fn refund_requested(&self) -> i64 {
        self.given_back() + total(self.live_refunds())
    }

    /// Minor units that went back.
    #[must_use]
    pub fn refunded(&self) -> i64 {
        let done = |refund: &&Refund| refund.status() == RefundStatus::Completed;
        self.given_back() + total(self.refunds.iter().filter(done))
    }

    /// Minor units that the shop, or the provider by itself, gave back for a live order's sake.
    #[must_use]
    pub fn granted(&self) -> i64 {
        let asked = |refund: &&Refund| refund.why == Why::Asked;
        self.given_back() + total(self.live_refunds().filter(asked))
    }

    fn live_refunds(&self) -> impl Iterator<Item = &Refund> {
        let live = |refund: &&Refund| refund.status() != RefundStatus::Failed;
        self.refunds.iter().filter(live)
    }

    /// Minor units of one transaction that refunds of ours take, or have taken, back.
    fn taken_back(&self, charge: &Charge) -> i64 {
        let mine = |refund: &&Refund| refund.charge == charge.transaction;
        total(self.live_refunds().filter(mine))
    }

    /// Minor units of one transaction that the provider gave back by itself. What a refund of ours
    /// takes back already is not counted again: the provider may have told the same thing twice.
    fn given_back_of(&self, charge: &Charge) -> i64 {
        let room = charge.amount - self.taken_back(charge);
        let returned = self.payment.returned_of(&charge.transaction);
        returned.min(room).max(0)
    }

    /// Minor units that the provider gave back by itself; it counts once the money that it gives
    /// back is known to have come.
    #[must_use]
    pub fn given_back(&self) -> i64 {
        let of = |charge: &Charge| self.given_back_of(charge);
        let all = self.payment.completed().map(of);
        all.fold(0, i64::saturating_add)
    }

    /// Whether the provider gave back by itself what a refund of ours wants to take back.
    pub(super) fn is_overtaken(&self, refund: &Refund) -> bool {
        let charge = self.payment.charge(&refund.charge);
        let told = self.payment.returned_of(&refund.charge);
        charge.is_some_and(|charge| self.given_back_of(charge) < told)
    }

    /// Minor units of one transaction that nobody took back yet.
    pub(super) fn left_of(&self, charge: &Charge) -> i64 {
        charge.amount - self.taken_back(charge) - self.given_back_of(charge)
    }

    /// The payment's status, a function of the amounts.
    #[must_use]
    pub fn payment_status(&self) -> payment::Status {
        use payment::Status as Paid;
        let captured = self.payment.captured();
        match (captured > 0, self.refunded() >= captured) {
            (true, true) => Paid::Refunded,
            (true, false) => Paid::Completed,
            (false, _) if self.payment.failed => Paid::Failed,
            (false, _) => Paid::Pending,
        }
    }

    /// Minor units that the customer owes for units: what captured less refunded must come to once
    /// nothing is on its way any more.
    #[must_use]
    pub fn amount_due(&self) -> i64 {
        match self.status {
            Status::Paid | Status::Confirmed | Status::Shipped | Status::Delivered
                if self.units != Units::Free =>
            {
                (self.total.amount - self.granted()).max(0)
            }
            Status::Pending => self.total.amount,
            Status::Paid
            | Status::Confirmed
            | Status::Shipped
            | Status::Delivered
            | Status::Rejected
            | Status::Refunded
            | Status::Cancelled
            | Status::Expired => 0,
        }
    }
}

fn total<'a>(refunds: impl Iterator<Item = &'a Refund>) -> i64 {
    refunds.fold(0, |sum, refund| sum.saturating_add(refund.amount))
}
