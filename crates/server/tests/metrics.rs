//! `/metrics` of the real server, read as strictly as Prometheus reads it, and what metrics and
//! logs never say.

#[path = "common/process.rs"]
mod process;

use process::{Process, serve, token};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};

struct Server {
    process: Process,
    token: String,
    home: tempfile::TempDir,
}

impl Server {
    fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts one under these variables.
    fn start_with(variables: &[(&str, &str)]) -> Self {
        let home = tempfile::tempdir().expect("a scratch directory");
        let mut command = serve(home.path(), "127.0.0.1:0");
        command
            .envs(variables.iter().copied())
            .stderr(File::create(home.path().join("log")).expect("a file for its log"));
        Self {
            process: Process::start(&mut command).expect("it serves"),
            token: token(home.path()),
            home,
        }
    }

    /// What it logged so far.
    fn log(&self) -> String {
        fs::read_to_string(self.home.path().join("log")).expect("its log can be read")
    }

    /// The head and the body of an answer, in lower case and as it is.
    fn ask(&self, line: &str, body: &str) -> (String, String) {
        self.ask_as(&self.token, line, body)
    }

    /// The same with another token.
    fn ask_as(&self, token: &str, line: &str, body: &str) -> (String, String) {
        let mut stream = TcpStream::connect(&self.process.address).expect("the server listens");
        let key = line.replace(' ', "-");
        let request = format!(
            "{line} HTTP/1.1\r\nhost: shop\r\nconnection: close\r\nauthorization: Bearer {}\r\n\
             idempotency-key: {key}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            token,
            body.len()
        );
        stream
            .write_all(request.as_bytes())
            .expect("the server reads");
        let mut answer = String::new();
        stream
            .read_to_string(&mut answer)
            .expect("an answer is text");
        let (head, body) = answer.split_once("\r\n\r\n").expect("an answer has a head");
        (head.to_lowercase(), body.to_owned())
    }
}

/// A sample: name, labels, value.
struct Sample<'a> {
    name: &'a str,
    labels: BTreeMap<&'a str, &'a str>,
    value: f64,
}

fn is_name(text: &str) -> bool {
    let mut letters = text.chars();
    letters
        .next()
        .is_some_and(|one| one.is_ascii_alphabetic() || one == '_')
        && letters.all(|one| one.is_ascii_alphanumeric() || one == '_')
}

fn sample(line: &str) -> Sample<'_> {
    let (whole, value) = line.rsplit_once(' ').expect("a sample has a value");
    let value = value
        .parse()
        .unwrap_or_else(|_| panic!("no number: {line}"));
    let (name, labels) = match whole.split_once('{') {
        None => (whole, ""),
        Some((name, labels)) => (name, labels.strip_suffix('}').expect("braces are closed")),
    };
    let pairs = labels.split(',').filter(|pair| !pair.is_empty());
    let pairs: Vec<(&str, &str)> = pairs
        .map(|pair| {
            let (label, value) = pair.split_once('=').expect("a label has a value");
            let value = value
                .strip_prefix('"')
                .and_then(|value| value.strip_suffix('"'));
            assert!(is_name(label), "{line}");
            (
                label,
                value.unwrap_or_else(|| panic!("a value is quoted: {line}")),
            )
        })
        .collect();
    assert!(is_name(name), "{line}");
    let count = pairs.len();
    let labels: BTreeMap<_, _> = pairs.into_iter().collect();
    assert_eq!(labels.len(), count, "a label stands twice: {line}");
    Sample {
        name,
        labels,
        value,
    }
}

/// The family that a sample belongs to, by its kind.
fn belongs(sample: &str, family: &str, kind: &str) -> bool {
    let parts: &[&str] = match kind {
        "summary" => &["", "_sum", "_count"],
        "histogram" => &["_bucket", "_sum", "_count"],
        _ => &[""],
    };
    parts.iter().any(|part| sample == format!("{family}{part}"))
}

