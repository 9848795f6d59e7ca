//! Buyers.

use super::{Asked, Shop, Who, lines, place, quantity, request};
use crate::client::{Client, Patience};
use evenkeel_engine::commit::{Command, Effect};
use evenkeel_rules::hold::{State, Wanted};
use evenkeel_rules::ids::{CartId, CustomerId, HoldId, OrderId};
use evenkeel_rules::time::LogTime;

mod carts;
mod orders;
pub(super) use orders::{PRICE, euros};

/// What a buyer remembers.
struct Buyer {
    client: Client,
    shop: Shop,
    who: Who,
    customer: CustomerId,
    number: usize,
    asked: u32,
    /// Requests that were made, with their keys.
    past: Vec<Asked>,
    /// Holds that it may have, with the lines that it asked for.
    mine: Vec<(HoldId, Vec<Wanted>)>,
    /// Orders that it may have.
    orders: Vec<OrderId>,
    /// Carts that it may have.
    carts: Vec<CartId>,
}

/// A buyer asks for so many things.
pub(crate) async fn buy(client: Client, shop: Shop, number: usize, commands: u32) {
    let customer = CustomerId::new(&format!("c-{number}")).expect("a well-formed id");
    let mut buyer = Buyer {
        client,
        shop,
        who: Who::Buyer(customer.clone()),
        customer,
        number,
        asked: 0,
        past: Vec::new(),
        mine: Vec::new(),
        orders: Vec::new(),
        carts: Vec::new(),
    };
    for _ in 0..commands {
        let think = [3, 60, 400][buyer.client.rng.usize(0..3)];
        buyer.client.pause(0, think).await;
        buyer.step().await;
    }
}

impl Buyer {
    fn key(&mut self) -> String {
        self.asked += 1;
        format!("b{}-{}", self.number, self.asked)
    }

    async fn step(&mut self) {
        let dice = self.client.rng.u32(0..216);
        match dice {
            0..40 => self.place().await,
            40..44 => self.rush(),
            44..62 => self.confirm().await,
            62..74 => self.release().await,
            74..82 => self.extend().await,
            82..87 => self.come_late().await,
            87..93 => self.ask_again().await,
            93..96 => self.reuse_key().await,
            96..98 => self.take_id().await,
            98..100 => self.ask_for_nothing().await,
            100..142 => self.order().await,
            142..152 => self.order_held().await,
            152..156 => self.order_again().await,
            156..166 => self.call_off().await,
            166..170 => self.call_off_before().await,
            170..176 => self.ask_back().await,
            176..180 => self.send_back().await,
            180..190 => self.begin_cart().await,
            190..202 => self.set_line().await,
            202..210 => self.check_out().await,
            _ => self.linger().await,
        }
    }

    async fn ask(&mut self, request: Asked) -> Option<State> {
        let patience = if self.client.chance(300) {
            Patience::AsksAgain
        } else {
            Patience::Takes
        };
        self.past.push(request.clone());
        let answer = self.client.settle(&request, patience).await;
        match answer {
            Some(Ok(done)) => match done.effect {
                Effect::Hold(row) => Some(row.hold.state),
                // A line was set, and its units are held.
                Effect::Cart(_) => Some(State::Held),
                _ => None,
            },
            Some(Err(_)) | None => None,
        }
    }

    async fn place(&mut self) {
        let key = self.key();
        let who = if self.client.chance(100) {
            Who::Shop
        } else {
            self.who.clone()
        };
        let asked = (&who, &self.customer);
        let mut request = place(&mut self.client.rng, &self.shop, asked, &key);
        if self.client.chance(40) {
            let clock = evenkeel_engine::port::Clock::now(&*self.client.nodes[0].clock);
            let left = self.client.rng.i64(-200_000..2_000_000);
            request.request.deadline = Some(LogTime::from_micros(clock.micros() + left));
        }
        let placed = match &request.request.command {
            Command::Place(place) => Some((place.id.clone(), place.lines.clone())),
            _ => None,
        };
        let state = self.ask(request).await;
        if state.is_some() || self.client.chance(100) {
            self.mine.extend(placed);
        }
    }

