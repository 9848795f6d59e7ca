//! The stories of `docs/stories`: each page shows what `evenkeel explain` prints, and here it is
//! made to happen by the real binary and compared. Moments, positions and token ids differ from run
//! to run and are left out of it. `BLESS=1` writes the pages' blocks anew.

use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

#[path = "common/process.rs"]
mod process;

use process::{Process, serve, token};

const SECRET: &str = "whsec_AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcY";
/// Longer than any of these stories takes.
const LOOKS: usize = 20_000;

/// The providers, ended with the test.
struct Sandbox {
    child: Child,
    address: String,
    /// Kept, so that it can print.
    _out: BufReader<ChildStdout>,
}

impl Sandbox {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_evenkeel"))
            .args(["sandbox", "--listen", "127.0.0.1:0", "--secret", SECRET])
            .env("EVENKEEL_DIE_WITH_PARENT", "1")
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary was built for this test");
        let mut out = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut first = String::new();
        out.read_line(&mut first).expect("a first line");
        let address = first.trim().strip_prefix("ready http://");
        let address = address.expect("it says that it is ready").to_owned();
        Self {
            child,
            address,
            _out: out,
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _already_ended = self.child.kill();
        let _already_waited = self.child.wait();
    }
}

/// A shop with lamps, its server and its providers.
struct Shop {
    server: Process,
    sandbox: Sandbox,
    secret: String,
    _home: tempfile::TempDir,
}

impl Shop {
    fn open(units: u32, confirming_ms: &str) -> Self {
        let home = tempfile::tempdir().expect("a temporary directory can be made");
        let sandbox = Sandbox::start();
        let provider = format!("http://{}", sandbox.address);
        let server = Process::start(
            serve(home.path(), "127.0.0.1:0")
                .env("EVENKEEL_PAYMENT__URL", format!("{provider}/payment"))
                .env("EVENKEEL_PAYMENT__WEBHOOK_SECRET", SECRET)
                .env("EVENKEEL_DELIVERY__URL", format!("{provider}/delivery"))
                .env("EVENKEEL_DELIVERY__WEBHOOK_SECRET", SECRET)
                .env("EVENKEEL_HOLDS__CONFIRMING_MS", confirming_ms)
                .stderr(Stdio::null()),
        );
        let shop = Self {
            server: server.expect("it serves"),
            secret: token(home.path()),
            sandbox,
            _home: home,
        };
        let lamp = json!({"name": "Lamp", "price": {"amount": 1999, "currency": "EUR"}});
        shop.ask("PUT /v1/skus/lamp", &lamp);
        shop.run(&[
            "stock",
            "receive",
            "lamp",
            &units.to_string(),
            "--reference",
            "po-17",
        ]);
        shop
    }

    /// Orders lamps and pays with a card.
    fn order(&self, id: &str, card: &str) {
        let order = json!({
            "id": id, "customer": "ann", "lines": [{"sku": "lamp", "quantity": 1}],
            "payment": {"method": "card", "token": card},
        });
        let answer = self.ask("POST /v1/orders", &order);
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    }

    fn ask(&self, line: &str, body: &Value) -> String {
        let authorization = format!("authorization: Bearer {}\r\n", self.secret);
        ask(&self.server.address, (line, &authorization), body)
    }

    /// Turns the providers' knobs.
    fn knobs(&self, knobs: &Value) {
        let answer = ask(&self.sandbox.address, ("PUT /knobs", ""), knobs);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let url = format!("http://{}", self.server.address);
        let output = Command::new(env!("CARGO_BIN_EXE_evenkeel"))
            .args(arguments)
            .env("EVENKEEL_URL", url)
            .env("EVENKEEL_TOKEN", &self.secret)
            .output();
        output.expect("the binary was built for this test")
    }

    fn told(&self, arguments: &[&str]) -> String {
        let output = self.run(&[&["explain"], arguments].concat());
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        String::from_utf8(output.stdout).expect("a story is text")
    }

    /// Looks until the story stands as it should.
    fn until(&self, id: &str, stands: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        for _ in 0..LOOKS {
            let told = self.told(&[id, "--json"]);
            last = serde_json::from_str(&told).expect("one JSON object");
            if stands(&last) {
                return last;
            }
        }
        panic!("it never stands as it should: {last:#}");
    }
}

fn ask(address: &str, (line, headers): (&str, &str), body: &Value) -> String {
    static KEYS: AtomicU32 = AtomicU32::new(0);
    let (body, key) = (body.to_string(), KEYS.fetch_add(1, Ordering::Relaxed));
    let request = format!(
        "{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nidempotency-key: k-{key}\r\n{headers}\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer
}

fn has(story: &Value, what: &str) -> bool {
    let entries = story["entries"].as_array().into_iter().flatten();
    let mut said = entries.filter_map(|entry| entry["what"].as_str());
    said.any(|said| said.starts_with(what))
}

/// A story without what differs from run to run.
fn plain(story: &str) -> Vec<String> {
    let word = |word: &str| {
        let digits = |text: &str| text.bytes().filter(u8::is_ascii_digit).count();
        match word {
            it if it.starts_with('[') => "[n]".to_owned(),
            it if it.starts_with("main.1:") => "main.1:n".to_owned(),
            it if it.starts_with("t-") => "t-n".to_owned(),
            it if it.len() >= 10 && it.starts_with("20") && it.contains('-') => "DAY".to_owned(),
            it if it.contains(':') && digits(it) >= 6 => "TIME".to_owned(),
            it => it.to_owned(),
        }
    };
    story.split_whitespace().map(word).collect()
}

/// Holds the block of a page that shows a command to what the command printed.
fn hold_page(name: &str, command: &str, printed: &str) {
    for line in printed.lines() {
        assert!(line.chars().count() <= 100, "wider than a terminal: {line}");
    }
    let docs = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/stories");
    let path = docs.join(format!("{name}.md"));
    let page = std::fs::read_to_string(&path).expect("the page is there");
    let begin = format!("```console\n$ {command}\n");
    let (above, rest) = page.split_once(&begin).expect("the page shows the command");
    let (shown, below) = rest.split_once("```").expect("the block ends");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, format!("{above}{begin}{printed}```{below}")).expect("it is ours");
        return;
    }
    assert_eq!(
        plain(shown),
        plain(printed),
        "docs/stories/{name}.md is stale: run it with BLESS=1\n{printed}"
    );
}

