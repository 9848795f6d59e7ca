//! What a commit needs to look at, named all at once.
//!
//! A commit may be widened only a few times before the answer is a definite no. So whichever row
//! stopped the judge, the commit is queued again with every row that its command is known to want
//! by then; nothing is decided here, and a row too many costs a read and no more.

use super::allocation::places;
use super::carts::cart_wants;
use super::orders::take_wants;
use super::{Judge, Stop};
use crate::commit::{Command, Commit, Key};
use crate::port::{Place, Rows, Touch};
use evenkeel_rules::ids::{HoldId, SagaId, SkuId};
use evenkeel_rules::stock::Move;

impl Judge<'_> {
    /// Every row that the command is known to want, as far as the view tells.
    pub(super) fn needs(&self, commit: &Commit) -> Touch {
        match &commit.command {
            Command::PutSku { terms } => rows(vec![terms.sku.clone()], Vec::new()),
            Command::ChangeStock {
                sku,
                location,
                change,
                ..
            } => {
                let at = |location| (sku.clone(), location);
                let mut balances = vec![at(location.clone())];
                balances.extend(change.arrives().cloned().map(at));
                if let Some(Some(row)) = self.ledger.skus.get(sku) {
                    balances.extend(row.locations.iter().cloned().map(at));
                }
                rows(vec![sku.clone()], balances)
            }
            Command::Place(place) => {
                let skus = place.lines.iter().map(|line| line.sku.clone());
                let balances = places(&place.lines, self.context.allocation);
                Touch {
                    holds: vec![place.id.clone()],
                    shares: self.ledger.shares_of(&commit.command),
                    ..rows(skus.collect(), balances)
                }
            }
            Command::Confirm { id, .. }
            | Command::Release { id }
            | Command::Extend { id, .. }
            | Command::Expire { id } => Touch {
                holds: vec![id.clone()],
                shares: self.shares_of_hold(id),
                ..rows(Vec::new(), self.places_of(id))
            },
            Command::TakeOrder { ask, .. } => {
                let mut touch = take_wants(ask, self.context.allocation);
                touch.shares = self.ledger.shares_of(&commit.command);
                let given = ask.hold.iter().flat_map(|id| self.places_of(id));
                touch.rows.balances.extend(given);
                touch
            }
            Command::CancelOrder { id, .. }
            | Command::RefundOrder { id, .. }
            | Command::ReturnOrder { id, .. }
            | Command::ResolveOrder { id, .. }
            | Command::Report { id, .. }
            | Command::WarnOrder { id, .. } => self.wants_of(id),
            Command::BeginCart { .. } => cart_wants(&commit.command, None),
            Command::SetLine { .. } | Command::CheckOut { .. } => {
                self.wants_of_cart(&commit.command)
            }
            Command::StartSaga { ask, .. } => saga(&ask.id),
            Command::RetrySaga { id, .. }
            | Command::CompensateSaga { id, .. }
            | Command::ReportStep { id, .. } => saga(id),
            Command::StoreCallback(received) => Touch {
                keys: vec![Key::of_callback(received).name],
                ..self.wants_of(&received.order)
            },
            Command::ApplyCallback { created, .. } => self.wants_of_callback(*created),
            Command::Erase { .. }
            | Command::Beat { .. }
            | Command::RaiseFormat
            | Command::Restored
            | Command::Upkeep(_) => Touch::default(),
            Command::Subscription(asked) => self.subscribing_wants(commit, asked),
            Command::CreateToken { id, .. } | Command::RevokeToken { id } => Touch {
                tokens: vec![id.clone()],
                ..Touch::default()
            },
        }
    }

    fn wants_of_callback(&self, created: u64) -> Touch {
        let row = self.view.callbacks.get(&created).and_then(Option::as_ref);
        Touch {
            callbacks: vec![created],
            ..row.map_or_else(Touch::default, |row| self.wants_of(&row.body.order))
        }
    }

    fn places_of(&self, id: &HoldId) -> Vec<Place> {
        let row = self.view.holds.get(id).and_then(Option::as_ref);
        let lines = row.into_iter().flat_map(|row| &row.hold.lines);
        lines
            .map(|line| (line.sku.clone(), line.location.clone()))
            .collect()
    }

    /// The same stop, with all places that the moves touch: a pull may end holds of many.
    pub(super) fn with_places(&self, stop: Stop, moves: &[Move]) -> Stop {
        let Stop::Widen(mut touch) = stop else {
            return stop;
        };
        let places = moves
            .iter()
            .map(|entry| (entry.sku.clone(), entry.location.clone()));
        let unknown = places.filter(|place| !self.ledger.balances.contains_key(place));
        touch.rows.balances.extend(unknown);
        Stop::Widen(touch)
    }
}

fn saga(id: &SagaId) -> Touch {
    Touch {
        sagas: vec![id.clone()],
        ..Touch::default()
    }
}

fn rows(skus: Vec<SkuId>, balances: Vec<Place>) -> Touch {
    Touch {
        rows: Rows { skus, balances },
        ..Touch::default()
    }
}
