//! Configuration: what is accepted, and how each kind of mistake is told.

use std::path::{Path, PathBuf};

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
            "[store]\nurl = \"postgres://db/shop\"\n",
            "evenkeel.toml:2: store.url is \"postgres://db/shop\": this build has no such store; \
             the one it has is \"sqlite://DIR\"",
        ),
        (
            "[gate]\nurl = \"redis://cache\"\n",
            "evenkeel.toml:2: gate.url is \"redis://cache\": the one gate that this build has is \
             \"memory\"",
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