#[test]
fn a_happy_order_is_told_from_its_click_to_its_door() {
    let shop = Shop::open(3, "900000");
    shop.order("o-17", "tok_ok");
    shop.until("o-17", |story| {
        story["state"] == "DELIVERED" && has(story, "saga.completed")
    });
    hold_page("happy", "evenkeel explain o-17", &shop.told(&["o-17"]));
}

#[test]
fn a_late_payment_is_told_with_the_end_that_it_undid() {
    let shop = Shop::open(3, "2000");
    shop.order("o-18", "tok_late");
    let late = shop.until("o-18", |story| has(story, "order.confirmed"));
    let expired = late["entries"].as_array().expect("steps").iter();
    let mut expired = expired.filter(|entry| {
        entry["what"]
            .as_str()
            .is_some_and(|it| it.starts_with("order.expired"))
    });
    let expired = expired.next_back().expect("it expired first")["position"].to_string();
    shop.until("o-18", |story| {
        story["state"] == "DELIVERED" && has(story, "saga.completed")
    });
    hold_page("late", "evenkeel explain o-18", &shop.told(&["o-18"]));
    // What it looked like in the night, when somebody first asked.
    let then = shop.told(&["o-18", "--as-of", &expired]);
    assert!(then.starts_with("order o-18: EXPIRED"), "{then}");
    assert!(then.contains("This is the past"), "{then}");
    assert!(!then.contains("order.paid"), "{then}");
}

#[test]
fn a_stuck_refund_is_told_with_who_has_to_act() {
    let shop = Shop::open(1, "2000");
    shop.order("o-19", "tok_late");
    shop.until("o-19", |story| story["state"] == "EXPIRED");
    // Somebody else buys the unit, so that the money that comes late has to go back.
    shop.order("o-20", "tok_ok");
    shop.until("o-20", |story| story["state"] == "DELIVERED");
    shop.knobs(&json!({"refuse_rate": 1}));
    let stuck = shop.until("o-19", |story| story["findings"] != json!([]));
    assert_eq!(stuck["findings"][0]["kind"], "refund_stuck", "{stuck:#}");
    assert_eq!(stuck["next"][0]["who"], "a person", "{stuck:#}");
    hold_page("stuck", "evenkeel explain o-19", &shop.told(&["o-19"]));
    // What it says to do works.
    let closed = ["review", "reject", "o-19", "--reason", "paid back in cash"];
    assert_eq!(shop.run(&closed).status.code(), Some(0));
    let ended = shop.until("o-19", |story| story["findings"] == json!([]));
    assert_eq!(ended["next"], json!([]), "{ended:#}");
}

#[test]
fn an_id_alone_is_enough_and_an_unknown_one_names_what_is_near() {
    let shop = Shop::open(3, "900000");
    shop.order("o-17", "tok_ok");
    let story = shop.until("o-17", |story| {
        story["shipment"].is_null() && has(story, "delivery.initiated")
    });
    assert_eq!(story["kind"], "order");
    let begins = |arguments: &[&str], wanted: &str| {
        let told = shop.told(arguments);
        assert!(told.starts_with(wanted), "{arguments:?}: {told}");
    };
    begins(&["lamp"], "sku lamp: ");
    begins(&["order:o-17"], "saga order:o-17: ");
    assert!(
        shop.told(&["order:o-17"])
            .contains("evenkeel explain hold order:o-17")
    );
    begins(&["hold", "order:o-17"], "hold order:o-17: ");
    begins(&["payment", "o-17"], "payment o-17: COMPLETED");
    // Names that others gave, and places in the log.
    let captured = story["entries"].as_array().expect("steps").iter();
    let captured = captured.filter_map(|entry| entry["what"].as_str());
    let captured = captured
        .filter_map(|it| it.split_once("transaction "))
        .next();
    let transaction = captured.expect("a transaction").1.trim_end_matches('.');
    begins(&[transaction], "order o-17: ");
    let position = story["entries"][0]["position"].to_string();
    begins(&[&position], "order o-17: ");
    begins(&[&format!("main.1:{position}/0")], "order o-17: ");

    let says = |arguments: &[&str], code: i32, wanted: &str| {
        let output = shop.run(&[&["explain"], arguments].concat());
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(told.contains(wanted), "{arguments:?}: {told}");
    };
    says(&["o-71"], 1, "did you mean order o-17?");
    says(&["sku", "lamb"], 1, "did you mean sku lamp?");
    says(&["xyzzy"], 1, "nothing has an id like it");
    says(&["ordre", "o-17"], 2, "did you mean order?");
}
