//! The table of keys: path, meaning, range, how a value is set and how it is shown.
//!
//! Adding a key is adding a row here and a field to `Config`; the file reader, the variables,
//! `config show` and the check of `docs/reference/configuration.md` follow from the row. The
//! default is not written here: it is what `show` says of `Config::default()`.
//!
//! A row never accepts a value that this build cannot honour: a URL of a store that is not built
//! in is refused with that reason, not ignored.

use std::net::SocketAddr;
use std::path::PathBuf;

use evenkeel_engine::OrderMode;

use super::locations::locations;
use super::providers::{secrets, secrets_in, url};
use super::telemetry::{LogFormat, collector, level};
use super::{Allowed, Config, store};

/// The largest integer that a JSON client can be trusted to read back.
const INTEGER_MAX: u64 = (1 << 53) - 1;

/// A value as TOML, or an environment variable, can say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// A string.
    Text(String),
    /// An integer.
    Integer(i64),
    /// A list of strings.
    List(Vec<String>),
    /// Anything else, by the name of its TOML type: always a mistake so far.
    Other(&'static str),
}

impl std::fmt::Display for Value {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => write!(out, "{text:?}"),
            Self::Integer(number) => write!(out, "{number}"),
            Self::List(list) => write!(out, "{list:?}"),
            Self::Other(kind) => out.write_str(kind),
        }
    }
}

/// What a variable's text is read as, before the key judges it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Taken as it stands.
    Text,
    /// Read as a decimal integer.
    Integer,
    /// Read as TOML where it begins with a bracket, else taken as it stands.
    List,
}

/// One configuration key.
pub(crate) struct Key {
    /// Section and name, such as `holds.ttl_ms`.
    pub(crate) path: &'static str,
    /// How the text of a variable is read.
    pub(crate) kind: Kind,
    /// What may be written, in words.
    pub(crate) range: &'static str,
    /// What it does, in one sentence.
    pub(crate) meaning: &'static str,
    /// Judges a value and puts it in its place; an error is the end of a sentence.
    pub(crate) set: fn(&mut Config, &Value) -> Result<(), String>,
    /// The value that is in place, or none where there is none.
    pub(crate) show: fn(&Config) -> Option<Value>,
}

impl Key {
    /// The environment variable of this key, such as `EVENKEEL_HOLDS__TTL_MS`.
    pub(crate) fn variable(&self) -> String {
        format!("EVENKEEL_{}", self.path.replace('.', "__").to_uppercase())
    }
}

