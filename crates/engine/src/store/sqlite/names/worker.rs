//! Where the sorting and merging is done: on a thread beside the writer, or in the writer's turn.
//!
//! The thread does one short order after the other and has at most one order of each run waiting,
//! so a long merge never keeps a short one waiting, and no queue grows. It reads through a
//! connection of its own that cannot write. In the writer's turn everything happens at the moment
//! of the order: what happens then depends on the calls alone.

use super::merge::{Piece, Producer, Task};
use rusqlite::{Connection, OpenFlags};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long a read waits for a database that is being recovered after a crash.
const BUSY: Duration = Duration::from_secs(20);

/// What the worker is asked to do for the run with a number.
pub(super) enum Order {
    /// Begin to make it. Has no answer.
    Begin { task: Task, part_blocks: usize },
    /// Make this many more blocks of it.
    More { blocks: usize },
    /// Forget it. Has no answer.
    Drop,
}

/// The pieces that were ordered for the run with this number, or why there will be none.
pub(super) type Answer = (i64, rusqlite::Result<Vec<Piece>>);

/// The runs that are being made.
#[derive(Default)]
struct Bench {
    producers: BTreeMap<i64, Producer>,
}

impl Bench {
    fn follow(&mut self, run: i64, order: Order, conn: &Connection) -> Option<Answer> {
        match order {
            Order::Begin { task, part_blocks } => {
                self.producers
                    .insert(run, Producer::new(&task, run, part_blocks));
                None
            }
            Order::More { blocks } => {
                let producer = self.producers.get_mut(&run)?;
                Some((run, producer.step(conn, blocks)))
            }
            Order::Drop => {
                self.producers.remove(&run);
                None
            }
        }
    }
}

/// Follows orders, by itself or by its thread.
pub(super) enum Worker {
    /// In the writer's turn; with the answers not yet heard.
    Inline(Inline),
    /// On a thread.
    Beside(Beside),
}

impl Worker {
    /// A worker for the database of this connection. It works in the writer's turn when no thread
    /// is wanted, and for a database that has no file which a second connection could open.
    pub(super) fn new(conn: &Connection, background: bool) -> Worker {
        match conn.path().filter(|path| background && !path.is_empty()) {
            Some(path) => Worker::Beside(Beside {
                path: path.into(),
                thread: None,
            }),
            None => Worker::Inline(Inline::default()),
        }
    }

    /// Gives an order; `conn` is used when it is followed here and now.
    pub(super) fn order(&mut self, run: i64, order: Order, conn: &Connection) {
        match self {
            Worker::Inline(inline) => inline.answers.extend(inline.bench.follow(run, order, conn)),
            Worker::Beside(beside) => beside.order(run, order),
        }
    }

    /// Asks for everything about a run to be forgotten.
    pub(super) fn drop_run(&mut self, run: i64) {
        match self {
            Worker::Inline(inline) => {
                inline.bench.producers.remove(&run);
            }
            Worker::Beside(beside) => beside.order(run, Order::Drop),
        }
    }

    /// The answers so far; never waits.
    pub(super) fn answers(&mut self) -> Vec<Answer> {
        match self {
            Worker::Inline(inline) => std::mem::take(&mut inline.answers),
            Worker::Beside(beside) => beside.answers(),
        }
    }
}

/// The worker without a thread.
#[derive(Default)]
pub(super) struct Inline {
    bench: Bench,
    answers: Vec<Answer>,
}

/// The worker with a thread, which begins with the first order.
pub(super) struct Beside {
    path: PathBuf,
    thread: Option<Thread>,
}

struct Thread {
    orders: Option<Sender<(i64, Order)>>,
    answers: Receiver<Answer>,
    handle: Option<JoinHandle<()>>,
}

impl Beside {
    fn order(&mut self, run: i64, order: Order) {
        let thread = self
            .thread
            .get_or_insert_with(|| Thread::start(self.path.clone()));
        let orders = thread
            .orders
            .as_ref()
            .expect("orders are closed only by drop");
        orders
            .send((run, order))
            .expect("the thread ends only after the last order");
    }

    fn answers(&mut self) -> Vec<Answer> {
        let Some(thread) = &self.thread else {
            return Vec::new();
        };
        let mut answers = Vec::new();
        loop {
            match thread.answers.try_recv() {
                Ok(answer) => answers.push(answer),
                Err(TryRecvError::Empty) => return answers,
                Err(TryRecvError::Disconnected) => panic!("the thread that merges runs has died"),
            }
        }
    }
}

impl Thread {
    #[expect(
        clippy::disallowed_methods,
        reason = "the store's merging thread: one per writer, joined when its names are dropped"
    )]
    fn start(path: PathBuf) -> Thread {
        let (orders, inbox) = channel();
        let (outbox, answers) = channel();
        let handle = std::thread::Builder::new()
            .name("evenkeel-names".into())
            .spawn(move || follow_all(&path, &inbox, &outbox))
            .expect("a process that runs the store can start one more thread");
        Thread {
            orders: Some(orders),
            answers,
            handle: Some(handle),
        }
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.orders = None;
        let ended = self.handle.take().map(JoinHandle::join);
        // A panic of the thread was reported where it happened; one here would hide the first.
        drop(ended);
    }
}

fn follow_all(path: &Path, inbox: &Receiver<(i64, Order)>, outbox: &Sender<Answer>) {
    let mut bench = Bench::default();
    let mut conn = None;
    while let Ok((run, order)) = inbox.recv() {
        let answer = match open_once(&mut conn, path) {
            Ok(conn) => bench.follow(run, order, conn),
            Err(error) => Some((run, Err(error))),
        };
        if answer.is_some_and(|answer| outbox.send(answer).is_err()) {
            return;
        }
    }
}

fn open_once<'a>(
    conn: &'a mut Option<Connection>,
    path: &Path,
) -> rusqlite::Result<&'a Connection> {
    if conn.is_none() {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let opened = Connection::open_with_flags(path, flags)?;
        opened.busy_timeout(BUSY)?;
        *conn = Some(opened);
    }
    Ok(conn.as_ref().expect("it was opened above"))
}
