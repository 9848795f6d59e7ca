//! Configuration: what is accepted, and how each kind of mistake is told.

use std::path::{Path, PathBuf};

#[cfg(feature = "postgres")]
use super::DATA;
use super::{Config, Given, KEYS, Loaded, Mistakes, Origin, load};

fn from_text(text: &str, variables: &[(&str, &str)]) -> Result<Loaded, String> {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let path = directory.path().join("evenkeel.toml");
    std::fs::write(&path, text).expect("a temporary file can be written");
    let variables = variables
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    let prefix = format!("{}/", directory.path().display());
    let told = |mistakes: Mistakes| mistakes.to_string().replace(&prefix, "");
    load(Some(&path), variables, Vec::new()).map_err(told)
}

fn mistake(text: &str) -> String {
    from_text(text, &[]).expect_err("this file is wrong")
}

#[test]
fn nothing_written_gives_the_defaults() {
    let loaded = load(None, std::iter::empty(), Vec::new()).expect("the defaults are right");
    assert_eq!(loaded.config, Config::default());
    assert_eq!(loaded.origin("holds.ttl_ms"), &Origin::Default);
}

#[test]
fn a_flag_beats_a_variable_and_a_variable_beats_the_file() {
    let text = "[holds]\nttl_ms = 2000\nmax_life_ms = 9000\n[inventory]\nlow_at = 3\n";
    let variables = [
        ("EVENKEEL_HOLDS__TTL_MS", "3000"),
        ("EVENKEEL_STORE__URL", "sqlite://v"),
    ];
    let loaded = from_text(text, &variables).expect("this file is right");
    assert_eq!(
        (loaded.config.ttl_ms, loaded.config.max_life_ms),
        (3000, 9000)
    );
    assert_eq!(loaded.config.low_at, 3);
    assert_eq!(
        loaded.origin("holds.ttl_ms").to_string(),
        "EVENKEEL_HOLDS__TTL_MS"
    );
    assert!(
        loaded
            .origin("inventory.low_at")
            .to_string()
            .ends_with("evenkeel.toml:5")
    );

    let flags = vec![Given::flag("store.url", "--data", "sqlite://f")];
    let variables = variables
        .iter()
        .map(|(name, text)| ((*name).into(), (*text).into()));
    let loaded = load(None, variables, flags).expect("these values are right");
    assert_eq!(loaded.config.data, PathBuf::from("f"));
    assert_eq!(loaded.origin("store.url").to_string(), "--data");
}

fn each_is_told(cases: &[(&str, &str)]) {
    for (text, told) in cases {
        assert_eq!(mistake(text), *told, "for the file\n{text}");
    }
}

#[test]
fn a_wrong_name_is_told_with_its_line_and_the_nearest_key() {
    each_is_told(&[
        (
            "[holds]\n\nttl_sm = 600000\n",
            "evenkeel.toml:3: unknown key holds.ttl_sm; did you mean holds.ttl_ms?",
        ),
        (
            "[hold]\nttl_ms = 1\n",
            "evenkeel.toml:1: unknown section hold; did you mean holds?",
        ),
        (
            "listen = \"[::1]:1\"\n",
            "evenkeel.toml:1: unknown key listen; did you mean server.listen?",
        ),
        (
            "[server]\nlow_at = 3\n",
            "evenkeel.toml:2: unknown key server.low_at; did you mean inventory.low_at?",
        ),
        ("holds = 3\n", "evenkeel.toml:1: holds must be a section"),
    ]);
}