/// Every key that this build honours, in the order of the reference page.
pub(crate) const KEYS: &[Key] = &[
    Key {
        path: "server.listen",
        kind: Kind::Text,
        range: "IP address and port; port 0 takes a free one",
        meaning: "Where the HTTP API listens.",
        set: |config, value| address(value).map(|new| config.listen = new),
        show: |config| Some(Value::Text(config.listen.to_string())),
    },
    Key {
        path: "server.public_url",
        kind: Kind::Text,
        range: URL,
        meaning: "Where providers reach the HTTP API with their callbacks.",
        set: |config, value| place(value).map(|new| config.public_url = Some(new)),
        show: |config| config.public_url.clone().map(Value::Text),
    },
    Key {
        path: "server.admin_listen",
        kind: Kind::Text,
        range: "IP address and port; left out: on `server.listen`",
        meaning: "Where health and metrics listen, when not beside the API.",
        set: |config, value| address(value).map(|new| config.admin_listen = Some(new)),
        show: |config| config.admin_listen.map(|at| Value::Text(at.to_string())),
    },
    Key {
        path: "store.url",
        kind: Kind::Text,
        range: "`sqlite://DIR`, or `postgres://USER@HOST/DATABASE` in a build with `postgres`",
        meaning: "The store: a directory that one process writes, or a database of many nodes.",
        set: |config, value| store::set(config, text(value)?),
        show: |config| {
            let directory = || format!("sqlite://{}", config.data.display());
            Some(Value::Text(
                config.database.shown().unwrap_or_else(directory),
            ))
        },
    },
    Key {
        path: "store.password_file",
        kind: Kind::Text,
        range: "path",
        meaning: "The file whose first line is the password for `store.url`.",
        set: |config, value| {
            store::password_in(text(value)?).map(|new| config.database.password = Some(new))
        },
        show: |_| None,
    },
    Key {
        path: "store.ca_file",
        kind: Kind::Text,
        range: "path of a PEM file; left out: the authorities of the public web",
        meaning: "The authorities that may vouch for the database server, for `sslmode=require`.",
        set: |config, value| text(value).map(|new| config.database.ca = Some(PathBuf::from(new))),
        show: |config| {
            let ca = config.database.ca.as_ref();
            ca.map(|path| Value::Text(path.display().to_string()))
        },
    },
    Key {
        path: "store.replica_url",
        kind: Kind::Text,
        range: "`postgres://USER@HOST/DATABASE`, with the password of `store.url`; left out: none",
        meaning: "A streaming replica, which answers reads that name a position it has reached.",
        set: |config, value| store::set_replica(config, text(value)?),
        show: |config| config.database.replica_shown().map(Value::Text),
    },
    Key {
        path: "store.connections",
        kind: Kind::Integer,
        range: "1 to 1000",
        meaning: "Most connections of this node to a database server for reads; others take 4.",
        set: |config, value| integer(value, 1, 1_000).map(|new| config.database.connections = new),
        show: |config| shown(config.database.connections),
    },
    Key {
        path: "gate.url",
        kind: Kind::Text,
        range: "`memory`",
        meaning: "The fast filter in front of the ledger.",
        set: |_, value| only_memory(value),
        show: |_| Some(Value::Text("memory".to_owned())),
    },
    Key {
        path: "broker.url",
        kind: Kind::Text,
        range: "`embedded`",
        meaning: "The broker: `embedded` is the log itself.",
        set: |_, value| only_embedded(value),
        show: |_| Some(Value::Text("embedded".to_owned())),
    },
    Key {
        path: "inventory.low_at",
        kind: Kind::Integer,
        range: "0 to 2^53-1 units",
        meaning: "At this many available units or fewer a SKU is shown as `low`.",
        set: |config, value| integer(value, 0, INTEGER_MAX).map(|new| config.low_at = new),
        show: |config| shown(config.low_at),
    },
    Key {
        path: "inventory.allocation",
        kind: Kind::List,
        range: "list of locations, `main` among them, each once",
        meaning: "Where units come from when a line does not say: whole from the first that has \
                  all of it, else split in this order.",
        set: |config, value| locations(value).map(|new| config.allocation = new),
        show: |config| {
            let names = config.allocation.iter().map(ToString::to_string);
            Some(Value::List(names.collect()))
        },
    },
    Key {
        path: "holds.ttl_ms",
        kind: Kind::Integer,
        range: "1000 to `holds.max_life_ms`, in milliseconds",
        meaning: "A hold's life when the request names none.",
        set: |config, value| integer(value, 1_000, DAY_MS).map(|new| config.ttl_ms = new),
        show: |config| shown(config.ttl_ms),
    },
    Key {
        path: "holds.max_life_ms",
        kind: Kind::Integer,
        range: "1000 to 86400000 (24 hours), in milliseconds",
        meaning: "The longest life that a request or an extension may give a hold.",
        set: |config, value| integer(value, 1_000, DAY_MS).map(|new| config.max_life_ms = new),
        show: |config| shown(config.max_life_ms),
    },
    Key {
        path: "holds.confirming_ms",
        kind: Kind::Integer,
        range: "1000 to 86400000 (24 hours), in milliseconds",
        meaning: "How long an order's money may take; then what the provider says decides.",
        set: |config, value| integer(value, 1_000, DAY_MS).map(|new| config.confirming_ms = new),
        show: |config| shown(config.confirming_ms),
    },
    Key {
        path: "holds.warn_ms",
        kind: Kind::Integer,
        range: "0 (never) or less than `holds.confirming_ms`, in milliseconds",
        meaning: "How long before its time is over the customer of an unpaid order is told, by \
                  an event `order.expiring`.",
        set: |config, value| integer(value, 0, DAY_MS).map(|new| config.warn_ms = new),
        show: |config| shown(config.warn_ms),
    },
    Key {
        path: "limits.holds_per_customer",
        kind: Kind::Integer,
        range: "0 (no limit) to 10000",
        meaning: "Most live holds of one customer, a cart or an order counting as one; then 409 \
                  `limit.customer`.",
        set: |config, value| integer(value, 0, 10_000).map(|new| config.limits.holds = new),
        show: |config| shown(config.limits.holds),
    },
    Key {
        path: "limits.abandon",
        kind: Kind::Integer,
        range: "0 (no limit) to 10000",
        meaning: "After this many expiries within 10 minutes a customer gets 429 for 1, 2, 4 ... \
                  60 minutes.",
        set: |config, value| integer(value, 0, 10_000).map(|new| config.limits.abandon = new),
        show: |config| shown(config.limits.abandon),
    },
    Key {
        path: "limits.requests_per_token",
        kind: Kind::Integer,
        range: "0 (no limit) to 1000000, a second",
        meaning: "Most requests of one buyer's token; then 429. Other roles have no limit.",
        set: |config, value| integer(value, 0, 1_000_000).map(|new| config.rates.token = new),
        show: |config| shown(config.rates.token),
    },
    Key {
        path: "limits.requests_per_address",
        kind: Kind::Integer,
        range: "0 (no limit) to 1000000, a second",
        meaning: "Most requests without a valid token or signature from one address, an IPv6 \
                  network of 64 bits being one; then 429.",
        set: |config, value| integer(value, 0, 1_000_000).map(|new| config.rates.address = new),
        show: |config| shown(config.rates.address),
    },
    Key {
        path: "order.mode",
        kind: Kind::Text,
        range: "`orchestrated` or `choreographed`",
        meaning: "Whether one runner leads an order from call to call, or handlers on events do.",
        set: |config, value| order_mode(value).map(|new| config.order_mode = new),
        show: |config| Some(Value::Text(config.order_mode.name().to_owned())),
    },
    Key {
        path: "payment.url",
        kind: Kind::Text,
        range: URL,
        meaning: "Where the payment provider is.",
        set: |config, value| place(value).map(|new| config.payment.url = Some(new)),
        show: |config| config.payment.url.clone().map(Value::Text),
    },
    Key {
        path: "payment.webhook_secret",
        kind: Kind::List,
        range: SECRET,
        meaning: "Under what the payment provider signs its callbacks; never shown.",
        set: |config, value| secrets(value).map(|new| config.payment.secrets = new),
        show: |config| config.payment.secrets.shown(),
    },
    Key {
        path: "payment.webhook_secret_file",
        kind: Kind::Text,
        range: SECRET_FILE,
        meaning: "The file with `payment.webhook_secret`.",
        set: |config, value| secrets_in(text(value)?).map(|new| config.payment.secrets = new),
        show: |_| None,
    },
    Key {
        path: "payment.timeout_ms",
        kind: Kind::Integer,
        range: TIMEOUT,
        meaning: "How long a call to the payment provider may take; then its outcome is unknown.",
        set: |config, value| timeout(value).map(|new| config.payment.timeout_ms = new),
        show: |config| shown(config.payment.timeout_ms),
    },
    Key {
        path: "delivery.url",
        kind: Kind::Text,
        range: URL,
        meaning: "Where the delivery provider is.",
        set: |config, value| place(value).map(|new| config.delivery.url = Some(new)),
        show: |config| config.delivery.url.clone().map(Value::Text),
    },
    Key {
        path: "delivery.webhook_secret",
        kind: Kind::List,
        range: SECRET,
        meaning: "Under what the delivery provider signs its callbacks; never shown.",
        set: |config, value| secrets(value).map(|new| config.delivery.secrets = new),
        show: |config| config.delivery.secrets.shown(),
    },
    Key {
        path: "delivery.webhook_secret_file",
        kind: Kind::Text,
        range: SECRET_FILE,
        meaning: "The file with `delivery.webhook_secret`.",
        set: |config, value| secrets_in(text(value)?).map(|new| config.delivery.secrets = new),
        show: |_| None,
    },
    Key {
        path: "delivery.timeout_ms",
        kind: Kind::Integer,
        range: TIMEOUT,
        meaning: "How long a call to the delivery provider may take; then its outcome is unknown.",
        set: |config, value| timeout(value).map(|new| config.delivery.timeout_ms = new),
        show: |config| shown(config.delivery.timeout_ms),
    },
    Key {
        path: "product.url",
        kind: Kind::Text,
        range: URL,
        meaning: "Where the product service is.",
        set: |config, value| place(value).map(|new| config.product.url = Some(new)),
        show: |config| config.product.url.clone().map(Value::Text),
    },
    Key {
        path: "product.timeout_ms",
        kind: Kind::Integer,
        range: TIMEOUT,
        meaning: "How long a call to the product service may take.",
        set: |config, value| timeout(value).map(|new| config.product.timeout_ms = new),
        show: |config| shown(config.product.timeout_ms),
    },
    Key {
        path: "security.outbound_allow",
        kind: Kind::List,
        range: "list of networks, such as `10.1.0.0/16`, and places, such as `stock.internal:8080`",
        meaning: "Where events and steps of sagas may be posted beside the public internet.",
        set: |config, value| Allowed::read(value).map(|new| config.outbound = new),
        show: |config| config.outbound.shown(),
    },
    Key {
        path: "telemetry.log_level",
        kind: Kind::Text,
        range: "`off`, `error`, `warn`, `info`, `debug` or `trace`",
        meaning: "The least severe level that is logged to standard error.",
        set: |config, value| level(text(value)?).map(|new| config.log_level = new),
        show: |config| Some(Value::Text(config.log_level.to_string())),
    },
    Key {
        path: "telemetry.log_format",
        kind: Kind::Text,
        range: "`text` or `json`",
        meaning: "Whether a logged line is text, or a JSON object.",
        set: |config, value| LogFormat::named(text(value)?).map(|new| config.log_format = new),
        show: |config| Some(Value::Text(config.log_format.name().to_owned())),
    },
    Key {
        path: "telemetry.otlp_url",
        kind: Kind::Text,
        range: "`http://HOST:PORT`, in a build with the feature `otel`",
        meaning: "The collector that traces are sent to, by OTLP over HTTP in JSON.",
        set: |config, value| collector(text(value)?).map(|new| config.otlp_url = Some(new)),
        show: |config| config.otlp_url.clone().map(Value::Text),
    },
];

