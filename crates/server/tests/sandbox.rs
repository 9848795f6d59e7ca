//! The real binary as a sandbox: what it prints, what it charges, how it calls back, how it ends.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use sha2::Sha256;

const SECRET: &str = "whsec_AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcY";
const VARIABLE: &str = "EVENKEEL_PAYMENT__WEBHOOK_SECRET";

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_evenkeel"));
    command.arg("sandbox").args(arguments).env_remove(VARIABLE);
    command
}

fn run(mut command: Command) -> Output {
    command
        .output()
        .expect("the binary was built for this test")
}

/// A sandbox of this test, ended with it.
struct Sandbox {
    child: Child,
    /// `host:port`.
    address: String,
    configuration: toml::Table,
}

impl Sandbox {
    fn start(mut command: Command) -> Self {
        let command = command
            .args(["--listen", "127.0.0.1:0"])
            .env("EVENKEEL_DIE_WITH_PARENT", "1")
            .stdout(Stdio::piped());
        let mut child = command.spawn().expect("the binary was built for this test");
        let mut out = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut first = String::new();
        out.read_line(&mut first).expect("a first line");
        let address = first
            .trim()
            .strip_prefix("ready http://")
            .expect("it says that it is ready");
        let mut text = String::new();
        while !text.contains("/product") {
            let read = out.read_line(&mut text).expect("more lines");
            assert_ne!(read, 0, "the configuration has three sections: {text}");
        }
        Self {
            child,
            address: address.to_owned(),
            configuration: text.parse().expect("the lines are TOML"),
        }
    }

    fn setting(&self, section: &str, key: &str) -> &str {
        self.configuration[section][key].as_str().expect("a text")
    }

    /// Status and body of a request.
    fn ask(&self, line: &str, body: Option<&Value>) -> (u16, Value) {
        let body = body.map(ToString::to_string).unwrap_or_default();
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        let length = body.len();
        let request = format!(
            "{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nidempotency-key: s-1/charge\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a whole answer");
        let status = head[9..12].parse().expect("a status");
        (status, serde_json::from_str(body).unwrap_or_default())
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _already_ended = self.child.kill();
        let _already_waited = self.child.wait();
    }
}

/// Takes one callback: its headers, in lower case, and its body.
fn callback(receiver: &TcpListener) -> (String, String) {
    let (stream, _) = receiver.accept().expect("somebody calls back");
    let mut stream = BufReader::new(stream);
    let (mut headers, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).expect("a header");
        if line.trim().is_empty() {
            break;
        }
        if let Some(announced) = line.strip_prefix("content-length: ") {
            length = announced.trim().parse().expect("a length");
        }
        headers.push_str(&line);
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).expect("a body");
    let answer = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    stream.get_mut().write_all(answer).expect("it waits");
    (headers, String::from_utf8(body).expect("JSON is UTF-8"))
}

fn header<'a>(headers: &'a str, name: &str) -> &'a str {
    let found = headers
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    found.unwrap_or_else(|| panic!("no {name} in {headers}"))
}

#[test]
fn a_charge_is_in_the_ledger_and_its_callback_is_signed() {
    let sandbox = Sandbox::start(command(&["--secret", SECRET]));
    let receiver = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = receiver.local_addr().expect("it is bound").port();
    let charge = json!({
        "order": "o-1",
        "amount": {"amount": 1999, "currency": "EUR"},
        "token": "tok_ok",
        "callback_url": format!("http://127.0.0.1:{port}/v1/callbacks/payment/sandbox"),
    });
    let (status, answer) = sandbox.ask("POST /payment/charges", Some(&charge));
    assert_eq!((status, &answer["status"]), (200, &json!("completed")));
    let (_, ledger) = sandbox.ask("GET /ledger", None);
    assert_eq!(ledger["charges"][0]["transaction"], answer["transaction"]);
    assert_eq!(ledger["refunds"], json!([]));

    let (headers, body) = callback(&receiver);
    let (id, at) = (
        header(&headers, "webhook-id"),
        header(&headers, "webhook-timestamp"),
    );
    let key = STANDARD
        .decode(&SECRET["whsec_".len()..])
        .expect("it is base64");
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("any length will do");
    mac.update(format!("{id}.{at}.{body}").as_bytes());
    let signature = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    assert_eq!(header(&headers, "webhook-signature"), signature);
    let told: Value = serde_json::from_str(&body).expect("it is JSON");
    assert_eq!(told["type"], "payment.completed");
}

#[test]
fn the_configuration_it_prints_names_its_services_and_its_secret() {
    let sandbox = Sandbox::start(command(&["--secret", SECRET]));
    for section in ["payment", "delivery", "product"] {
        let url = format!("http://{}/{section}", sandbox.address);
        assert_eq!(sandbox.setting(section, "url"), url);
    }
    for section in ["payment", "delivery"] {
        assert_eq!(sandbox.setting(section, "webhook_secret"), SECRET);
    }
    let (status, _) = sandbox.ask("GET /livez", None);
    assert_eq!(status, 200);
}

#[test]
fn a_secret_comes_from_the_variable_or_is_made() {
    let of = |value: Option<&str>| {
        let mut command = command(&[]);
        command.envs(value.map(|value| (VARIABLE, value)));
        let sandbox = Sandbox::start(command);
        sandbox.setting("payment", "webhook_secret").to_owned()
    };
    assert_eq!(of(Some(SECRET)), SECRET);
    assert_eq!(of(Some(&format!("[\"{SECRET}\", \"older\"]"))), SECRET);
    let (one, other) = (of(None), of(Some("")));
    assert!(one.starts_with("whsec_") && other.starts_with("whsec_"));
    assert_ne!(one, other);
}

#[test]
fn it_ends_well_when_it_is_asked_to_even_while_an_answer_is_withheld() {
    let mut sandbox = Sandbox::start(command(&[]));
    let charge = json!({
        "order": "o-1", "amount": {"amount": 1, "currency": "EUR"}, "token": "tok_timeout_charged",
    });
    let address = sandbox.address.clone();
    let mut waiting = TcpStream::connect(address).expect("it listens");
    let body = charge.to_string();
    let request = format!(
        "POST /payment/charges HTTP/1.1\r\nhost: x\r\nidempotency-key: k\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    waiting.write_all(request.as_bytes()).expect("it reads");
    while sandbox.ask("GET /payment/charges?key=k", None).0 != 200 {}
    kill_process(Pid::from_child(&sandbox.child), Signal::TERM).expect("it runs");
    let status = sandbox.child.wait().expect("it ends");
    assert_eq!(status.code(), Some(0));
    let mut answer = Vec::new();
    let _reset = waiting.read_to_end(&mut answer);
    assert_eq!(answer, b"", "the answer stays withheld");
}

#[test]
fn wrong_usage_is_code_2_and_a_taken_address_code_3() {
    let mut list = command(&[]);
    list.env(VARIABLE, "[1, 2]");
    for command in [
        command(&["--secret", "whsec_%"]),
        command(&["--secret", ""]),
        command(&["--listen", "nowhere"]),
        list,
    ] {
        let output = run(command);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert_eq!(output.stdout, b"");
    }
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("it is bound").to_string();
    let output = run(command(&["--listen", &address]));
    assert_eq!(output.status.code(), Some(3));
}
