//! What every broker that is published to promises its publishers, one function per promise.

use super::fixture::*;
use evenkeel_engine::port::{Message, Published, ROOM};

fn of(message: &Message) -> Sent {
    Sent {
        id: message.id.clone(),
        key: message.key.clone(),
    }
}

/// Publishes until it is durable, as the relay does; what was told before that.
async fn at_last<F: Fixture>(fixture: &F, message: &Message) -> Vec<Published> {
    let publisher = publisher(fixture).await;
    let mut told = Vec::new();
    for _ in 0..20 {
        match one(&*publisher, message).await {
            Published::Durable => return told,
            other => told.push(other),
        }
    }
    panic!("{message:?} was never taken: {told:?}");
}

pub(crate) async fn an_unknown_outcome_published_again_is_a_double_and_never_a_loss<F: Fixture>(
    fixture: F,
) {
    let topic = fixture.topic("shop").await;
    let mut reader = Reader::join(&fixture, &topic, "stock").await;
    let (mut wanted, mut doubted) = (Vec::new(), 0);
    let ways = [Lost::Request, Lost::Answer, Lost::Late, Lost::Answer];
    for (round, lost) in ways.into_iter().enumerate() {
        let message = note(&topic, "a", 2 * round as u64);
        let brought_about = fixture.lose(lost);
        let told = at_last(&fixture, &message).await;
        assert!(
            told.iter().all(|it| *it == Published::Unknown),
            "{lost:?}: {told:?}"
        );
        assert_eq!(!told.is_empty(), brought_about, "{lost:?}");
        doubted += told.len();
        let next = note(&topic, "a", 2 * round as u64 + 1);
        at_last(&fixture, &next).await;
        wanted.extend([of(&message), of(&next)]);
    }
    let mut came = reader.all(&wanted).await;
    came.extend(reader.rest().await.iter().map(sent));
    assert_eq!(
        firsts(&came),
        wanted,
        "in order, and under the ids that they had"
    );
    assert!(
        came.len() <= wanted.len() + doubted,
        "one more at most for each doubt"
    );
    reader.crash();
}

pub(crate) async fn a_message_of_a_mebibyte_comes_whole<F: Fixture>(fixture: F) {
    let topic = fixture.topic("shop").await;
    let mut reader = Reader::join(&fixture, &topic, "stock").await;
    let mut message = note(&topic, "a", 0);
    let filler = "ä\n\"\\ ~".repeat(ROOM / 7);
    let text = serde_json::to_string(&filler).expect("a string is JSON");
    message.body = text[..text.floor_char_boundary(ROOM / 2)].to_owned();
    let room = ROOM - message.size();
    message.body.push_str(&"x".repeat(room));
    assert_eq!(message.size(), ROOM);
    assert_eq!(at_last(&fixture, &message).await, []);
    let came = reader.some(1).await;
    assert!(came[0].message == message, "it came otherwise than it went");
    reader.acknowledge(&came).await;
    reader.leave().await;
}

pub(crate) async fn a_message_that_is_too_large_is_refused_for_good<F: Fixture>(fixture: F) {
    let topic = fixture.topic("shop").await;
    let mut reader = Reader::join(&fixture, &topic, "stock").await;
    let publisher = publisher(&fixture).await;
    assert!(publisher.size_max() >= ROOM);
    let mut large = note(&topic, "a", 0);
    large.body = "x".repeat(publisher.size_max() + 1 - (large.size() - large.body.len()));
    let (after, beside) = (note(&topic, "a", 1), note(&topic, "b", 0));
    let told = publisher
        .publish(&[large.clone(), beside.clone()], TIMEOUT)
        .await;
    assert!(
        matches!(&told[0], Published::Refused { why } if why.len() < 200),
        "{:?}",
        told[0]
    );
    assert_eq!(told[1], Published::Durable, "it is refused alone");
    assert!(
        matches!(one(&*publisher, &large).await, Published::Refused { .. }),
        "each time"
    );
    assert_eq!(at_last(&fixture, &after).await, []);
    let came = reader.all(&[of(&after), of(&beside)]).await;
    assert!(!came.contains(&of(&large)));
    reader.leave().await;
}

