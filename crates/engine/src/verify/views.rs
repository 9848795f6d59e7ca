//! Projections against the fold, each at its own checkpoint (the second half of I8).
//!
//! It comes before everything else: a projection is behind the head, and the fold is taken there
//! on its way. A row must be what the log says of it, and what the log made must have its row; the
//! audit's moves must add up to the balances. A projection that moves on while it is read is left
//! to a quieter moment, and that is said. A checkpoint beyond the head is a finding of its own.

use super::catalogue::same_sku;
use super::fold::wrong;
use super::holds::body_hash;
use super::lives::is_fold;
use super::pages::Pages;
use super::report::{Draft, Invariant, Kind, Subject};
use super::rest::{Resting, Sum, hold_digest, order_digest};
use super::rows::PAGE;
use super::walk::{Sink, Walk};
use crate::commit::{hold_name, order_name};
use crate::port::{
    At, AuditFilter, Fault, HoldFilter, HoldRow, Listed, Map, OrderFilter, OrderView, Place,
    Projection, Standing, Views,
};
use evenkeel_rules::order::Status;
use evenkeel_rules::stock::{Account, Balances};
use serde_json::json;
use std::collections::BTreeSet;

/// Whether a projection could be compared to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compared {
    Whole,
    Moved,
}

/// One comparison.
struct Compare<'a, 'w, 's> {
    views: &'a dyn Views,
    walk: &'a mut Walk<'w>,
    to: &'a mut Sink<'s>,
    /// The rows of the present list that rest.
    sum: Sum,
}

/// Compares every projection.
///
/// # Errors
/// A [`Fault`] of the store or of the views.
pub(super) async fn compare(
    views: Option<&dyn Views>,
    walk: &mut Walk<'_>,
    to: &mut Sink<'_>,
) -> Result<(), Fault> {
    let Some(views) = views else {
        let note = "the projections were not compared: none were given";
        to.book.note(Invariant::I8, note.to_owned());
        return Ok(());
    };
    let mut standing = views.standing().await?;
    standing.sort_by_key(|one| one.checkpoint);
    // Read behind the checkpoints: a log that grows meanwhile is no reader ahead of it.
    let head = walk.store.head().await?.position;
    let sum = Sum::default();
    let mut compare = Compare {
        views,
        walk,
        to,
        sum,
    };
    for one in &standing {
        let name = one.projection.name();
        if compare.is_ahead(one, head) {
            continue;
        }
        if compare.to.fold.rest.is_some() && one.checkpoint < compare.to.at {
            let at = one.checkpoint;
            let note = format!("{name} stands at {at}, before the seal: --deep compares it");
            compare.to.book.note(Invariant::I8, note);
            continue;
        }
        let read = match one.projection {
            Projection::Orders => compare.orders().await?,
            Projection::Holds => compare.holds().await?,
            Projection::Stock => compare.stock().await?,
            Projection::Audit => compare.audit().await?,
            // Its rows are the log's own texts, cut out.
            Projection::Outbox => Compared::Whole,
        };
        let note = match (read, one.failed) {
            (Compared::Whole, 0) => continue,
            (Compared::Moved, _) => {
                format!("{name} moved on while it was read, and was not compared")
            }
            (Compared::Whole, failed) => format!("{failed} events could not be folded into {name}"),
        };
        compare.to.book.note(Invariant::I8, note);
    }
    Ok(())
}