const URL: &str = "URL, `http://` or `https://`";
const SECRET: &str = "string, or list of strings: the first signs, all verify";
const SECRET_FILE: &str = "path; one secret a line";
const TIMEOUT: &str = "100 to 60000, in milliseconds";

fn timeout(value: &Value) -> Result<u64, String> {
    integer(value, 100, 60_000)
}

fn place(value: &Value) -> Result<String, String> {
    url(text(value)?)
}

/// A hold never outlives a day, whatever is configured.
const DAY_MS: u64 = 86_400_000;

/// The key of this path.
pub(super) fn find(path: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.path == path)
}

fn text(value: &Value) -> Result<&str, String> {
    match value {
        Value::Text(text) => Ok(text),
        Value::Integer(_) => Err("must be a string, not an integer".to_owned()),
        Value::List(_) => Err("must be a string, not a list".to_owned()),
        Value::Other(kind) => Err(format!("must be a string, not {kind}")),
    }
}

fn integer(value: &Value, min: u64, max: u64) -> Result<u64, String> {
    match value {
        Value::Integer(number) => match u64::try_from(*number) {
            Ok(fits) if (min..=max).contains(&fits) => Ok(fits),
            Ok(_) | Err(_) => Err(format!("is {number} and must be from {min} to {max}")),
        },
        Value::Text(_) => Err("must be an integer, not a string".to_owned()),
        Value::List(_) => Err("must be an integer, not a list".to_owned()),
        Value::Other(kind) => Err(format!("must be an integer, not {kind}")),
    }
}

