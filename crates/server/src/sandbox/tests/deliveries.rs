//! Parcels: their way, what is told of it, and calling them back.

use super::stage::{Stage, ms};
use serde_json::{Value, json};

const DELIVERIES: &str = "/delivery/deliveries";
const KEY: &str = "o-1/deliver";

async fn delivered(stage: &Stage) -> (u16, Value, String) {
    let (status, body) = stage.post(DELIVERIES, KEY, &stage.delivery()).await;
    let path = format!("{DELIVERIES}/{}", body["delivery"].as_str().expect("an id"));
    (status, body, path)
}

#[tokio::test]
async fn a_parcel_is_there_within_a_second_and_each_stage_is_told() {
    let mut stage = Stage::set().await;
    let (status, first, path) = delivered(&stage).await;
    let id = first["delivery"].clone();
    let wanted = json!({"delivery": id, "status": "requested"});
    assert_eq!((status, &first), (201, &wanted));
    for (wait, name, at) in [
        (200, "initiated", "2026-01-01T00:00:00.200Z"),
        (300, "in_transit", "2026-01-01T00:00:00.500Z"),
        (300, "delivered", "2026-01-01T00:00:00.800Z"),
    ] {
        stage.clock.step(ms(wait));
        let told = json!({
            "type": format!("delivery.{name}"), "order": "o-1", "delivery": id, "occurred_at": at,
        });
        assert_eq!(stage.told().await.body, told);
        let shown = json!({"delivery": id, "status": name});
        assert_eq!(stage.get(&path).await, (200, shown.clone()));
        let by_key = format!("{DELIVERIES}?key=o-1%2Fdeliver");
        assert_eq!(stage.get(&by_key).await, (200, shown.clone()));
        let (status, repeat, _) = delivered(&stage).await;
        assert_eq!((status, repeat), (201, shown));
    }
    let line = json!({"key": KEY, "order": "o-1", "delivery": id, "status": "delivered"});
    assert_eq!(stage.ledger("deliveries").await, [line]);
    stage.told_nothing().await;
}

#[tokio::test]
async fn a_parcel_is_called_back_until_it_is_on_its_way() {
    for wait in [0, 200, 499] {
        let mut stage = Stage::set().await;
        let (_, first, path) = delivered(&stage).await;
        stage.clock.step(ms(wait));
        let cancel = format!("{path}/cancel");
        let wanted = json!({"delivery": first["delivery"], "status": "cancelled"});
        for _ in 0..2 {
            assert_eq!(
                stage.post(&cancel, "k", &json!({})).await,
                (200, wanted.clone())
            );
        }
        stage.clock.step(ms(60_000));
        if wait >= 200 {
            assert_eq!(stage.told().await.body["type"], "delivery.initiated");
        }
        assert_eq!(stage.told().await.body["type"], "delivery.cancelled");
        assert_eq!(stage.get(&path).await, (200, wanted));
        stage.told_nothing().await;
    }
}

#[tokio::test]
async fn a_parcel_on_its_way_is_not_called_back() {
    let stage = Stage::set().await;
    let (_, first, path) = delivered(&stage).await;
    for (wait, name) in [(500, "in_transit"), (300, "delivered")] {
        stage.clock.step(ms(wait));
        let cancel = format!("{path}/cancel");
        let wanted = json!({"delivery": first["delivery"], "status": name, "code": "too_late"});
        assert_eq!(stage.post(&cancel, "k", &json!({})).await, (409, wanted));
    }
}

#[tokio::test]
async fn an_unknown_parcel_is_not_found() {
    let stage = Stage::set().await;
    for path in ["/delivery/deliveries/dl-1", "/delivery/deliveries?key=dl-1"] {
        assert_eq!(stage.get(path).await.0, 404, "{path}");
    }
    let cancel = "/delivery/deliveries/dl-1/cancel";
    assert_eq!(stage.post(cancel, "k", &json!({})).await.0, 404);
}

#[tokio::test]
async fn there_is_plenty_of_every_product() {
    let stage = Stage::set().await;
    let body = json!({"lines": [{"sku": "lamp", "quantity": 2}, {"sku": "desk"}]});
    let (status, answer) = stage.post("/product/availability", "k", &body).await;
    let plenty = |sku: &str| json!({"sku": sku, "available": 1_000_000});
    let wanted = json!({"lines": [plenty("lamp"), plenty("desk")]});
    assert_eq!((status, answer), (200, wanted));
}