/// Reads a page and answers its samples by name; panics where it is not valid.
fn read(page: &str) -> BTreeMap<String, Vec<f64>> {
    assert!(page.ends_with('\n'), "the last line is ended");
    let (mut families, mut seen) = (BTreeSet::new(), BTreeSet::new());
    let (mut family, mut helped) = (None, None);
    let mut samples: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for line in page.lines().filter(|line| !line.is_empty()) {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, text) = rest.split_once(' ').expect("a help has a text");
            assert!(!text.trim().is_empty(), "{line}");
            helped = Some(name);
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a type has a kind");
            assert!(
                ["counter", "gauge", "summary", "histogram"].contains(&kind),
                "{line}"
            );
            assert!(families.insert(name), "{name} begins twice");
            assert_eq!(helped, Some(name), "{name} is not explained");
            assert!(name.starts_with("evenkeel_"), "{name}");
            assert_eq!(
                kind == "counter",
                name.ends_with("_total"),
                "{name} is a {kind}"
            );
            family = Some((name, kind));
        } else {
            let one = sample(line);
            let (name, kind) = family.expect("a sample comes after its type");
            assert!(belongs(one.name, name, kind), "{line} stands under {name}");
            assert!(
                seen.insert((one.name, one.labels.clone())),
                "{line} stands twice"
            );
            assert!(kind != "counter" || one.value >= 0.0, "{line}");
            samples
                .entry(one.name.to_owned())
                .or_default()
                .push(one.value);
        }
    }
    samples
}

#[test]
fn the_metrics_page_is_what_prometheus_reads() {
    let server = Server::start();
    let lamp = "{\"name\":\"Lamp\",\"price\":{\"amount\":1999,\"currency\":\"EUR\"}}";
    let (head, _) = server.ask("PUT /v1/skus/lamp", lamp);
    assert!(head.starts_with("http/1.1 201"), "{head}");
    let line = "{\"customer\":\"c-1\",\"lines\":[{\"sku\":\"lamp\",\"quantity\":1}]}";
    let (head, _) = server.ask("POST /v1/holds", line);
    assert!(head.starts_with("http/1.1 409"), "{head}");
    let (head, page) = server.ask("GET /metrics", "");
    assert!(
        head.contains("content-type: text/plain; version=0.0.4"),
        "{head}"
    );
    let samples = read(&page);
    let one = |name: &str| samples.get(name).and_then(|values| values.first()).copied();
    assert_eq!(one("evenkeel_ready"), Some(1.0), "{page}");
    assert_eq!(one("evenkeel_log_position"), Some(2.0), "{page}");
    assert_eq!(one("evenkeel_outbox_pending_positions"), Some(0.0));
    assert_eq!(one("evenkeel_outbox_oldest_seconds"), Some(0.0));
    assert_eq!(one("evenkeel_parked"), Some(0.0));
    for name in [
        "evenkeel_http_server_requests_total",
        "evenkeel_uptime_seconds",
        "evenkeel_waiting_commits",
        "evenkeel_loop_lag_positions",
        "evenkeel_loop_lag_seconds",
        "evenkeel_batch_commits_count",
        "evenkeel_batch_duration_seconds_count",
        "evenkeel_batch_lane_commits_count",
        "evenkeel_sync_duration_seconds_count",
        "evenkeel_gate_unsure_total",
    ] {
        assert!(samples.contains_key(name), "{name} is missing: {page}");
    }
}

/// The lines of a page that begin with a name and have all of these labels.
fn lines<'p>(page: &'p str, name: &str, labels: &[&str]) -> Vec<&'p str> {
    let named = page.lines().filter(|line| {
        let rest = line.strip_prefix(name);
        rest.is_some_and(|rest| rest.starts_with(['{', ' ']))
    });
    named
        .filter(|line| labels.iter().all(|label| line.contains(label)))
        .collect()
}

