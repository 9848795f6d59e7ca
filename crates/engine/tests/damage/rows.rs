//! Damage to balances, state rows, keys and refusals.

use super::shop::{hold, sku};
use super::site::{Named, named, planted};
use evenkeel_engine::commit::{Key, hold_name};
use evenkeel_engine::verify::{Invariant, Kind};
use evenkeel_rules::hold::State;
use evenkeel_rules::ids::{CustomerId, LocationId};
use evenkeel_rules::stock::Balances;
use evenkeel_rules::time::LogTime;

fn state(subject: &str) -> Vec<Named> {
    vec![named(Invariant::I15, Kind::StateEdited, subject)]
}

fn hex(bytes: &[u8]) -> String {
    evenkeel_engine::chain::hex(bytes)
}

#[tokio::test]
async fn an_edited_balance_is_named() {
    for account in 0..7 {
        planted(|site| {
            let mut raw = site.balance(&sku("lamp")).raw();
            raw[account] += 1;
            site.set_balance(&sku("lamp"), Some(Balances::from_raw(raw)));
            vec![named(Invariant::I8, Kind::BalanceEdited, "sku lamp")]
        })
        .await;
    }
}

#[tokio::test]
async fn a_balance_edited_so_that_it_still_sums_to_zero_is_named() {
    planted(|site| {
        let mut raw = site.balance(&sku("desk")).raw();
        (raw[1], raw[3]) = (raw[1] + 1, raw[3] - 1);
        site.set_balance(&sku("desk"), Some(Balances::from_raw(raw)));
        vec![named(Invariant::I8, Kind::BalanceEdited, "sku desk")]
    })
    .await;
}

#[tokio::test]
async fn a_removed_balance_is_named() {
    planted(|site| {
        site.set_balance(&sku("desk"), None);
        vec![named(Invariant::I8, Kind::BalanceEdited, "sku desk")]
    })
    .await;
}

#[tokio::test]
async fn an_edited_hold_is_named() {
    let edits: [&dyn Fn(&mut evenkeel_engine::port::HoldRow); 7] = [
        &|row| row.hold.state = State::Released,
        &|row| row.hold.deadline = LogTime::from_micros(1),
        &|row| row.hold.lines[0].location = LocationId::new("attic").expect("an id"),
        &|row| row.hold.customer = CustomerId::new("c-9").expect("an id"),
        &|row| row.version += 1,
        &|row| row.last -= 1,
        &|row| row.hold.id = hold("h-9"),
    ];
    for edit in edits {
        planted(|site| {
            let mut row = site.hold(6);
            edit(&mut row);
            site.set_hold(6, Some(row));
            state("hold h-1")
        })
        .await;
    }
}

#[tokio::test]
async fn a_hold_moved_to_another_birth_is_named() {
    planted(|site| {
        let mut row = site.hold(16);
        row.created = 17;
        site.set_hold(16, None);
        site.set_hold(17, Some(row));
        state("hold h-5")
    })
    .await;
}

#[tokio::test]
async fn a_hold_that_no_row_made_is_named() {
    planted(|site| {
        let mut row = site.hold(16);
        (row.created, row.hold.id) = (17, hold("h-9"));
        site.set_hold(17, Some(row));
        state("hold h-9")
    })
    .await;
}

#[tokio::test]
async fn a_removed_hold_is_named() {
    // An ended one, a live one, the last.
    for (created, id) in [(6, "hold h-1"), (9, "hold h-3"), (18, "hold h-6")] {
        planted(|site| {
            site.set_hold(created, None);
            vec![named(Invariant::I15, Kind::HoldMissing, id)]
        })
        .await;
    }
}

#[tokio::test]
async fn an_edited_sku_is_named() {
    let edits: [&dyn Fn(&mut evenkeel_engine::port::SkuRow); 6] = [
        &|row| row.sku.terms.name = "Lump".to_owned(),
        &|row| row.version += 1,
        &|row| row.last -= 1,
        &|row| row.stock_version += 1,
        &|row| row.stock_last -= 1,
        &|row| row.locations.push(LocationId::new("attic").expect("an id")),
    ];
    for edit in edits {
        planted(|site| {
            site.edit_sku(&sku("lamp"), edit);
            state("sku lamp")
        })
        .await;
    }
}

#[tokio::test]
async fn a_sku_that_forgot_its_location_is_named() {
    planted(|site| {
        site.edit_sku(&sku("lamp"), &|row| row.locations.clear());
        state("sku lamp")
    })
    .await;
}

#[tokio::test]
async fn an_edited_token_is_named() {
    planted(|site| {
        site.edit_token(&|row| row.token.revoked_at = None);
        state("token t-2")
    })
    .await;
    planted(|site| {
        site.edit_token(&|row| row.version = 1);
        state("token t-2")
    })
    .await;
}

