//! A node whose clock is an hour off.

use crate::layer::Word;
use crate::shop::{Shop, Ways, place};
use crate::until;
use serde_json::json;

const HOUR: i64 = 3_600;

#[test]
fn a_node_with_its_clock_an_hour_off_writes_nothing_until_it_is_set_right() {
    let shop = Shop::open(&[]);
    let right = shop.node("a");
    right.stock("lamp", 1_000);
    let hold = place(&mut right.wire(), "lamp", "h-1", 600_000);
    assert_eq!(hold.status, 201, "{hold:?}");
    let path = format!("/v1/holds/{}", hold.text("id"));
    let wrong = [("ahead", HOUR), ("behind", -HOUR)].map(|(name, seconds)| {
        let layer = shop.layer(name);
        layer.set(Word::ClockSeconds, seconds);
        let ways = Ways {
            layer: Some(&layer),
            ..Ways::default()
        };
        let node = shop.node_with(name, ways);
        until("it notices", || {
            let ready = node.wire().get("/readyz").expect("it answers");
            ready.body["failing"] == json!(["clock"])
        });
        let refused = place(&mut node.wire(), "lamp", name, 1_000);
        assert_eq!((refused.status, refused.text("code")), (503, "unavailable"));
        let shown = node.wire().get(&path).expect("it reads");
        assert_eq!(shown.text("state"), "held", "{shown:?}");
        layer.set(Word::ClockSeconds, 0);
        (name, node, layer)
    });
    for (name, node, layer) in wrong {
        node.ready();
        assert!(layer.count(Word::Stepped) > 0, "it read another clock");
        let placed = place(&mut node.wire(), "lamp", name, 600_000);
        assert_eq!(placed.status, 201, "{placed:?}");
        node.kill();
    }
    let confirmed = right
        .wire()
        .post(&format!("{path}/confirm"), "c-1", &json!({}));
    let confirmed = confirmed.expect("it answers");
    assert_eq!(
        confirmed.status, 200,
        "nobody's clock ended it: {confirmed:?}"
    );
    shop.verify(None);
    right.kill();
}