/// The value of the one such line.
fn value(page: &str, name: &str, labels: &[&str]) -> f64 {
    let found = lines(page, name, labels);
    assert_eq!(found.len(), 1, "{name} {labels:?}: {found:?} in {page}");
    sample(found[0]).value
}

#[test]
fn answers_are_timed_by_route_and_class_and_refusals_counted_by_code() {
    let server = Server::start();
    let line = "{\"customer\":\"c-1\",\"lines\":[{\"sku\":\"lamp\",\"quantity\":1}]}";
    for _ in 0..3 {
        let (head, _) = server.ask("POST /v1/holds", line);
        assert!(head.starts_with("http/1.1 404"), "{head}");
    }
    server.ask("GET /v1/nowhere", "");
    let (_, page) = server.ask("GET /metrics", "");
    read(&page);
    let duration = "evenkeel_http_server_request_duration_seconds";
    let hold = [
        "http_request_method=\"POST\"",
        "http_route=\"/v1/holds\"",
        "http_response_status_class=\"4xx\"",
    ];
    assert_eq!(value(&page, &format!("{duration}_count"), &hold), 3.0);
    let beyond = [&hold[..], &["le=\"+Inf\""]].concat();
    assert_eq!(value(&page, &format!("{duration}_bucket"), &beyond), 3.0);
    let nowhere = ["http_route=\"none\"", "_class=\"4xx\""];
    assert_eq!(value(&page, &format!("{duration}_count"), &nowhere), 1.0);
    let refusals = |code: &str| value(&page, "evenkeel_refusals_total", &[code]);
    assert_eq!(refusals("code=\"sku_unknown\""), 3.0);
    assert_eq!(refusals("code=\"not_found\""), 1.0);
    let open = "evenkeel_http_server_open_connections";
    assert!(
        value(&page, open, &["listener=\"main\""]) >= 1.0,
        "this one is"
    );
    for lane in ["ending", "place", "background"] {
        let lane = format!("lane=\"{lane}\"");
        assert_eq!(value(&page, "evenkeel_waiting_commits", &[&lane]), 0.0);
    }
}

/// Every file below a directory whose name ends like this.
fn files(directory: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a directory of the project") {
        let path = entry.expect("an entry of it").path();
        if path.is_dir() {
            files(&path, ending, found);
        } else if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
}

/// The names of metrics that stand between two of these signs.
fn named(text: &str, sign: char) -> BTreeSet<String> {
    let quoted = text.split(sign).map(str::to_owned);
    quoted
        .filter(|word| word.starts_with("evenkeel_") && is_name(word) && !word.contains("__"))
        .filter(|word| word != "evenkeel_")
        .collect()
}

#[test]
fn the_page_of_metrics_names_what_the_code_measures_and_nothing_else() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = fs::read_to_string(crates.join("../docs/reference/metrics.md"));
    let page = named(&page.expect("the page of metrics"), '`');
    let mut sources = Vec::new();
    for name in ["engine", "server"] {
        files(&crates.join(name).join("src"), ".rs", &mut sources);
    }
    let (mut measured, mut uses) = (BTreeSet::new(), BTreeMap::<String, usize>::new());
    for source in sources {
        let text = fs::read_to_string(&source).expect("a source can be read");
        // A name in a test is looked for, not measured.
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        for name in named(text, '"') {
            let times = text.matches(&format!("\"{name}\"")).count();
            *uses.entry(name.clone()).or_default() += times;
            measured.insert(name);
        }
    }
    // Crates are called like that, too.
    measured.retain(|name| !name.starts_with("evenkeel_engine") && name != "evenkeel_rules");
    assert_eq!(page, measured);
    for name in page.iter().filter(|name| !name.contains("_http_server_")) {
        let own = ["evenkeel_refusals_total"].contains(&name.as_str());
        assert!(
            own || uses[name] >= 2,
            "{name} is in its table and nobody measures it"
        );
    }
}

