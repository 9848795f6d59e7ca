//! Drives every target with mutated seeds. `PROPTEST_CASES` says how many of each.

#[path = "../../../../fuzz/drive.rs"]
mod drive;

/// One test for each target, which all have seeds.
macro_rules! driven {
    ($($test:ident $target:ident,)*) => {
        $(
            #[test]
            fn $test() {
                drive::all(stringify!($target), super::$target);
            }
        )*
    };
}

driven! {
    bodies_are_read_with_one_meaning json,
    callbacks_are_read_with_one_meaning callbacks,
    configurations_are_read_or_their_mistakes_named configurations,
    heads_are_read_within_their_bounds heads,
    heads_with_two_lengths_are_seen_however_they_are_cut wires,
    moments_are_written_as_they_were_read times,
    queries_are_read_within_their_bounds queries,
    replies_are_there_when_they_are_whole replies,
    secrets_are_keyed_or_refused secrets,
    signatures_are_not_forged signatures,
    tables_are_written_as_they_were_read tables,
}

#[test]
fn a_target_that_fails_is_seen() {
    let fails = |bytes: &[u8]| assert!(!bytes.contains(&b'{'), "a brace");
    let run = || drive::all("json", fails);
    assert!(std::panic::catch_unwind(run).is_err());
}

/// The names under a heading of a manifest.
fn names_under(manifest: &str, heading: &str) -> Vec<String> {
    let text = manifest.split_once(heading).expect("it has the heading").1;
    let lines = text.lines().take_while(|line| !line.starts_with('['));
    let name = |line: &str| line.split(['.', ' ']).next().map(str::to_owned);
    lines
        .filter(|line| !line.is_empty())
        .filter_map(name)
        .collect()
}

#[test]
fn the_fuzzed_library_has_the_dependencies_of_the_server() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| std::fs::read_to_string(root.join(path)).expect("a manifest");
    let (ours, fuzzed) = (read("Cargo.toml"), read("../../fuzz/server/Cargo.toml"));
    let heading = "\n[dependencies]\n";
    assert_eq!(names_under(&ours, heading), names_under(&fuzzed, heading));
}

#[test]
fn every_target_with_seeds_is_one_of_libfuzzers() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
    let names = |of: &str| -> std::collections::BTreeSet<String> {
        let entries = std::fs::read_dir(root.join(of)).expect("a directory of fuzz/");
        let name = |entry: std::io::Result<std::fs::DirEntry>| {
            let name = entry.expect("readable").file_name();
            name.to_string_lossy().trim_end_matches(".rs").to_owned()
        };
        entries.map(name).collect()
    };
    let targets = names("fuzz_targets");
    assert_eq!(names("seeds"), targets);
    let manifest = std::fs::read_to_string(root.join("Cargo.toml")).expect("a manifest");
    for target in targets {
        let path = format!("path = \"fuzz_targets/{target}.rs\"");
        assert!(manifest.contains(&path), "{target} is not built");
    }
}
