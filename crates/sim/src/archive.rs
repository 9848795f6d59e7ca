//! Somebody archives while everything fails: the log's old part leaves the database and comes back,
//! and `verify` goes on from seals.
//!
//! Each of its steps goes through a node, which may die on the way. What stands in segments is on a
//! disk that all nodes see. At the end the whole log is read on through the segments, and must be
//! the log that became durable.

use crate::clock;
use crate::node::Node;
use crate::planted::Planted;
use crate::store::NodeStore;
use crate::world::World;
use async_trait::async_trait;
use evenkeel_engine::Engine;
use evenkeel_engine::archive::{Archive, Archived, Ask, NotDone, keep_seals};
use evenkeel_engine::port::{Fault, SegmentFile, SegmentFiles, SegmentName, Store};
use evenkeel_engine::store::memory::Tables;
use evenkeel_engine::verify::{Inputs, Kind, Report, verify};
use std::sync::Arc;
use std::time::Duration;

/// Whether somebody archives in a seed: in each third one, where no bug is planted.
pub(crate) fn archives(seed: u64, planted: Option<Planted>) -> bool {
    planted.map_or(seed % 3 == 2, Planted::is_of_archive)
}

/// The files of segments, as a node sees them.
struct NodeFiles {
    world: Arc<World>,
    node: Arc<Node>,
}

/// A file that a node writes.
struct NodeFile {
    world: Arc<World>,
    node: Arc<Node>,
    file: Box<dyn SegmentFile>,
}

impl NodeFiles {
    async fn step(&self) {
        self.node.awake().await;
        self.world.latency(2).await;
        self.node.awake().await;
    }
}

#[async_trait]
impl SegmentFiles for NodeFiles {
    async fn begin(&self, first: u64, dice: [u8; 16]) -> Result<Box<dyn SegmentFile>, Fault> {
        self.step().await;
        Ok(Box::new(NodeFile {
            world: Arc::clone(&self.world),
            node: Arc::clone(&self.node),
            file: self.world.segments.begin(first, dice).await?,
        }))
    }

    async fn size(&self, name: SegmentName) -> Result<Option<u64>, Fault> {
        self.step().await;
        self.world.segments.size(name).await
    }

    async fn read(
        &self,
        name: SegmentName,
        from: u64,
        length: u32,
    ) -> Result<Option<Vec<u8>>, Fault> {
        self.step().await;
        self.world.segments.read(name, from, length).await
    }

    async fn remove(&self, name: SegmentName) -> Result<(), Fault> {
        self.step().await;
        self.world.segments.remove(name).await
    }
}

#[async_trait]
impl SegmentFile for NodeFile {
    async fn append(&mut self, bytes: Vec<u8>) -> Result<(), Fault> {
        self.world.latency(2).await;
        self.node.awake().await;
        self.file.append(bytes).await
    }

    async fn finish(self: Box<Self>, name: SegmentName) -> Result<(), Fault> {
        self.world.latency(3).await;
        self.node.awake().await;
        let Self { world, file, .. } = *self;
        file.finish(name).await?;
        if world.planted == Some(Planted::UnsyncedSegment) {
            world.unsynced.lock().insert(name);
        }
        Ok(())
    }
}

/// A node's way to the store, and on through the segments.
pub(crate) fn through(world: &Arc<World>, node: &Arc<Node>) -> Arc<Archived> {
    let store = NodeStore {
        world: Arc::clone(world),
        node: Arc::clone(node),
    };
    let files = NodeFiles {
        world: Arc::clone(world),
        node: Arc::clone(node),
    };
    Arc::new(Archived::new(Arc::new(store), Arc::new(files)))
}

/// Archives, brings back and verifies until the dice are switched off.
pub(crate) async fn keep(world: Arc<World>, nodes: [Arc<Node>; 2], seed: u64) {
    let mut rng = fastrand::Rng::with_seed(seed ^ 0x5ea1);
    let rows = rng.u64(5..60);
    while world.dice(|dice| dice.is_on()) {
        clock::sleep(Duration::from_millis(rng.u64(50..700))).await;
        let node = &nodes[rng.usize(0..2)];
        let Some((engine, life)) = node.engine() else {
            continue;
        };
        let act = rng.u8(0..8);
        let work = once(&world, (node, &engine), (act, rows));
        let _unless_it_died = node.alive(life, work).await;
    }
}

async fn once(world: &Arc<World>, (node, engine): (&Arc<Node>, &Engine), (act, rows): (u8, u64)) {
    let store = through(world, node);
    let archive = Archive::new(engine.clone(), Arc::clone(&store));
    match act {
        0..5 => {
            let ask = Ask {
                rows,
                ..Ask::default()
            };
            if let Err(NotDone::Damaged(report)) = archive.run(ask, Inputs::default()).await {
                judge(world, &report);
            }
        }
        5 => {
            let segments = store.segments().await.map_or(Vec::new(), |at| at.rows);
            if let Some(last) = segments.last() {
                drop(archive.bring_back(last.first).await);
            }
        }
        _ => {
            let inputs = Inputs {
                deep: act == 6,
                seal_every: rows,
                ..Inputs::default()
            };
            if let Ok(report) = verify(&*store, inputs).await {
                judge(world, &report);
                drop(keep_seals(engine, &report).await);
            }
        }
    }
}

/// Reports what was found but that something is late: while everything fails, much is.
fn judge(world: &World, report: &Report) {
    for check in &report.checks {
        for finding in &check.findings {
            if !matches!(finding.kind, Kind::NotEnded | Kind::NotDone) {
                let (id, kind, of) = (&check.id, finding.subject.kind, &finding.subject.id);
                let detail = &finding.detail;
                let what = format!("verify finds {id} violated by {kind} {of}: {detail}");
                world.audit(|auditor| auditor.report("verify", what));
            }
        }
    }
}

/// The rows of the store, with the whole log among them as if it had never been archived.
pub(crate) async fn whole(world: &World) -> Tables {
    let mut tables = world.store.tables();
    let archived = world.archived();
    let (mut rows, mut next) = (Vec::new(), 1);
    while next < tables.head.floor {
        match archived.log(next, 100).await {
            Ok(page) if !page.rows.is_empty() => {
                let below = page.rows.into_iter();
                rows.extend(below.filter(|row| row.position < tables.head.floor));
                next = rows.last().map_or(u64::MAX, |row| row.position + 1);
            }
            Ok(_) => break,
            Err(fault) => {
                let what = format!("the archived log cannot be read from {next} on: {fault}");
                world.audit(|auditor| auditor.report("I16", what));
                break;
            }
        }
    }
    let floor = tables.head.floor;
    tables.log.retain(|row| row.position >= floor);
    rows.append(&mut tables.log);
    tables.log = rows;
    tables.head.floor = 1;
    tables.segments.clear();
    tables.seals.clear();
    tables
}