#[test]
fn a_wrong_value_is_told_with_its_line_and_what_would_be_right() {
    each_is_told(&[
        (
            "[holds]\nttl_ms = \"600000\"\n",
            "evenkeel.toml:2: holds.ttl_ms must be an integer, not a string",
        ),
        (
            "[server]\nlisten = 7411\n",
            "evenkeel.toml:2: server.listen must be a string, not an integer",
        ),
        (
            "[server]\nlisten = \"localhost\"\n",
            "evenkeel.toml:2: server.listen is \"localhost\" and must be an IP address and a port, \
             such as \"127.0.0.1:7411\"",
        ),
        (
            "[inventory]\nlow_at = -1\n",
            "evenkeel.toml:2: inventory.low_at is -1 and must be from 0 to 9007199254740991",
        ),
        (
            "[inventory]\nallocation = [\"east\"]\n",
            "evenkeel.toml:2: inventory.allocation must have \"main\" among its locations: units \
             that come in without a location are there, and carts take them there",
        ),
        (
            "[inventory]\nallocation = [\"main\", \"east\", \"east\"]\n",
            "evenkeel.toml:2: inventory.allocation has \"east\" twice",
        ),
        (
            "[inventory]\nallocation = 3\n",
            "evenkeel.toml:2: inventory.allocation must be a list of strings, not an integer",
        ),
        (
            "[inventory]\nlow_at = 1.5\n",
            "evenkeel.toml:2: inventory.low_at must be an integer, not a float",
        ),
        (
            "[holds]\nttl_ms = 999\n",
            "evenkeel.toml:2: holds.ttl_ms is 999 and must be from 1000 to 86400000",
        ),
    ]);
}

#[test]
fn what_this_build_has_not_and_what_does_not_go_together_is_told() {
    each_is_told(&[
        (
            "[holds]\nmax_life_ms = 5000\n",
            "evenkeel.toml:2: holds.ttl_ms, 600000, exceeds holds.max_life_ms, 5000",
        ),
        (
            "[holds]\nwarn_ms = 900000\n",
            "evenkeel.toml:2: holds.warn_ms, 900000, is not below holds.confirming_ms, 900000",
        ),
        (
            "[holds]\nconfirming_ms = 5000\nwarn_ms = 6000\n",
            "evenkeel.toml:3: holds.warn_ms, 6000, is not below holds.confirming_ms, 5000",
        ),
        (
            "[store]\nurl = \"mysql://shop:secret@db/shop\"\n",
            "evenkeel.toml:2: store.url is \"mysql://...\": this build has no such store; those it \
             has are \"sqlite://DIR\" and, with the feature postgres, \
             \"postgres://USER@HOST/DATABASE\"",
        ),
        (
            "[gate]\nurl = \"redis://cache\"\n",
            "evenkeel.toml:2: gate.url is \"redis://...\": the one gate that this build has is \
             \"memory\"",
        ),
        (
            "[broker]\nurl = \"kafka://localhost:9092\"\n",
            "evenkeel.toml:2: broker.url is \"kafka://\", Kafka, which is not built yet: the one \
             broker that this build has is \"embedded\"",
        ),
        (
            "[broker]\nurl = \"sqs://eu-central-1/shop\"\n",
            "evenkeel.toml:2: broker.url is \"sqs://\", SQS, which is not built yet: the one \
             broker that this build has is \"embedded\"",
        ),
        (
            "[broker]\nurl = \"embedded://here\"\n",
            "evenkeel.toml:2: broker.url must be \"embedded\", the one broker that this build has",
        ),
        (
            "[telemetry]\nlog_format = \"xml\"\n",
            "evenkeel.toml:2: telemetry.log_format is \"xml\", neither \"text\" nor \"json\"",
        ),
        (
            "[telemetry]\nlog_level = \"loud\"\n",
            "evenkeel.toml:2: telemetry.log_level is \"loud\" and must be one of off, error, \
             warn, info, debug, trace",
        ),
        (
            "[server]\nlisten = \"127.0.0.1:1\"\nadmin_listen = \"127.0.0.1:1\"\n",
            "evenkeel.toml:3: server.admin_listen equals server.listen; leave it out to share \
             the listener",
        ),
    ]);
}

#[test]
fn a_password_in_the_url_of_a_broker_is_not_told() {
    for scheme in ["amqp", "amqps", "kafka", "rabbitmq"] {
        let told = mistake(&format!(
            "[broker]\nurl = \"{scheme}://shop:hunter2@mq:5672\"\n"
        ));
        assert!(told.contains("broker.url"), "{told}");
        assert!(told.contains("\"embedded\""), "{told}");
        assert!(!told.contains("hunter2"), "{told}");
    }
    assert!(from_text("[broker]\nurl = \"embedded\"\n", &[]).is_ok());
}