impl Compare<'_, '_, '_> {
    fn is_ahead(&mut self, one: &Standing, head: u64) -> bool {
        if one.checkpoint <= head {
            return false;
        }
        let draft = Draft {
            expected: json!({"at_most": head}),
            found: json!(one.checkpoint),
            detail: "it has read further than the log goes".to_owned(),
            ..wrong(
                Kind::CheckpointAhead,
                Subject::new("projection", one.projection.name()),
                one.checkpoint,
            )
        };
        self.to.book.find(Invariant::I8, draft);
        true
    }

    /// Takes the fold to a page's position; whether the page can be compared there.
    async fn reach<T>(&mut self, page: &At<T>) -> Result<bool, Fault> {
        if page.position < self.to.at || page.position > self.walk.head.position {
            return Ok(false);
        }
        self.walk.advance(page.position, self.to).await?;
        let lost = &self.to.fold.lost;
        // What lost rows did is not known: there is nothing to compare with.
        Ok(lost.gone.is_empty() && lost.doubtful.is_empty() && lost.inserted.is_empty())
    }

    fn differs(&mut self, subject: (&'static str, &str), at: u64, what: &str) {
        let draft = Draft {
            detail: format!("{what}: rebuild the projection"),
            ..wrong(Kind::ViewDiffers, Subject::new(subject.0, subject.1), at)
        };
        self.to.book.find(Invariant::I8, draft);
    }

    async fn orders(&mut self) -> Result<Compared, Fault> {
        self.sum = Sum::default();
        let (mut pages, mut seen) = (Pages::new(), BTreeSet::new());
        while pages.are_left() {
            let filter = OrderFilter::default();
            let page = self.views.orders(&filter, pages.before, PAGE).await?;
            if !self.reach(&page).await? {
                return Ok(Compared::Moved);
            }
            pages.turn(&page, |view| view.row.created);
            for view in &page.rows {
                seen.insert(view.row.created);
                self.order(view);
            }
        }
        let shown = |status: Status| status != Status::Rejected;
        self.rested(Resting::Shown, "order");
        let known = self.to.fold.orders.iter().filter(|fold| shown(fold.status));
        let made = known.map(|fold| fold.stream.created).collect();
        self.missing("order", made, (&seen, pages.first));
        Ok(Compared::Whole)
    }

    fn order(&mut self, view: &OrderView) {
        self.to.book.checked(Invariant::I8, 1);
        let row = &view.row;
        let fold = self.to.fold.orders.by_name(&order_name(&row.body.id));
        if fold.is_none() && self.to.fold.rests(row.last) {
            self.sum.add(order_digest(row));
            return;
        }
        if !fold.is_some_and(|fold| is_fold(fold, row)) {
            let what = "the list shows another order than the log made";
            self.differs(("order", row.body.id.as_str()), row.last, what);
        }
    }

    async fn holds(&mut self) -> Result<Compared, Fault> {
        self.sum = Sum::default();
        let (mut pages, mut seen) = (Pages::new(), BTreeSet::new());
        while pages.are_left() {
            let filter = HoldFilter::default();
            let page = self.views.holds(&filter, pages.before, PAGE).await?;
            if !self.reach(&page).await? {
                return Ok(Compared::Moved);
            }
            pages.turn(&page, |row| row.created);
            for row in &page.rows {
                seen.insert(row.created);
                self.hold(row);
            }
        }
        self.rested(Resting::Hold, "hold");
        let made = self.to.fold.holds.iter().map(|fold| fold.created).collect();
        self.missing("hold", made, (&seen, pages.first));
        Ok(Compared::Whole)
    }

    fn hold(&mut self, row: &HoldRow) {
        self.to.book.checked(Invariant::I8, 1);
        let fold = self.to.fold.holds.by_name(&hold_name(&row.hold.id));
        if fold.is_none() && self.to.fold.rests(row.last) {
            self.sum.add(hold_digest(row));
            return;
        }
        let same = fold.is_some_and(|fold| {
            fold.created == row.created
                && fold.last == row.last
                && u64::from(fold.version) == row.version
                && fold.body == body_hash(&row.hold)
        });
        if !same {
            let what = "the list shows another hold than the log made";
            self.differs(("hold", row.hold.id.as_str()), row.last, what);
        }
    }

    async fn stock(&mut self) -> Result<Compared, Fault> {
        let (mut pages, mut seen) = (Pages::new(), BTreeSet::new());
        while pages.are_left() {
            let page = self.views.skus(pages.before, PAGE).await?;
            if !self.reach(&page).await? {
                return Ok(Compared::Moved);
            }
            pages.turn(&page, |(row, _)| row.created);
            for listed in &page.rows {
                seen.insert(listed.0.created);
                self.sku(listed);
            }
        }
        let entries = self
            .to
            .fold
            .skus
            .values()
            .filter_map(|sku| sku.entry.as_ref());
        let made = entries.map(|(stream, _)| stream.created).collect();
        self.missing("sku", made, (&seen, pages.first));
        Ok(Compared::Whole)
    }

    fn sku(&mut self, (row, stock): &Listed) {
        self.to.book.checked(Invariant::I8, 1);
        let id = &row.sku.terms.sku;
        let fold = self.to.fold.skus.get(id);
        let balances = &self.to.fold.balances;
        let same = fold.is_some_and(|fold| same_sku(fold, row))
            && stock.iter().all(|(location, stands)| {
                let place = (id.clone(), location.clone());
                balances.get(&place).copied().unwrap_or_default() == *stands
            });
        if !same {
            let what = "the list shows another SKU, or other units, than the log made";
            self.differs(("sku", id.as_str()), row.last, what);
        }
    }

    async fn audit(&mut self) -> Result<Compared, Fault> {
        let mut sums: Map<Place, [i64; 7]> = Map::default();
        let mut from = (0, 0);
        loop {
            let page = self
                .views
                .audit(&AuditFilter::default(), from, PAGE)
                .await?;
            for row in &page.rows {
                let made = &row.made;
                let place = (made.sku.clone(), made.location.clone());
                let sum = sums.entry(place).or_default();
                let (out, into) = made.operation.accounts();
                sum[slot(out)] -= made.quantity.signed();
                sum[slot(into)] += made.quantity.signed();
                from = (row.position, row.index + 1);
            }
            if page.rows.len() < PAGE {
                if !self.reach(&page).await? {
                    return Ok(Compared::Moved);
                }
                break;
            }
        }
        let mut places: Vec<Place> = self.to.fold.balances.keys().cloned().collect();
        places.extend(sums.keys().cloned());
        places.sort_unstable();
        places.dedup();
        self.to.book.checked(Invariant::I8, places.len());
        for place in places {
            let sum = sums.get(&place).copied().unwrap_or_default();
            let stands = self
                .to
                .fold
                .balances
                .get(&place)
                .copied()
                .unwrap_or_default();
            if stands != Balances::from_raw(sum) {
                let what = format!("the audit's moves at {} are not the log's", place.1);
                self.differs(("sku", place.0.as_str()), self.to.at, &what);
            }
        }
        Ok(Compared::Whole)
    }

    /// Whether the rows of a list that rest are those that the seal has.
    fn rested(&mut self, of: Resting, kind: &'static str) {
        let sum = std::mem::take(&mut self.sum);
        let rest = self.to.fold.rest.as_ref();
        if rest.is_some_and(|rest| rest.expected(of) != sum) {
            self.differs(
                (kind, "sealed"),
                self.to.at,
                "the list is not what the log made",
            );
        }
    }

    /// Names what the log made before the first page and no page had.
    fn missing(
        &mut self,
        kind: &'static str,
        made: Vec<u64>,
        (seen, first): (&BTreeSet<u64>, u64),
    ) {
        for created in made {
            if created <= first && !seen.contains(&created) {
                let what = "the list lacks what this position of the log made";
                self.differs((kind, &created.to_string()), created, what);
            }
        }
    }
}

fn slot(account: Account) -> usize {
    let slot = Account::ALL.iter().position(|each| *each == account);
    slot.expect("every account is in the list")
}