#[tokio::test]
async fn a_removed_key_is_named() {
    for key in ["put-1", "p-1", "c-1", "c-6"] {
        let name = Key::new(None, key, &[]).name;
        planted(|site| {
            site.remove_name(name);
            vec![named(
                Invariant::I6,
                Kind::KeyMissing,
                &format!("key {}", hex(&name)),
            )]
        })
        .await;
    }
}

#[tokio::test]
async fn a_removed_hold_id_is_named() {
    planted(|site| {
        site.remove_name(hold_name(&hold("h-2")));
        vec![named(Invariant::I6, Kind::KeyMissing, "hold h-2")]
    })
    .await;
}

#[tokio::test]
async fn the_removed_key_of_a_final_refusal_is_named() {
    let name = Key::new(None, "f-2", &[]).name;
    planted(|site| {
        site.remove_name(name);
        vec![named(
            Invariant::I6,
            Kind::KeyMissing,
            &format!("key {}", hex(&name)),
        )]
    })
    .await;
}

#[tokio::test]
async fn a_removed_final_refusal_is_named_by_its_number() {
    for number in [1, 2, 3] {
        planted(|site| {
            site.remove_refusal(number);
            vec![named(
                Invariant::I6,
                Kind::KeyMissing,
                &format!("refusal {number}"),
            )]
        })
        .await;
    }
}

#[cfg(feature = "sqlite")]
mod unreadable {
    //! Rows of the file that the store cannot even read.

    use super::super::file::File;
    use super::super::site::{findings, look, named};
    use super::{Invariant, Kind, state};

    #[tokio::test]
    async fn a_hold_whose_body_is_no_json_is_named() {
        for body in ["x'00'", "'text'", "x'7b7d'"] {
            let file = File::new().await;
            let pragma = "PRAGMA ignore_check_constraints = ON";
            file.sql().execute_batch(pragma).expect("set");
            let value = body.replace("'text'", "CAST('text' AS BLOB)");
            file.change(&format!("UPDATE hold SET body = {value} WHERE created = 9"));
            assert_eq!(findings(&look(&file).await), state("hold h-3"));
        }
    }

    #[tokio::test]
    async fn a_sku_a_token_and_a_balance_that_cannot_be_read_are_named() {
        let file = File::new().await;
        file.change("UPDATE sku SET body = x'00' WHERE id = 'desk'");
        assert_eq!(findings(&look(&file).await), state("sku desk"));
        let file = File::new().await;
        file.change("UPDATE sku SET locations = 'nowhere' WHERE id = 'desk'");
        assert_eq!(findings(&look(&file).await), state("sku desk"));
        let file = File::new().await;
        file.change("UPDATE token SET body = x'00'");
        assert_eq!(findings(&look(&file).await), state("token t-2"));
        let file = File::new().await;
        file.change("UPDATE balance SET accounts = x'ff' WHERE place = 1");
        let expected = [named(Invariant::I8, Kind::BalanceEdited, "sku lamp")];
        assert_eq!(findings(&look(&file).await), expected);
    }

    #[tokio::test]
    async fn a_removed_sku_and_a_removed_token_are_named() {
        let file = File::new().await;
        file.change("DELETE FROM sku WHERE id = 'desk'");
        assert_eq!(findings(&look(&file).await), state("sku desk"));
        let file = File::new().await;
        file.change("DELETE FROM token");
        assert_eq!(findings(&look(&file).await), state("token t-2"));
    }

    #[tokio::test]
    async fn a_balance_without_its_place_is_named() {
        let file = File::new().await;
        file.change("DELETE FROM place WHERE sku = 'desk'");
        let expected = [named(Invariant::I8, Kind::BalanceEdited, "sku desk")];
        assert_eq!(findings(&look(&file).await), expected);
    }

    #[tokio::test]
    async fn a_piece_of_the_name_index_that_cannot_be_read_is_one_finding() {
        for damage in [
            "DELETE FROM run_2 WHERE id = (SELECT min(id) FROM run_2)",
            "UPDATE run_2 SET data = x'00' WHERE id = (SELECT min(id) FROM run_2)",
        ] {
            let file = File::new().await;
            file.change(damage);
            let found = findings(&look(&file).await);
            assert_eq!(found.len(), 1, "{found:?}");
            assert_eq!((found[0].0, found[0].1), (Invariant::I6, Kind::KeyMissing));
        }
    }

    #[tokio::test]
    async fn a_final_refusal_that_cannot_be_one_is_named() {
        let file = File::new().await;
        file.change(
            "UPDATE refusal SET text = '{\"key\":{\"code\":\"in_flight\"}}' WHERE number = 2",
        );
        let expected = [named(Invariant::I6, Kind::StateEdited, "refusal 2")];
        assert_eq!(findings(&look(&file).await), expected);
    }
}