#[test]
fn broken_toml_is_told_with_its_line() {
    let told = mistake("[holds]\nttl_ms = = 3\n");
    assert!(told.starts_with("evenkeel.toml:2: "), "{told}");
    let told = mistake("[holds]\nttl_ms = 2000\nttl_ms = 3000\n");
    assert!(told.starts_with("evenkeel.toml:3: "), "{told}");
}

#[test]
fn every_mistake_of_a_file_is_told_at_once() {
    let told = mistake("[holds]\nttl_sm = 1\n[inventory]\nlow_at = true\n");
    assert_eq!(told.lines().count(), 2, "{told}");
}

#[test]
fn an_unknown_variable_is_a_mistake_and_a_plain_one_is_not_ours() {
    let plain = [
        ("EVENKEEL_URL", "http://127.0.0.1:1"),
        ("HOLDS__TTL_MS", "1"),
    ];
    assert!(from_text("", &plain).is_ok());
    let told = from_text("", &[("EVENKEEL_HOLDS__TTL_SM", "1")]).expect_err("no such key");
    let wanted = "EVENKEEL_HOLDS__TTL_SM: unknown variable; did you mean EVENKEEL_HOLDS__TTL_MS?";
    assert_eq!(told, wanted);
    let told = from_text("", &[("EVENKEEL_HOLDS__TTL_MS", "soon")]).expect_err("not a number");
    let wanted = "EVENKEEL_HOLDS__TTL_MS: holds.ttl_ms must be an integer, not a string";
    assert_eq!(told, wanted);
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let told = load(
        Some(Path::new("no-such.toml")),
        std::iter::empty(),
        Vec::new(),
    );
    let told = told.expect_err("there is no such file").to_string();
    assert!(told.starts_with("no-such.toml: "), "{told}");
}

#[test]
fn what_a_key_shows_can_be_set_again() {
    for key in KEYS {
        let mut config = Config::default();
        if let Some(shown) = (key.show)(&config) {
            (key.set)(&mut config, &shown).expect("a shown value is a right value");
        }
        assert_eq!(
            config,
            Config::default(),
            "{} changed what it showed",
            key.path
        );
    }
}

/// The table of `docs/reference/configuration.md`, as the code has it.
fn reference_table() -> String {
    let mut table = String::from("| key | default | may be | what it does |\n|---|---|---|---|\n");
    for key in KEYS {
        let default = (key.show)(&Config::default());
        let default = default.map_or("none".to_owned(), |value| format!("`{value}`"));
        let row = format!(
            "| `{}` | {default} | {} | {} |\n",
            key.path, key.range, key.meaning
        );
        table.push_str(&row);
    }
    table
}

#[test]
fn the_reference_page_lists_every_key_with_its_default() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/reference/configuration.md"
    );
    let page = std::fs::read_to_string(path).expect("the reference page is there");
    let table = reference_table();
    assert!(
        page.contains(&table),
        "put this table into docs/reference/configuration.md:\n{table}"
    );
}

const ONE: &str = "whsec_AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcY";

/// How many secrets of payment and delivery there are.
fn secrets(loaded: &Loaded) -> [Option<String>; 2] {
    let shown = |path: &str| {
        let key = KEYS.iter().find(|key| key.path == path);
        let shown = (key.expect("a key").show)(&loaded.config);
        shown.map(|value| value.to_string())
    };
    ["payment.webhook_secret", "delivery.webhook_secret"].map(shown)
}

