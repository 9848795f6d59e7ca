//! The pages of `docs/reference` that are written from the code.
//!
//! Compiled for tests only. Each page has prose above a marker and, below it, what the code says;
//! a test holds it to that, and with `BLESS=1` in the environment writes it. It never changes what
//! stands above the marker.

const MARKER: &str = "<!-- From here on written by `BLESS=1 cargo test --release`. -->\n";

/// Holds a page below its marker to what it should say, or writes it there.
pub(crate) fn hold_to(name: &str, wanted: &str) {
    let path = format!("{}/../../docs/reference/{name}", env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(&path).expect("the reference page is there");
    let (above, below) = page.split_once(MARKER).expect("the page has its marker");
    if std::env::var_os("BLESS").is_some() {
        let page = format!("{above}{MARKER}{wanted}");
        std::fs::write(path, page).expect("the reference page can be written");
        return;
    }
    assert!(
        below == wanted,
        "docs/reference/{name} is stale: run BLESS=1 cargo test --release"
    );
}