fn shown(number: u64) -> Option<Value> {
    Some(Value::Integer(
        i64::try_from(number).expect("every range ends below 2^53"),
    ))
}

fn address(value: &Value) -> Result<SocketAddr, String> {
    let text = text(value)?;
    text.parse().map_err(|_| {
        format!("is {text:?} and must be an IP address and a port, such as \"127.0.0.1:7411\"")
    })
}

/// A value that may be a URL, as a message shows it: nothing of a URL but its scheme, for it may
/// have a password.
pub(super) fn without_secrets(text: &str) -> String {
    match text.split_once("://") {
        Some((scheme, _)) => format!("\"{}://...\"", scheme.escape_debug()),
        None => format!("{text:?}"),
    }
}

fn order_mode(value: &Value) -> Result<OrderMode, String> {
    let text = text(value)?;
    let named = OrderMode::ALL.into_iter().find(|mode| mode.name() == text);
    named.ok_or_else(|| format!("is {text:?}, neither \"orchestrated\" nor \"choreographed\""))
}

fn only_memory(value: &Value) -> Result<(), String> {
    match text(value)? {
        "memory" => Ok(()),
        other => Err(format!(
            "is {}: the one gate that this build has is \"memory\"",
            without_secrets(other)
        )),
    }
}

/// Nothing of a URL is quoted but its scheme: it may have a password.
fn only_embedded(value: &Value) -> Result<(), String> {
    let text = text(value)?;
    let (scheme, _) = text.split_once("://").unwrap_or((text, ""));
    let named = match scheme {
        "embedded" if text == "embedded" => return Ok(()),
        "kafka" => "\"kafka://\", Kafka",
        "amqp" | "amqps" => "\"amqp://\", RabbitMQ",
        "sqs" => "\"sqs://\", SQS",
        _ => return Err("must be \"embedded\", the one broker that this build has".to_owned()),
    };
    Err(format!(
        "is {named}, which is not built yet: the one broker that this build has is \"embedded\""
    ))
}
