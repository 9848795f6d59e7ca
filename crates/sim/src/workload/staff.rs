//! Staff and the administrator.

use super::{Shop, Who, quantity, request, terms, window};
use crate::client::{Client, Patience};
use evenkeel_engine::commit::Command;
use evenkeel_engine::port::Clock;
use evenkeel_engine::token;
use evenkeel_rules::ids::{CustomerId, TokenId};
use evenkeel_rules::stock::Change;
use evenkeel_rules::token::Role;

/// Lists every SKU and brings the first units in, some of them by a count.
pub(crate) async fn open_shop(client: &mut Client, shop: &Shop) {
    for (number, sku) in shop.skus.iter().enumerate() {
        let mut terms = terms(sku);
        terms.max_per_customer = shop.limit(&client.rng);
        let asked = request(&Who::Staff, None, Command::PutSku { terms });
        drop(client.ask(&asked, Patience::Takes).await);
        for location in &shop.locations {
            let most = [4, 12, 40][client.rng.usize(0..3)];
            let units = quantity(client.rng.u64(1..=most));
            let change = match client.rng.u8(0..3) {
                0 => Change::Find(units),
                _ => Change::Receive(units),
            };
            let command = Command::ChangeStock {
                sku: sku.clone(),
                location: location.clone(),
                change,
                reference: None,
                reason: None,
            };
            let key = format!("open-{number}-{location}");
            let asked = request(&Who::Staff, Some(&key), command);
            drop(client.ask(&asked, Patience::Takes).await);
        }
    }
}

/// Changes stock and entries now and then.
pub(crate) async fn keep_stock(mut client: Client, shop: Shop, commands: u32) {
    for number in 0..commands {
        client.pause(50, 900).await;
        let (sku, location) = shop.any_place(&mut client.rng);
        let key = format!("s-{number}");
        let with_key = client.chance(700);
        let asked = if client.chance(600) {
            let units = quantity(client.rng.u64(1..=3));
            let (_, other) = shop.any_place(&mut client.rng);
            let change = match client.rng.u8(0..5) {
                0 => Change::Receive(units),
                1 => Change::Find(units),
                2 | 3 if other != location => Change::Transfer(units, other),
                _ => Change::WriteOff(units),
            };
            let command = Command::ChangeStock {
                sku,
                location,
                change,
                reference: None,
                reason: Some("a count".to_owned()),
            };
            request(&Who::Staff, Some(&key), command)
        } else {
            let mut terms = terms(&sku);
            let now = client.nodes[0].clock.now();
            let rng = &mut client.rng;
            terms.max_per_customer = shop.limit(rng);
            terms.max_per_order = rng.bool().then(|| quantity(rng.u64(1..=4)));
            terms.sale = rng.bool().then(|| window(rng, now));
            let command = Command::PutSku { terms };
            let mut asked = request(&Who::Staff, with_key.then_some(key.as_str()), command);
            asked.request.expected = rng.bool().then(|| rng.u64(0..=4));
            asked
        };
        drop(client.settle(&asked, Patience::Takes).await);
    }
}

/// Makes tokens, uses them, and revokes them.
pub(crate) async fn administer(mut client: Client, tokens: u32) {
    for number in 0..tokens {
        client.pause(100, 1_500).await;
        let id = TokenId::new(&format!("t-{number}")).expect("a well-formed id");
        let secret = format!("ek_secret_{number}");
        let buyer = client.rng.bool();
        let command = Command::CreateToken {
            id: id.clone(),
            role: if buyer { Role::Buyer } else { Role::Shop },
            customer: buyer.then(|| CustomerId::new("c-0").expect("a well-formed id")),
            secret: token::hash(&secret),
        };
        let asked = request(&Who::Admin, Some(&format!("t-{number}")), command);
        let made = client.settle(&asked, Patience::Takes).await;
        if !matches!(made, Some(Ok(_))) {
            continue;
        }
        show(&client, &secret).await;
        client.pause(10, 500).await;
        let asked = request(
            &Who::Admin,
            Some(&format!("r-{number}")),
            Command::RevokeToken { id },
        );
        let revoked = client.settle(&asked, Patience::Takes).await;
        if matches!(revoked, Some(Ok(_))) {
            client.world.revoked.lock().push(secret);
        }
    }
}

/// Shows a secret to both nodes, as a request would.
async fn show(client: &Client, secret: &str) {
    for node in &client.nodes {
        if let Some((engine, life)) = node.engine() {
            drop(node.alive(life, engine.token(secret)).await);
        }
    }
}