    /// Asks for many things at one moment, and waits for none of them.
    fn rush(&mut self) {
        for _ in 0..self.client.rng.u32(2..12) {
            let key = self.key();
            let who = self.who.clone();
            let asked = (&who, &self.customer);
            let request = place(&mut self.client.rng, &self.shop, asked, &key);
            if let Command::Place(place) = &request.request.command {
                self.mine.push((place.id.clone(), place.lines.clone()));
            }
            self.past.push(request.clone());
            let mut hand = self.client.clone();
            hand.rng = self.client.rng.fork();
            let world = std::sync::Arc::clone(&hand.world);
            world.spawn(async move { drop(hand.ask(&request, Patience::Takes).await) });
        }
    }

    /// One of the holds, preferring the last ones.
    fn any_hold(&mut self) -> Option<(HoldId, Vec<Wanted>)> {
        let count = self.mine.len();
        let back = self.client.rng.usize(0..4).min(count);
        self.mine.get(count.checked_sub(back.max(1))?).cloned()
    }

    async fn confirm(&mut self) {
        let Some((id, held)) = self.any_hold() else {
            return self.place().await;
        };
        let rng = &mut self.client.rng;
        let lines = match rng.u8(0..10) {
            0..6 => None,
            6..9 => {
                let mut part: Vec<Wanted> = held.into_iter().filter(|_| rng.bool()).collect();
                for line in &mut part {
                    line.quantity = quantity(rng.u64(1..=line.quantity.get()));
                }
                Some(part)
            }
            _ => Some(lines(rng, &self.shop)),
        };
        let key = self.key();
        self.ask(request(
            &Who::Shop,
            Some(&key),
            Command::Confirm { id, lines },
        ))
        .await;
    }

    async fn release(&mut self) {
        let Some((id, _)) = self.any_hold() else {
            return self.place().await;
        };
        let key = self.key();
        let mut request = request(&self.who, Some(&key), Command::Release { id });
        if self.client.chance(100) {
            request.request.expected = Some(self.client.rng.u64(1..=3));
        }
        self.ask(request).await;
    }

    async fn extend(&mut self) {
        let Some((id, _)) = self.any_hold() else {
            return self.place().await;
        };
        let ttl = evenkeel_rules::time::Millis(self.client.rng.u64(200..=6_000));
        let key = self.key();
        self.ask(request(&self.who, Some(&key), Command::Extend { id, ttl }))
            .await;
    }

    /// Waits until about the deadline of its last hold, and then confirms it.
    async fn come_late(&mut self) {
        self.place().await;
        self.client.pause(150, 1_200).await;
        self.confirm().await;
    }

    /// Asks for something under the key that it was asked for before.
    async fn ask_again(&mut self) {
        let Some(index) = self.past.len().checked_sub(1) else {
            return self.place().await;
        };
        let index = self.client.rng.usize(0..=index);
        let request = self.past[index].clone();
        drop(self.client.ask(&request, Patience::Takes).await);
    }

    /// Uses a key for something else than before.
    async fn reuse_key(&mut self) {
        let number = self.client.rng.u32(0..=self.asked);
        let key = format!("b{}-{number}", self.number);
        let who = self.who.clone();
        let request = place(
            &mut self.client.rng,
            &self.shop,
            (&who, &self.customer),
            &key,
        );
        self.ask(request).await;
    }

    /// Uses the id of a hold under another key.
    async fn take_id(&mut self) {
        let Some((id, _)) = self.any_hold() else {
            return self.place().await;
        };
        let key = self.key();
        let who = self.who.clone();
        let mut request = place(
            &mut self.client.rng,
            &self.shop,
            (&who, &self.customer),
            &key,
        );
        if let Command::Place(place) = &mut request.request.command {
            place.id = id;
        }
        self.ask(request).await;
    }

    /// Asks for what is not there, or another's.
    async fn ask_for_nothing(&mut self) {
        let key = self.key();
        let other = self.client.rng.usize(0..4);
        let id = format!("h-b{other}-{}", self.client.rng.u32(0..20));
        let id = HoldId::new(&id).expect("a well-formed id");
        self.ask(request(&self.who, Some(&key), Command::Release { id }))
            .await;
    }
}