/// What the customer of the next test would not like to be told to others.
const PRIVATE: [&str; 5] = [
    "mrs-quiet-of-quay",
    "Quiet Quay",
    "tok_quite_secret",
    "loud neighbour",
    "ek_guessed_by_somebody",
];

/// A customer buys, is refused, cancels and is forgotten; her token.
fn a_customers_life(server: &Server) -> String {
    let lamp = "{\"name\":\"Lamp\",\"price\":{\"amount\":1999,\"currency\":\"EUR\"}}";
    let is = |answer: (String, String), status: u16| {
        let (head, body) = answer;
        let line = format!("http/1.1 {status}");
        assert!(
            head.starts_with(&line),
            "{status} was wanted: {head} {body}"
        );
        body
    };
    is(server.ask("PUT /v1/skus/lamp", lamp), 201);
    let units = "{\"quantity\":3,\"reference\":\"po-1\"}";
    is(server.ask("POST /v1/skus/lamp/receive", units), 201);
    let role = "{\"role\":\"buyer\",\"customer\":\"mrs-quiet-of-quay\"}";
    let made = is(server.ask("POST /v1/tokens", role), 201);
    let made: serde_json::Value = serde_json::from_str(&made).expect("JSON");
    let token = made["token"].as_str().expect("a token").to_owned();
    let line = "{\"lines\":[{\"sku\":\"lamp\",\"quantity\":1}]}";
    is(server.ask_as(&token, "POST /v1/holds", line), 201);
    let much = "{\"id\":\"h-2\",\"lines\":[{\"sku\":\"lamp\",\"quantity\":9}]}";
    is(server.ask_as(&token, "POST /v1/holds?", much), 409);
    let order = "{\"id\":\"o-1\",\"lines\":[{\"sku\":\"lamp\",\"quantity\":1}],\
                 \"payment\":{\"method\":\"card\",\"token\":\"tok_quite_secret\"},\
                 \"address\":{\"street\":\"Quiet Quay 1\"}}";
    is(server.ask_as(&token, "POST /v1/orders", order), 201);
    let reason = "{\"reason\":\"loud neighbour\"}";
    server.ask_as(&token, "POST /v1/orders/o-1/cancel", reason);
    server.ask_as(&token, "POST /v1/orders", "{\"address\":\"Quiet Quay");
    server.ask_as("ek_guessed_by_somebody", "GET /v1/orders/o-1", "");
    server.ask("GET /v1/holds?customer=mrs-quiet-of-quay", "");
    server.ask("POST /v1/projections/holds/rebuild", "{}");
    let erased = server.ask("DELETE /v1/private/mrs-quiet-of-quay", reason);
    is(erased, 200);
    token
}

#[test]
fn neither_logs_nor_metrics_name_a_customer_an_address_or_a_token() {
    for format in ["json", "text"] {
        let server = Server::start_with(&[
            ("EVENKEEL_TELEMETRY__LOG_LEVEL", "trace"),
            ("EVENKEEL_TELEMETRY__LOG_FORMAT", format),
        ]);
        let token = a_customers_life(&server);
        let (_, page) = server.ask("GET /metrics", "");
        let log = server.log();
        assert!(
            log.contains("a projection is folded again"),
            "it logs: {log}"
        );
        for (what, text) in [("the log", &log), ("the page of metrics", &page)] {
            for secret in [token.as_str(), server.token.as_str()]
                .iter()
                .chain(&PRIVATE)
            {
                assert!(!text.contains(secret), "{what} says {secret}: {text}");
            }
        }
        let lines: Vec<&str> = log.lines().filter(|line| line.starts_with('{')).collect();
        assert_eq!(lines.is_empty(), format == "text", "{log}");
        for line in lines {
            let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
            for member in ["time", "level", "target", "message"] {
                assert!(line[member].is_string(), "{member} is missing: {line}");
            }
        }
    }
}
