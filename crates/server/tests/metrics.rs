//! `/metrics` of the real server, read as strictly as Prometheus reads it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

struct Server {
    child: Child,
    address: String,
    token: String,
    _home: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _already_ended = self.child.kill();
        let _already_waited = self.child.wait();
    }
}

impl Server {
    fn start() -> Self {
        let home = tempfile::tempdir().expect("a scratch directory");
        let mut child = Command::new(env!("CARGO_BIN_EXE_evenkeel"))
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(home.path().join("data"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary was built for this test");
        let mut first = String::new();
        let out = child.stdout.take().expect("standard output is piped");
        let read = BufReader::new(out).read_line(&mut first);
        read.expect("a server says when it serves");
        let address = first.trim().strip_prefix("ready http://");
        let token = std::fs::read_to_string(home.path().join("data/token"));
        Self {
            child,
            address: address.expect("it is ready").to_owned(),
            token: token
                .expect("a first start leaves a token")
                .trim()
                .to_owned(),
            _home: home,
        }
    }

    /// The head and the body of an answer, in lower case and as it is.
    fn ask(&self, line: &str, body: &str) -> (String, String) {
        let mut stream = TcpStream::connect(&self.address).expect("the server listens");
        let key = line.replace(' ', "-");
        let request = format!(
            "{line} HTTP/1.1\r\nhost: shop\r\nconnection: close\r\nauthorization: Bearer {}\r\n\
             idempotency-key: {key}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            self.token,
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
    ] {
        assert!(samples.contains_key(name), "{name} is missing: {page}");
    }
}