pub(crate) async fn ids_keys_and_headers_come_as_they_were_sent<F: Fixture>(fixture: F) {
    let topic = fixture.topic("shop").await;
    let mut reader = Reader::join(&fixture, &topic, "stock").await;
    let visible: String = ('!'..='~').collect();
    let header = |name: &str| (name.to_owned(), visible.clone());
    let mut wanted: Vec<Message> = vec![
        Message {
            headers: (0..8).map(|at| header(&format!("x-{at}"))).collect(),
            ..note(&topic, "cart:c-1:lamp~2", 0)
        },
        Message {
            headers: Vec::new(),
            ..note(&topic, &"k".repeat(128), 0)
        },
        Message {
            id: "i".repeat(128),
            body: "{\"text\":\"\u{e4}\u{20ac}\u{1f600} \\u0000\"}".to_owned(),
            ..note(&topic, "A", 0)
        },
        Message {
            id: format!("main.1:{}/0", u64::MAX),
            ..note(&topic, "a", 0)
        },
    ];
    wanted[1].id = "main.1:2/0".to_owned();
    let publisher = publisher(&fixture).await;
    let told = publisher.publish(&wanted, TIMEOUT).await;
    assert!(told.iter().all(|it| *it == Published::Durable), "{told:?}");
    let mut came = Vec::new();
    while came.len() < wanted.len() {
        let some = reader.some(4).await;
        reader.acknowledge(&some).await;
        came.extend(some.into_iter().map(|it| it.message));
    }
    for message in &mut came {
        message.headers.sort();
    }
    for message in &wanted {
        assert!(
            came.contains(message),
            "{message:?} came otherwise: {came:?}"
        );
    }
    reader.leave().await;
}

pub(crate) async fn of_a_key_only_the_first_of_a_batch_is_sent<F: Fixture>(fixture: F) {
    let topic = fixture.topic("shop").await;
    let mut reader = Reader::join(&fixture, &topic, "stock").await;
    let publisher = publisher(&fixture).await;
    let batch = [
        note(&topic, "a", 0),
        note(&topic, "b", 0),
        note(&topic, "a", 1),
    ];
    let told = publisher.publish(&batch, TIMEOUT).await;
    assert_eq!(told.len(), 3);
    assert_eq!(told[..2], [Published::Durable, Published::Durable]);
    assert!(matches!(told[2], Published::NotSent { .. }), "{told:?}");
    reader.all(&[of(&batch[0]), of(&batch[1])]).await;
    assert_eq!(reader.rest().await, [], "what was not sent does not come");
    assert_eq!(at_last(&fixture, &batch[2]).await, []);
    reader.all(&[of(&batch[2])]).await;
    reader.leave().await;
}

pub(crate) async fn a_broker_that_is_down_refuses_nothing_for_good<F: Fixture>(fixture: F) {
    let topic = fixture.topic("shop").await;
    let reader = Reader::join(&fixture, &topic, "stock").await;
    reader.leave().await;
    let publisher = publisher(&fixture).await;
    let mut wanted = Vec::new();
    for round in 0..3 {
        let message = note(&topic, "a", round);
        fixture.kill().await;
        let told = one(&*publisher, &message).await;
        let open = matches!(told, Published::NotSent { .. } | Published::Unknown);
        assert!(open, "nobody is there, and says {told:?}");
        fixture.restart().await;
        at_last(&fixture, &message).await;
        wanted.push(of(&message));
    }
    let mut reader = Reader::join(&fixture, &topic, "stock").await;
    let came = reader.all(&wanted).await;
    assert_eq!(firsts(&came), wanted);
    reader.leave().await;
}
