//! Holds of two SKUs, decided the plain way: one command after the other, on maps, from the text of
//! the design. It shares no code with rules or engine, knows no batches, and writes nothing down.

use std::collections::BTreeMap;

/// Longest life of a hold, in ms: little more than most live at first, so that one extension gets
/// there.
pub(crate) const MAX_LIFE: u64 = 80;
/// SKUs.
pub(crate) const SKUS: usize = 2;

/// What is asked, of the hold or SKU with this number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    Receive {
        sku: usize,
        units: u64,
    },
    Place {
        hold: usize,
        sku: usize,
        units: u64,
        ttl: u64,
    },
    Confirm(usize),
    Release(usize),
    Extend(usize, u64),
    Expire(usize),
}

/// What is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Said {
    Done,
    Unchanged,
    /// It was done under this key before.
    Again,
    /// It was refused for good under this key before.
    AgainNo(&'static str),
    No(&'static str),
}

/// Where a hold is, in the rules' words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    Held,
    Confirmed,
    Released,
    Expired,
}

/// A hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hold {
    pub(crate) life: Life,
    pub(crate) sku: usize,
    pub(crate) units: u64,
    pub(crate) deadline: u64,
    placed: u64,
}

/// A mistake of the naive ledger, which the judge must be seen not to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mistake {
    /// A hold is live at its deadline, and ends a ms later.
    Grace,
    /// An extension may go a ms beyond the longest life.
    LongLife,
    /// A key is not asked for.
    ForgottenKey,
    /// Whoever was told sold out under a key is told so for ever.
    FinalSoldOut,
    /// Of two overdue holds the one placed last goes first.
    LastFirst,
}

/// The naive ledger.
#[derive(Debug, Default)]
pub(crate) struct Naive {
    /// Units per SKU: available, held, sold.
    pub(crate) units: [[u64; 3]; SKUS],
    pub(crate) holds: BTreeMap<usize, Hold>,
    /// None, unless a test wants one.
    mistake: Option<Mistake>,
    keys: BTreeMap<u8, (Ask, Said)>,
}

impl Naive {
    /// One that makes this mistake.
    pub(crate) fn mistaken(mistake: Mistake) -> Self {
        Self {
            mistake: Some(mistake),
            ..Self::default()
        }
    }

    /// Judges one command, perhaps under a key, at a time in ms.
    pub(crate) fn take(&mut self, ask: Ask, key: Option<u8>, now: u64) -> Said {
        let key = key.filter(|_| !self.makes(Mistake::ForgottenKey));
        if let Some((first, said)) = key.and_then(|key| self.keys.get(&key)) {
            return match said {
                _ if *first != ask => Said::No("key_reused"),
                Said::No(code) => Said::AgainNo(code),
                _ => Said::Again,
            };
        }
        let said = match self.judge(ask, now) {
            Ok(said) => said,
            Err(code) => Said::No(code),
        };
        let kept = match said {
            Said::Done => true,
            Said::No("stock.sold_out") => self.makes(Mistake::FinalSoldOut),
            Said::No(code) => is_final(code),
            Said::Unchanged | Said::Again | Said::AgainNo(_) => false,
        };
        if let Some(key) = key.filter(|_| kept) {
            self.keys.insert(key, (ask, said));
        }
        said
    }

    fn makes(&self, mistake: Mistake) -> bool {
        self.mistake == Some(mistake)
    }

    fn judge(&mut self, ask: Ask, now: u64) -> Result<Said, &'static str> {
        match ask {
            Ask::Receive { sku, units } => {
                self.units[sku][0] += units;
                Ok(Said::Done)
            }
            Ask::Place {
                hold,
                sku,
                units,
                ttl,
            } => {
                if self.holds.contains_key(&hold) {
                    return Err("already_exists");
                }
                self.find(sku, units, now)?;
                self.shift((sku, units), (0, 1));
                let placed = Hold {
                    life: Life::Held,
                    sku,
                    units,
                    deadline: now + ttl,
                    placed: now,
                };
                self.holds.insert(hold, placed);
                Ok(Said::Done)
            }
            Ask::Confirm(hold) => self.end(hold, Life::Confirmed, now),
            Ask::Release(hold) => self.end(hold, Life::Released, now),
            Ask::Expire(hold) => self.expire(hold, now),
            Ask::Extend(hold, ttl) => {
                let more = u64::from(self.makes(Mistake::LongLife));
                let found = self.live(hold, now)?;
                let latest = found.placed + MAX_LIFE + more;
                found.deadline = found.deadline.max(latest.min(now + ttl));
                Ok(Said::Done)
            }
        }
    }

    /// Sees to it that there are so many units, ending overdue holds if they are needed.
    fn find(&mut self, sku: usize, units: u64, now: u64) -> Result<(), &'static str> {
        let id = |hold: usize| format!("h-{hold}");
        let all = self.holds.iter();
        let due =
            all.filter(|(_, it)| it.sku == sku && it.life == Life::Held && it.deadline <= now);
        let mut due: Vec<(u64, String, usize)> = due
            .map(|(hold, it)| (it.deadline, id(*hold), *hold))
            .collect();
        due.sort();
        if self.makes(Mistake::LastFirst) {
            due.reverse();
        }
        let mut found = self.units[sku][0];
        let mut ended = Vec::new();
        for (_, _, hold) in due {
            if found < units {
                found += self.holds[&hold].units;
                ended.push(hold);
            }
        }
        if found < units {
            return Err("stock.sold_out");
        }
        for hold in ended {
            self.expire(hold, now)?;
        }
        Ok(())
    }

    fn live(&mut self, hold: usize, now: u64) -> Result<&mut Hold, &'static str> {
        let grace = u64::from(self.makes(Mistake::Grace));
        let found = self.holds.get_mut(&hold).ok_or("not_found")?;
        match found.life {
            Life::Held if found.deadline + grace <= now => Err("hold.expired"),
            Life::Held => Ok(found),
            Life::Confirmed => Err("hold.confirmed"),
            Life::Released => Err("hold.released"),
            Life::Expired => Err("hold.expired"),
        }
    }

    fn end(&mut self, hold: usize, end: Life, now: u64) -> Result<Said, &'static str> {
        if self.holds.get(&hold).is_some_and(|found| found.life == end) {
            return Ok(Said::Unchanged);
        }
        let found = self.live(hold, now)?;
        found.life = end;
        let what = (found.sku, found.units);
        let to = if end == Life::Confirmed { 2 } else { 0 };
        self.shift(what, (1, to));
        Ok(Said::Done)
    }

    fn expire(&mut self, hold: usize, now: u64) -> Result<Said, &'static str> {
        let found = self.holds.get_mut(&hold).ok_or("not_found")?;
        match found.life {
            Life::Held if now < found.deadline => return Err("not_due"),
            Life::Held => {}
            Life::Confirmed => return Err("hold.confirmed"),
            Life::Released => return Err("hold.released"),
            Life::Expired => return Err("hold.expired"),
        }
        found.life = Life::Expired;
        let what = (found.sku, found.units);
        self.shift(what, (1, 0));
        Ok(Said::Done)
    }

    fn shift(&mut self, (sku, units): (usize, u64), (from, to): (usize, usize)) {
        self.units[sku][from] -= units;
        self.units[sku][to] += units;
    }
}

/// Whether a no can never become a yes.
fn is_final(code: &str) -> bool {
    [
        "already_exists",
        "hold.confirmed",
        "hold.released",
        "hold.expired",
    ]
    .contains(&code)
}
