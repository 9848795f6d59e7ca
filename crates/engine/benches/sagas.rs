//! Sagas over anybody's services a second, on the SQLite store: three steps each, by HTTP.
//!
//! The services are one listener in the same process on loopback, with keep-alive, that answers
//! every POST with 200 and does nothing. A closed loop: each caller begins a saga with a random id
//! and key, waits until its last step is called, and begins the next; the clock stops when every
//! saga is COMPLETED in the store. So a saga is four commits and three HTTP exchanges, and the
//! figure is what one machine does with both ends of each.
//!
//! `cargo bench -p evenkeel-engine --bench sagas -- [--seconds S] [--rounds N] [--callers N]
//! [--bodies]`
#![expect(
    clippy::disallowed_methods,
    reason = "a benchmark has callers, a service and a stopwatch of its own"
)]

mod common;
#[path = "common/listener.rs"]
mod listener;

use common::{argument, ports, request, spread, start, store};
use evenkeel_engine::chain::hex;
use evenkeel_engine::clock::SystemIds;
use evenkeel_engine::commit::Command;
use evenkeel_engine::gateway::http::{HttpGateway, HttpOptions};
use evenkeel_engine::gateway::outbound::Outbound;
use evenkeel_engine::port::{Ids, SagaRow};
use evenkeel_engine::{Engine, Ports, Request};
use evenkeel_rules::ids::{SagaId, StepName};
use evenkeel_rules::saga::journey::{Ask, GIVE_UP_AFTER, Step};
use evenkeel_rules::saga::{Nature, State};
use evenkeel_rules::time::Millis;
use listener::{header, listen};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BODIES: &str = r#"[{"seat":"12A","class":"second"},{"nights":2},{"amount":12900}]"#;

/// Who waits for the last call of a saga, by its key.
type Waiting = Arc<Mutex<BTreeMap<String, oneshot::Sender<()>>>>;

/// Tells who waits for a saga that its last step is called.
fn hear(waiting: &Waiting, head: &str) {
    let key = header(head, "idempotency-key").unwrap_or_default();
    let caller = key
        .strip_suffix("/pay")
        .and_then(|saga| waiting.lock().remove(saga));
    if let Some(caller) = caller {
        let _gone = caller.send(());
    }
}

async fn open(dir: &Path, services: SocketAddr) -> Engine {
    let options = HttpOptions {
        allow: Outbound::only(&[services.to_string()]).expect("a place"),
        ..HttpOptions::default()
    };
    let gateway = HttpGateway::new(options).expect("nothing is configured");
    start(Ports {
        gateway: Some(Arc::new(gateway)),
        ..ports(store(dir))
    })
    .await
}

fn begin(id: &str, services: SocketAddr, with_bodies: bool) -> Request {
    let step = |name: &str, nature| Step {
        name: StepName::new(name).expect("an id"),
        url: format!("http://{services}/{name}"),
        undo_url: Some(format!("http://{services}/{name}/undo")),
        nature,
        timeout: Millis(2_000),
    };
    let steps = vec![
        step("flight", Nature::Compensatable),
        step("hotel", Nature::Compensatable),
        step("pay", Nature::Pivot),
    ];
    let ask = Ask {
        id: SagaId::new(id).expect("an id"),
        steps,
        give_up_after: GIVE_UP_AFTER,
        bodies: with_bodies.then(|| hex(&Sha256::digest(BODIES))),
    };
    let bodies = if with_bodies { BODIES } else { "" };
    let command = Command::StartSaga {
        ask: Box::new(ask),
        bodies: bodies.to_owned(),
    };
    request(command, id)
}

/// One saga from its beginning to its end.
async fn whole(engine: &Engine, (services, waiting): (SocketAddr, &Waiting), with_bodies: bool) {
    let number = u128::from_le_bytes(SystemIds.random());
    let id = format!("trip-{number:032x}");
    let (caller, called) = oneshot::channel();
    {
        let mut all = waiting.lock();
        all.insert(id.clone(), caller);
    }
    let begun = engine.execute(begin(&id, services, with_bodies)).await;
    begun.expect("it is begun");
    called.await.expect("its last step is called");
}

/// Waits until every saga that was begun behind a position is completed.
async fn all_completed(engine: &Engine, behind: u64) {
    loop {
        let (mut before, mut open) = (u64::MAX, 0);
        loop {
            let rows = engine.store().sagas(before, 2_000).await;
            let rows = rows.expect("readable").rows;
            let Some(last) = rows.last() else { break };
            before = last.created;
            let live = |row: &&SagaRow| row.body.run.state != State::Completed;
            open += rows.iter().filter(live).count();
            if open > 0 || before <= behind {
                break;
            }
        }
        if open == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let length = Duration::from_secs(argument("--seconds", 5));
    let (rounds, callers) = (argument("--rounds", 3), argument("--callers", 512));
    let with_bodies = std::env::args().any(|argument| argument == "--bodies");
    let waiting = Waiting::default();
    let services = {
        let waiting = Arc::clone(&waiting);
        listen(Arc::new(move |head, _| hear(&waiting, head))).await
    };
    let dir = tempfile::tempdir().expect("a directory");
    let engine = open(dir.path(), services).await;
    let mut figures = Vec::new();
    for _ in 0..rounds {
        let stop = Arc::new(AtomicBool::new(false));
        let done = Arc::new(AtomicU64::new(0));
        let mut tasks = tokio::task::JoinSet::new();
        let behind = engine.head().await.expect("readable").position;
        let begin = Instant::now();
        for _ in 0..callers {
            let (engine, waiting) = (engine.clone(), Arc::clone(&waiting));
            let (stop, done) = (Arc::clone(&stop), Arc::clone(&done));
            tasks.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    whole(&engine, (services, &waiting), with_bodies).await;
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        tokio::time::sleep(length).await;
        stop.store(true, Ordering::Relaxed);
        while tasks.join_next().await.is_some() {}
        all_completed(&engine, behind).await;
        figures.push(done.load(Ordering::Relaxed) as f64 / begin.elapsed().as_secs_f64());
    }
    engine.stop().await;
    let [median, least, most] = spread(figures);
    println!(
        "sagas of three steps, {callers} callers: {median:.0} completed/s ({least:.0}-{most:.0})"
    );
}