#[test]
fn a_secret_is_a_text_a_list_or_a_file_and_is_never_shown() {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let file = directory.path().join("secret");
    std::fs::write(&file, format!("{ONE}\n\nplain words\n")).expect("written");
    let written = format!(
        "[payment]\nwebhook_secret = [\"{ONE}\", \"plain words\"]\nurl = \"http://bank:80/pay/\"\n\
         [delivery]\nwebhook_secret_file = {:?}\n",
        file.display().to_string()
    );
    let list = format!("[\"{ONE}\", \"plain words\"]");
    for (text, variables) in [
        (written.as_str(), vec![]),
        (
            "",
            vec![
                ("EVENKEEL_PAYMENT__WEBHOOK_SECRET", list.as_str()),
                ("EVENKEEL_DELIVERY__WEBHOOK_SECRET", list.as_str()),
            ],
        ),
    ] {
        let loaded = from_text(text, &variables).expect("this is right");
        let hidden = Some("\"hidden (2)\"".to_owned());
        assert_eq!(secrets(&loaded), [hidden.clone(), hidden]);
        let webhooks = loaded.config.webhooks();
        assert!(webhooks.payment.is_some() && webhooks.delivery.is_some());
        let text = format!("{loaded:?} {webhooks:?}");
        assert!(!text.contains("AQID") && !text.contains("plain"), "{text}");
    }
    let loaded = from_text(&written, &[]).expect("this file is right");
    let url = loaded.config.payment.url.as_deref();
    assert_eq!(url, Some("http://bank:80/pay"), "paths are put behind it");
    let none = from_text("", &[]).expect("nothing is right");
    assert_eq!(secrets(&none), [None, None]);
}

#[test]
fn a_wrong_secret_is_told_without_it() {
    for (text, told) in [
        (
            "[payment]\nwebhook_secret = \"whsec_%%%\"\n",
            "evenkeel.toml:2: payment.webhook_secret is none: a webhook secret that begins with \
             whsec_ goes on in base64",
        ),
        (
            "[payment]\nwebhook_secret = []\n",
            "evenkeel.toml:2: payment.webhook_secret is none: a webhook secret is not empty",
        ),
        (
            "[delivery]\nwebhook_secret = [\"secret\", 7]\n",
            "evenkeel.toml:2: delivery.webhook_secret must be a string or a list of strings, not \
             an array of other things",
        ),
        (
            "[delivery]\nurl = \"ftp://x/\"\n",
            "evenkeel.toml:2: delivery.url is no URL that can be called: a URL begins with \
             http:// or https://",
        ),
        (
            "[product]\ntimeout_ms = 99\n",
            "evenkeel.toml:2: product.timeout_ms is 99 and must be from 100 to 60000",
        ),
        (
            "[product]\nwebhook_secret = \"x\"\n",
            "evenkeel.toml:2: unknown key product.webhook_secret; did you mean \
             delivery.webhook_secret?",
        ),
    ] {
        assert_eq!(mistake(text), *told, "for the file\n{text}");
    }
}

#[test]
fn a_collector_of_traces_needs_a_build_that_can_send_them() {
    let read = from_text("[telemetry]\notlp_url = \"http://127.0.0.1:4318\"\n", &[]);
    assert_eq!(read.is_ok(), cfg!(feature = "otel"));
    let told = mistake("[telemetry]\notlp_url = \"http://shop:hunter2@collector:4318/x\"\n");
    assert!(told.contains("telemetry.otlp_url"), "{told}");
    assert!(!told.contains("hunter2"), "{told}");
}

#[cfg(feature = "postgres")]
#[test]
fn a_database_is_named_by_its_url_and_its_password_is_never_shown() {
    let text = "[store]\nurl = \"postgres://shop:hunter2@db:5433/shop?sslmode=require\"\n";
    let flags = vec![Given::flag("store.url", DATA, "sqlite://own")];
    let mut loaded = from_text(text, &[]).expect("this is right");
    assert_eq!(loaded.config.data, PathBuf::from("evenkeel-data"));
    let shown = loaded.config.database.shown();
    assert_eq!(shown.as_deref(), Some("postgres://db:5433/shop"));
    let told = format!("{loaded:?}");
    assert!(!told.contains("hunter2"), "{told}");
    let url = [("EVENKEEL_STORE__URL", "postgres://shop@db/shop")];
    let url = url.map(|(name, value)| (name.to_owned(), value.to_owned()));
    loaded = load(None, url.into_iter(), flags).expect("this is right");
    assert_eq!(loaded.config.data, PathBuf::from("own"));
    let shown = loaded.config.database.shown();
    assert_eq!(shown.as_deref(), Some("postgres://db/shop"));
    let wrong = from_text(
        "[store]\nurl = \"postgres://shop:hunter2@db:x/shop\"\n",
        &[],
    );
    let told = wrong.expect_err("this is no port").to_string();
    assert!(
        told.contains("cannot be read") && !told.contains("hunter2"),
        "{told}"
    );
}
