//! What `config check --connect` says of a server, each with its cure.

use super::servers::shared;
use super::sql;
use evenkeel_engine::clock::SystemClock;
use evenkeel_engine::port::Clock as _;
use evenkeel_engine::store::postgres::PostgresOptions;
use evenkeel_engine::store::postgres::check::{Finding, Severity, check};
use evenkeel_rules::time::{LogTime, Millis};

async fn findings(url: &str, ahead: Millis) -> Vec<Finding> {
    let clock = SystemClock::new();
    let now = || LogTime::plus(clock.now(), ahead);
    let checked = check(&PostgresOptions::new(url), now).await;
    let checked = checked.expect("the server answers");
    assert!(checked.version.starts_with("PostgreSQL 1"), "{checked:?}");
    assert!(checked.findings.iter().all(|found| !found.cure.is_empty()));
    checked.findings
}

fn has(found: &[Finding], severity: Severity, words: &str) -> bool {
    let is_it = |one: &Finding| one.severity == severity && one.what.contains(words);
    found.iter().any(is_it)
}

#[tokio::test]
async fn each_setting_that_loses_orders_is_named_and_nothing_that_is_right() {
    let url = sql::database().await;
    let name = url.rsplit('/').next().expect("a URL ends with a database");
    // The shared server was started so, because nobody cuts its power.
    let found = findings(&url, Millis(0)).await;
    for setting in ["fsync = off", "full_page_writes = off"] {
        assert!(has(&found, Severity::Loses, setting), "{found:?}");
    }
    assert!(!has(&found, Severity::Loses, "synchronous_commit"));
    assert!(!has(&found, Severity::Refuses, ""), "{found:?}");
    assert!(!has(&found, Severity::Refuses, "clock"), "{found:?}");
    let off = format!("ALTER DATABASE {name} SET synchronous_commit = off");
    sql::run(&url, &off).await;
    let found = findings(&url, Millis(5_000)).await;
    let named = has(&found, Severity::Loses, "synchronous_commit = off");
    assert!(named, "{found:?}");
    assert!(has(&found, Severity::Refuses, "clock"), "{found:?}");
}

#[tokio::test]
async fn missing_rights_and_a_wrong_encoding_are_named() {
    let url = sql::database().await;
    let port = shared().port();
    let make = "CREATE ROLE poor LOGIN;";
    sql::run(&url, make).await;
    let name = url.rsplit('/').next().expect("a URL ends with a database");
    let poor = format!("postgres://poor@127.0.0.1:{port}/{name}");
    let found = findings(&poor, Millis(0)).await;
    let may_not = has(&found, Severity::Refuses, "may not make the schema");
    assert!(may_not, "{found:?}");
    let cure = "CREATE SCHEMA evenkeel AUTHORIZATION \"poor\";";
    let cures: Vec<&str> = found.iter().map(|one| one.cure.as_str()).collect();
    assert!(cures.contains(&cure), "{found:?}");
    sql::run(&url, cure).await;
    let found = findings(&poor, Millis(0)).await;
    assert!(!has(&found, Severity::Refuses, ""), "{found:?}");
    let other = "CREATE DATABASE bare ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'
        TEMPLATE template0";
    sql::run(&url, other).await;
    let found = findings(&shared().url("bare"), Millis(0)).await;
    assert!(has(&found, Severity::Refuses, "encoding"), "{found:?}");
}
