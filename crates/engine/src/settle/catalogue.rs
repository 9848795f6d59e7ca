//! Judging commands on SKUs, stock by hand and tokens.

use super::{Draft, Judge, Stop};
use crate::body::StockData;
use crate::commit::{Command, Commit, Effect, Outcome};
use crate::port::{Place, SkuRow, SkuWrite, TokenRow, TokenWrite, Touch};
use evenkeel_rules::event::Kind;
use evenkeel_rules::ids::{Reference, TokenId};
use evenkeel_rules::quantity::Quantity;
use evenkeel_rules::sku::{self, Put, Terms};
use evenkeel_rules::stock::{self, Balances, Move, Operation};
use evenkeel_rules::token;

/// A place and what a change by hand does to it.
struct Changed {
    place: Place,
    stood: Option<Balances>,
    after: Balances,
    made: (Operation, Quantity),
}

impl Changed {
    fn entry(&self, about: &Reference) -> Move {
        let (operation, quantity) = self.made;
        Move {
            operation,
            sku: self.place.0.clone(),
            location: self.place.1.clone(),
            quantity,
            reference: about.clone(),
        }
    }
}

impl Judge<'_> {
    pub(super) fn put_sku(&mut self, commit: &Commit, terms: &Terms) -> Result<Outcome, Stop> {
        let row = self.listed(&terms.sku)?.cloned();
        let existing = row.as_ref().map(|row| (&row.sku, row.version));
        let position = self.next_position();
        let (kind, entry) = match sku::put(existing, terms.clone(), commit.expected, self.now)? {
            Put::Created(entry) => (Kind::SkuCreated, entry),
            Put::Updated(entry) => (Kind::SkuUpdated, entry),
            Put::Unchanged => {
                let row = row.expect("only a known entry is unchanged");
                let position = self.head().position;
                let effect = Effect::Sku {
                    row,
                    created: false,
                };
                return Ok(Outcome::Unchanged { position, effect });
            }
        };
        let was = row.as_ref().map(|row| (row.version, row.stock_version));
        let previous = row.as_ref().map_or(0, |row| row.last);
        let version = row.as_ref().map_or(0, |row| row.version) + 1;
        let row = match row {
            Some(row) => SkuRow {
                last: position,
                version,
                sku: entry,
                ..row
            },
            None => SkuRow {
                created: position,
                last: position,
                version,
                sku: entry,
                stock_last: 0,
                stock_version: 0,
                locations: Vec::new(),
            },
        };
        let data = serde_json::to_vec(&row.sku).expect("an entry is plain JSON");
        let id = terms.sku.to_string();
        self.accept(
            commit,
            &[Draft {
                kind,
                id,
                version,
                previous,
                data,
            }],
            &[],
        )?;
        let created = was.is_none();
        self.write_sku(&row, was);
        Ok(Outcome::Accepted {
            position,
            effect: Effect::Sku { row, created },
        })
    }

    pub(super) fn change_stock(&mut self, commit: &Commit, at: &Place) -> Result<Outcome, Stop> {
        let Command::ChangeStock {
            change,
            reference,
            reason,
            ..
        } = &commit.command
        else {
            unreachable!("only a change of stock comes here");
        };
        let Some(mut row) = self.listed(&at.0)?.cloned() else {
            return Err(stock::Rejection::SkuUnknown.into());
        };
        let changed = self.changed(at, change)?;
        let new = changed.iter().filter(|one| one.stood.is_none());
        row.locations.extend(new.map(|one| one.place.1.clone()));
        let mut all = Vec::with_capacity(row.locations.len());
        for location in &row.locations {
            let place = (at.0.clone(), location.clone());
            let after = changed.iter().find(|one| one.place == place);
            let balances = match after {
                Some(one) => Some(one.after),
                None => self.balances(&place)?,
            };
            all.push((location.clone(), balances.unwrap_or_default()));
        }
        let position = self.next_position();
        let made = || Reference::new(&format!("adjust-{position}"));
        let about = reference.clone().or_else(|| made().ok());
        let about = about.expect("the made one is an id");
        let moves: Vec<Move> = changed.iter().map(|one| one.entry(&about)).collect();
        let kind = match change {
            stock::Change::Receive(_) => Kind::StockReceived,
            stock::Change::Find(_) | stock::Change::WriteOff(_) => Kind::StockAdjusted,
            stock::Change::Transfer(..) => Kind::StockTransferred,
        };
        let data = StockData {
            to: change.arrives().cloned(),
            ..StockData::new(at, reference.as_ref(), reason.as_deref(), &all)
        };
        let data = serde_json::to_vec(&data).expect("balances are plain JSON");
        let (version, previous) = (row.stock_version + 1, row.stock_last);
        let draft = Draft {
            kind,
            id: at.0.to_string(),
            version,
            previous,
            data,
        };
        self.accept(commit, &[draft], &moves)?;
        let was = Some((row.version, row.stock_version));
        (row.stock_version, row.stock_last) = (version, position);
        self.write_sku(&row, was);
        let effect = Effect::Stock {
            sku: at.0.clone(),
            stock: all,
        };
        Ok(Outcome::Accepted { position, effect })
    }

    /// What a change by hand does to each place that it is about: one, or the two of a transfer.
    fn changed(&self, at: &Place, change: &stock::Change) -> Result<Vec<Changed>, Stop> {
        let stood = self.balances(at)?;
        let (operation, quantity) = change.operation();
        let mut all = vec![Changed {
            place: at.clone(),
            stood,
            after: stock::change(true, stood.unwrap_or_default(), change)?,
            made: (operation, quantity),
        }];
        if let Some(to) = change.arrives() {
            let place = (at.0.clone(), to.clone());
            let stood = self.balances(&place)?;
            all.push(Changed {
                place,
                stood,
                after: stock::arrive(stood.unwrap_or_default(), quantity)?,
                made: (Operation::TransferIn, quantity),
            });
        }
        Ok(all)
    }

    /// Puts a SKU's new row into the ledger and among the writes, once per SKU and batch.
    fn write_sku(&mut self, row: &SkuRow, was: Option<(u64, u64)>) {
        self.ledger
            .skus
            .insert(row.sku.terms.sku.clone(), Some(row.clone()));
        let same = |write: &&mut SkuWrite| write.row.created == row.created;
        match self.writes.skus.iter_mut().find(same) {
            Some(write) => write.row = row.clone(),
            None => self.writes.skus.push(SkuWrite {
                row: row.clone(),
                was,
            }),
        }
    }

    fn token(&self, id: &TokenId) -> Result<Option<&TokenRow>, Stop> {
        let touch = || Touch {
            tokens: vec![id.clone()],
            ..Touch::default()
        };
        let widen = || Stop::Widen(Box::new(touch()));
        self.view
            .tokens
            .get(id)
            .map(Option::as_ref)
            .ok_or_else(widen)
    }

    pub(super) fn create_token(&mut self, commit: &Commit, id: &TokenId) -> Result<Outcome, Stop> {
        let Command::CreateToken {
            role,
            customer,
            secret,
            ..
        } = &commit.command
        else {
            unreachable!("only the making of a token comes here");
        };
        if self.token(id)?.is_some() {
            return Err(Stop::Corrupt(format!("the made token id {id} is in use")));
        }
        let token = token::create(id.clone(), *role, customer.clone(), self.now)?;
        let position = self.next_position();
        let row = TokenRow {
            created: position,
            last: 0,
            version: 0,
            token,
            secret: *secret,
        };
        self.write_token(commit, row, Kind::TokenCreated)
    }

    pub(super) fn revoke_token(&mut self, commit: &Commit, id: &TokenId) -> Result<Outcome, Stop> {
        let row = self.token(id)?.cloned();
        let revoked = token::revoke(row.as_ref().map(|row| &row.token), self.now)?;
        let row = row.expect("a rule accepts only a token that exists");
        match revoked {
            None => {
                let position = self.head().position;
                Ok(Outcome::Unchanged {
                    position,
                    effect: Effect::Token(row),
                })
            }
            Some(token) => self.write_token(commit, TokenRow { token, ..row }, Kind::TokenRevoked),
        }
    }

    fn write_token(&mut self, commit: &Commit, row: TokenRow, kind: Kind) -> Result<Outcome, Stop> {
        let was = (row.version > 0).then_some(row.version);
        let position = self.next_position();
        let data = serde_json::to_vec(&row.token).expect("a token is plain JSON");
        let (version, previous) = (row.version + 1, row.last);
        let id = row.token.id.to_string();
        self.accept(
            commit,
            &[Draft {
                kind,
                id,
                version,
                previous,
                data,
            }],
            &[],
        )?;
        let row = TokenRow {
            last: position,
            version,
            ..row
        };
        self.view
            .tokens
            .insert(row.token.id.clone(), Some(row.clone()));
        let same = |write: &&mut TokenWrite| write.row.created == row.created;
        match self.writes.tokens.iter_mut().find(same) {
            Some(write) => write.row = row.clone(),
            None => self.writes.tokens.push(TokenWrite {
                row: row.clone(),
                was,
            }),
        }
        Ok(Outcome::Accepted {
            position,
            effect: Effect::Token(row),
        })
    }
}
