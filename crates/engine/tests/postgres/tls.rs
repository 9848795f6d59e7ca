//! A server's certificate is checked, whoever vouches for it.

use super::servers::Server;
use evenkeel_engine::clock::SystemIds;
use evenkeel_engine::port::{Fault, Store as _};
use evenkeel_engine::store::postgres::{PostgresOptions, PostgresStore};
use std::path::Path;
use std::process::Command;

/// Makes an authority, and a certificate of `localhost` that it vouches for. The server may read
/// its key and nobody else: whoever runs the tests as root gives it away.
const MAKE: &str = r#"
set -e
openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -days 2 -subj "/CN=authority"
openssl req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj "/CN=localhost"
printf 'subjectAltName=DNS:localhost\n' >names
openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out server.crt \
  -days 2 -extfile names
chmod 711 .
chmod 600 server.key
if [ "$(id -u)" = 0 ]; then chown postgres: server.key; fi
"#;

async fn opened(url: &str, ca: Option<&Path>) -> Result<(), Fault> {
    let options = PostgresOptions {
        ca: ca.map(Path::to_owned),
        ..PostgresOptions::new(url)
    };
    let store = PostgresStore::open(&options, &SystemIds).await?;
    store.head().await.map(drop)
}

#[tokio::test]
async fn a_server_is_believed_only_with_the_certificate_of_its_name() {
    let dir = tempfile::tempdir().expect("a directory");
    let made = Command::new("sh")
        .args(["-c", MAKE])
        .current_dir(&dir)
        .output();
    let made = made.expect("a shell is to be had");
    let said = String::from_utf8_lossy(&made.stderr).into_owned();
    assert!(made.status.success(), "{said}");
    let setting = |name: &str, file: &str| {
        let path = dir.path().join(file);
        format!("{name} = '{}'", path.display())
    };
    let certificate = setting("ssl_cert_file", "server.crt");
    let server = Server::start(&[
        "ssl = on",
        &certificate,
        &setting("ssl_key_file", "server.key"),
    ]);
    let (port, ca) = (server.port(), dir.path().join("ca.crt"));
    let url = |host: &str, mode: &str| {
        format!("postgres://postgres@{host}:{port}/postgres?sslmode={mode}")
    };
    let trusted = opened(&url("localhost", "require"), Some(&ca)).await;
    assert_eq!(trusted, Ok(()));
    for (host, ca) in [("localhost", None), ("127.0.0.1", Some(&*ca))] {
        for mode in ["require", "prefer"] {
            let told = opened(&url(host, mode), ca).await;
            let is_refused =
                matches!(&told, Err(Fault::Unavailable(why)) if why.contains("certificate"));
            assert!(is_refused, "{host} {mode}: {told:?}");
        }
    }
    let bare = Server::start(&[]);
    let url = format!(
        "postgres://postgres@localhost:{}/postgres?sslmode=require",
        bare.port()
    );
    let told = opened(&url, Some(&ca)).await;
    assert!(matches!(told, Err(Fault::Unavailable(_))), "{told:?}");
}
