//! The hold state machine that answers are held against: units of one SKU and a few holds of them.
//!
//! It is written from the contract and shares no code with the rules. Deadlines are so far away
//! that nothing expires while a history is made.

/// Most holds of one history.
pub(crate) const HOLDS: usize = 6;

/// Where a hold is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Life {
    Absent,
    Held,
    Confirmed,
    Released,
}

/// What a client asks, of the hold with this number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    /// Always under the same key, so that whoever asks again is answered as the first time.
    Place(usize),
    Confirm(usize),
    Release(usize),
    Look(usize),
}

/// What a client is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The hold is there, for this caller or a former one with the same key.
    Placed,
    SoldOut,
    /// There is no such hold.
    NotFound,
    /// It is confirmed, released or held now, as asked or as looked at.
    Is(Life),
    /// It had ended in another way, which is named.
    Ended(Life),
    /// Nothing is known: it may have been done, or be done at any time, or never.
    Unknown,
}

impl Ask {
    /// All answers that are of its kind.
    pub(crate) const fn answers(self) -> &'static [Answer] {
        match self {
            Self::Place(_) => &[Answer::Placed, Answer::SoldOut],
            Self::Confirm(_) => &[
                Answer::Is(Life::Confirmed),
                Answer::Ended(Life::Released),
                Answer::NotFound,
            ],
            Self::Release(_) => &[
                Answer::Is(Life::Released),
                Answer::Ended(Life::Confirmed),
                Answer::NotFound,
            ],
            Self::Look(_) => &[
                Answer::Is(Life::Held),
                Answer::Is(Life::Confirmed),
                Answer::Is(Life::Released),
                Answer::NotFound,
            ],
        }
    }
}

/// Units and holds at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct State {
    available: u64,
    holds: [Life; HOLDS],
}

/// Units that a hold asks for: one or two.
pub(crate) const fn units(hold: usize) -> u64 {
    1 + (hold % 2) as u64
}

impl State {
    /// So many units, and no hold.
    pub(crate) const fn with(available: u64) -> Self {
        Self {
            available,
            holds: [Life::Absent; HOLDS],
        }
    }

    /// Does what is asked: what is said, and what is so afterwards.
    pub(crate) fn take(mut self, ask: Ask) -> (Answer, Self) {
        let said = match ask {
            Ask::Place(hold) => self.place(hold),
            Ask::Confirm(hold) => self.end(hold, Life::Confirmed),
            Ask::Release(hold) => self.end(hold, Life::Released),
            Ask::Look(hold) => match self.holds[hold] {
                Life::Absent => Answer::NotFound,
                life => Answer::Is(life),
            },
        };
        (said, self)
    }

    fn place(&mut self, hold: usize) -> Answer {
        if self.holds[hold] != Life::Absent {
            return Answer::Placed;
        }
        let Some(rest) = self.available.checked_sub(units(hold)) else {
            return Answer::SoldOut;
        };
        self.available = rest;
        self.holds[hold] = Life::Held;
        Answer::Placed
    }

    fn end(&mut self, hold: usize, end: Life) -> Answer {
        match self.holds[hold] {
            Life::Absent => Answer::NotFound,
            life if life == end => Answer::Is(life),
            Life::Held => {
                self.holds[hold] = end;
                if end == Life::Released {
                    self.available += units(hold);
                }
                Answer::Is(end)
            }
            life => Answer::Ended(life),
        }
    }
}
