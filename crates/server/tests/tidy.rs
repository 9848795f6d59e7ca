//! House rules that neither the compiler nor clippy can hold: sizes, words, walls and absences.
//!
//! Each rule is one test; a failure names every place as `file:line` and says what to do there.
//! The walls are the floor-plan table of ARCHITECTURE.md: a change that needs a new edge changes
//! `WALLS` here and the table there in the same commit. `EXCEPTIONS` only shrinks: an exception
//! that is no longer needed fails its rule as well.
//!
//! It never looks inside `target/` or at files that are not part of the project.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A file that may break one size rule, up to a number, for a reason.
struct Exception {
    file: &'static str,
    lines: usize,
    reason: &'static str,
}

/// Only ever shorter: split the file instead of adding a line here.
const EXCEPTIONS: &[Exception] = &[];

/// A text file of the project.
struct File {
    path: String,
    text: String,
}

impl File {
    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    fn is_test(&self) -> bool {
        self.path.contains("/tests/") || self.path.ends_with("/tests.rs")
    }

    fn is_source(&self) -> bool {
        self.is_rust() && self.path.contains("/src/") && !self.is_test()
    }

    /// Lines with their numbers, without comments.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self
            .text
            .lines()
            .enumerate()
            .map(|(at, line)| (at + 1, line));
        lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
    }
}

fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize()
        .expect("the crate stands two levels below the root")
}

fn walk(directory: &Path, root: &Path, files: &mut Vec<File>) {
    let entries = std::fs::read_dir(directory).expect("a directory of the project can be read");
    for entry in entries {
        let path = entry.expect("an entry of the project can be read").path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let built = name == "target" && directory == root;
        if built || name == ".git" || name == "evenkeel-data" {
            continue;
        }
        // A link within the project: what it leads to is walked where it stands.
        if path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            walk(&path, root, files);
        } else if let Ok(text) = std::fs::read_to_string(&path) {
            let path = path.strip_prefix(root).expect("found below the root");
            files.push(File {
                path: path.to_string_lossy().into_owned(),
                text,
            });
        }
    }
}

fn files() -> Vec<File> {
    let (root, mut files) = (root(), Vec::new());
    walk(&root, &root, &mut files);
    files.sort_by(|one, other| one.path.cmp(&other.path));
    files
}

/// Fails with every place at which a rule is broken, and with what to do about it.
fn report(broken: &[String], advice: &str) {
    assert!(broken.is_empty(), "\n{}\n\n{advice}\n", broken.join("\n"));
}

/// Every place in code where one of the words stands, in the files that the filter takes.
fn places(words: &[&str], takes: impl Fn(&File) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for file in files().iter().filter(|file| takes(file)) {
        for (at, line) in file.code() {
            if let Some(word) = words.iter().find(|word| line.contains(**word)) {
                found.push(format!("{}:{at}: {word}", file.path));
            }
        }
    }
    found
}

#[test]
fn no_line_of_rust_is_longer_than_100_columns() {
    let mut broken = Vec::new();
    for file in files().iter().filter(|file| file.is_rust()) {
        for (at, line) in file.text.lines().enumerate() {
            if line.chars().count() > 100 {
                broken.push(format!("{}:{}", file.path, at + 1));
            }
        }
    }
    report(
        &broken,
        "Break the line: rustfmt leaves long strings and comments to you.",
    );
}

#[test]
fn no_file_is_longer_than_its_limit() {
    let mut broken = Vec::new();
    for file in files().iter().filter(|file| file.is_rust()) {
        let limit = if file.is_test() { 800 } else { 500 };
        let excepted = EXCEPTIONS
            .iter()
            .find(|exception| exception.file == file.path);
        let allowed = excepted.map_or(limit, |exception| exception.lines);
        let lines = file.text.lines().count();
        if lines > allowed {
            broken.push(format!("{}: {lines} lines, limit {allowed}", file.path));
        }
        if let Some(exception) = excepted.filter(|_| lines <= limit) {
            broken.push(format!("{}: no longer needs its exception", exception.file));
        }
    }
    report(
        &broken,
        "Split the file by what it owns; take spent exceptions off EXCEPTIONS.",
    );
}

#[test]
fn every_exception_names_a_file_and_a_reason() {
    let paths: BTreeSet<String> = files().into_iter().map(|file| file.path).collect();
    for exception in EXCEPTIONS {
        assert!(
            paths.contains(exception.file),
            "{} is gone: take it off",
            exception.file
        );
        assert!(
            exception.reason.len() > 20,
            "{}: give a reason",
            exception.file
        );
    }
}

#[test]
fn every_source_file_says_what_it_owns() {
    let mut broken = Vec::new();
    for file in files().iter().filter(|file| file.is_source()) {
        let doc = file
            .text
            .lines()
            .take_while(|line| line.starts_with("//!"))
            .count();
        // A part of a module may do with one line; a module says what it keeps, too.
        let depth = file
            .path
            .split_once("/src/")
            .map_or(0, |(_, rest)| rest.matches('/').count());
        let least = if depth == 0 { 3 } else { 1 };
        if !(least..=20).contains(&doc) {
            broken.push(format!(
                "{}: {doc} lines of module doc, not {least} to 20",
                file.path
            ));
        }
    }
    report(
        &broken,
        "Begin the file with 5 to 15 lines of `//!`: what it owns, the invariant it keeps, what it \
         never does. A part of a module may do with one line.",
    );
}

#[test]
fn nothing_is_left_unfinished() {
    let words = [
        concat!("FIX", "ME"),
        concat!("todo", "!("),
        concat!("unimplemented", "!("),
        concat!("#[ig", "nore"),
        concat!("for n", "ow"),
        concat!(".unwrap", "()"),
    ];
    let mut broken = Vec::new();
    for file in files().iter().filter(|file| file.is_rust()) {
        for (at, line) in file.text.lines().enumerate() {
            // A loop over a variable of that name is no promise.
            let line = line.replace(concat!("for n", "ow in "), "");
            if let Some(word) = words.iter().find(|word| line.contains(**word)) {
                broken.push(format!("{}:{}: {word}", file.path, at + 1));
            }
        }
    }
    report(
        &broken,
        "Finish it, or take it out; `expect` says why it holds.",
    );
}

#[test]
fn names_of_tests_are_sentences() {
    let prefix = concat!("fn te", "st_");
    let broken = places(&[prefix], File::is_rust);
    report(&broken, "Name the test by what it shows, without a prefix.");
}

#[test]
fn the_projects_own_words_are_used() {
    let words = [
        "reservation",
        "dead letter",
        "stock count",
        "anomaly",
        "deduplication",
    ];
    let wanted = [
        "a reservation is called a hold",
        "a hold is called a reservation",
    ];
    let mut broken = Vec::new();
    let this = concat!("crates/server/", "tests/tidy.rs");
    for file in files().iter().filter(|file| file.path != this) {
        for (at, line) in file.text.lines().enumerate() {
            let line = line.to_lowercase();
            let found = words.iter().find(|word| line.contains(**word));
            if let Some(word) = found.filter(|_| !wanted.iter().any(|one| line.contains(one))) {
                broken.push(format!("{}:{}: {word}", file.path, at + 1));
            }
        }
    }
    report(
        &broken,
        "Say hold, parked, available, finding or key; see the words in concepts.md.",
    );
}

#[test]
fn no_file_names_a_path_of_one_machine() {
    let words = [
        concat!("/wo", "rk/"),
        concat!("/ho", "me/"),
        concat!("/ro", "ot/"),
        concat!("/Us", "ers/"),
        concat!(".libr", "ary/"),
    ];
    let mut broken = Vec::new();
    for file in &files() {
        for (at, line) in file.text.lines().enumerate() {
            if let Some(word) = words.iter().find(|word| line.contains(**word)) {
                broken.push(format!("{}:{}: {word}", file.path, at + 1));
            }
        }
    }
    report(
        &broken,
        "Name the path relative to the project, or take it as an argument.",
    );
}

#[test]
fn every_select_is_biased() {
    let mut broken = Vec::new();
    for file in files().iter().filter(|file| file.is_rust()) {
        let mut lines = file.code().peekable();
        while let Some((at, line)) = lines.next() {
            let opens = line.trim_end().ends_with(concat!("select", "! {"));
            let biased = lines
                .peek()
                .is_some_and(|(_, next)| next.trim() == "biased;");
            if opens && !biased {
                broken.push(format!("{}:{at}", file.path));
            }
        }
    }
    report(
        &broken,
        "Begin with `biased;`: the arms are then polled in order, not at random.",
    );
}

#[test]
fn no_map_of_the_engine_has_a_random_order() {
    let inside = ["crates/rules/src/", "crates/engine/src/", "crates/sim/src/"];
    let broken = places(&["HashMap<", "HashSet<"], |file| {
        let named = file.text.contains("FixedState") || file.text.contains("maps::");
        inside.iter().any(|place| file.path.starts_with(place)) && !named
    });
    report(
        &broken,
        "Use BTreeMap, or a map hashed with foldhash::fast::FixedState.",
    );
}

/// What a part of the code must not mention, and why.
struct Wall {
    /// The row of the floor-plan table in ARCHITECTURE.md that this belongs to.
    floor: &'static str,
    /// Path prefixes that the wall stands around.
    inside: &'static [&'static str],
    /// Path prefixes within them that it does not.
    except: &'static [&'static str],
    /// What must not be named there.
    never: &'static [&'static str],
    /// What to do instead.
    instead: &'static str,
}

const SQL: &[&str] = &[
    "\"SELECT ",
    "INSERT INTO ",
    "DELETE FROM ",
    "BEGIN IMMEDIATE",
    "CREATE TABLE",
    "PRAGMA ",
    "rusqlite",
];

const ADAPTERS: &[&str] = &[
    "store::sqlite",
    "store::memory",
    "gate::memory",
    "gateway::http",
    "gateway::memory",
    "broker::embedded",
    "SqliteStore",
    "MemoryStore",
    "HttpGateway",
    "InstantGateway",
    "Embedded::new",
];

const WALLS: &[Wall] = &[
    Wall {
        floor: "rules",
        inside: &["crates/rules/src/"],
        except: &[],
        never: &[
            "async ",
            "tokio",
            "std::time",
            "std::env",
            "std::fs",
            "std::net",
            "std::io",
            "std::thread",
            "getrandom",
            "fastrand",
            "tracing::",
            "evenkeel_engine",
        ],
        instead: "A rule is a function of state, command and log time: take the rest as arguments.",
    },
    Wall {
        floor: "engine ports, `commit`, `settle`",
        inside: &[
            "crates/engine/src/port",
            "crates/engine/src/gateway.rs",
            "crates/engine/src/commit.rs",
            "crates/engine/src/commit/",
            "crates/engine/src/settle",
        ],
        except: &[],
        never: ADAPTERS,
        instead: "The judge and the ports know no adapter: put what they need into the port.",
    },
    Wall {
        floor: "engine `execute`, `committer` and loops",
        inside: &["crates/engine/src/"],
        except: &[
            "crates/engine/src/store",
            "crates/engine/src/gate",
            "crates/engine/src/lib.rs",
        ],
        never: SQL,
        instead: "SQL lives in store/ only: ask the Store port, or widen it.",
    },
    Wall {
        floor: "engine adapters",
        inside: &[
            "crates/engine/src/store/",
            "crates/engine/src/gate/",
            "crates/engine/src/gateway/",
            "crates/engine/src/broker/",
        ],
        except: &[],
        never: &[
            "crate::settle",
            "crate::execute",
            "crate::sweep",
            "crate::tail",
        ],
        instead: "An adapter holds no decision: move it to rules or settle.",
    },
    Wall {
        floor: "server http, console, cli",
        inside: &["crates/server/src/"],
        except: &[],
        never: SQL,
        instead: "Ask the engine's public API.",
    },
    Wall {
        floor: "main",
        inside: &["crates/server/src/main.rs"],
        except: &[],
        never: &["if ", "match ", "for ", "while ", "loop "],
        instead: "Main wires; put the logic where a test can reach it.",
    },
];

#[test]
fn the_walls_of_the_floor_plan_stand() {
    for wall in WALLS {
        let broken = places(wall.never, |file| {
            let within = |prefixes: &[&str]| prefixes.iter().any(|one| file.path.starts_with(one));
            file.is_source() && within(wall.inside) && !within(wall.except)
        });
        report(&broken, wall.instead);
    }
}

#[test]
fn the_floor_plan_of_the_architecture_page_has_a_row_for_every_wall() {
    let page = std::fs::read_to_string(root().join("ARCHITECTURE.md"));
    let page = page.expect("ARCHITECTURE.md can be read");
    for wall in WALLS {
        let row = format!("| {} |", wall.floor);
        assert!(
            page.contains(&row),
            "ARCHITECTURE.md has no row that begins with {row}"
        );
    }
}

#[test]
fn no_loop_imports_another_loop() {
    let loops = [
        "sweep",
        "tail",
        "project",
        "relay",
        "inbox",
        "saga",
        "handle",
        "twopc",
        "reconcile",
    ];
    let mut broken = Vec::new();
    for own in loops {
        let others: Vec<String> = loops
            .iter()
            .filter(|other| **other != own)
            .map(|other| format!("crate::{other}"))
            .collect();
        let others: Vec<&str> = others.iter().map(String::as_str).collect();
        let (file, folder) = (format!("engine/src/{own}.rs"), format!("engine/src/{own}/"));
        let takes = |one: &File| one.path.ends_with(&file) || one.path.contains(&folder);
        broken.extend(places(&others, |one| one.is_source() && takes(one)));
    }
    report(
        &broken,
        "Loops meet in the log: commit what the other one needs to see.",
    );
}

#[test]
fn no_adapter_imports_another_adapter() {
    let adapters = [
        ("store", "sqlite"),
        ("store", "memory"),
        ("gate", "memory"),
        ("gateway", "http"),
        ("gateway", "memory"),
        ("broker", "embedded"),
    ];
    let mut broken = Vec::new();
    for (port, own) in adapters {
        let file = format!("engine/src/{port}/{own}.rs");
        let folder = format!("engine/src/{port}/{own}/");
        let takes = |one: &File| one.path.ends_with(&file) || one.path.contains(&folder);
        assert!(
            files().iter().any(takes),
            "{file} is gone: take its adapter off"
        );
        let others: Vec<String> = adapters
            .iter()
            .filter(|other| **other != (port, own))
            .map(|(port, other)| format!("{port}::{other}"))
            .collect();
        let others: Vec<&str> = others.iter().map(String::as_str).collect();
        broken.extend(places(&others, |one| one.is_source() && takes(one)));
    }
    report(
        &broken,
        "Adapters meet in the ports: move what they share beside the port.",
    );
}

#[test]
fn the_rules_depend_on_nothing_that_can_act() {
    let manifest = std::fs::read_to_string(root().join("crates/rules/Cargo.toml"));
    let manifest = manifest.expect("the manifest of the rules can be read");
    let after = manifest
        .split("[dependencies]")
        .nth(1)
        .expect("it has dependencies");
    let own = after
        .split("\n[")
        .next()
        .expect("splitting gives at least one part");
    let names: BTreeSet<&str> = own
        .lines()
        .filter_map(|line| line.split(['.', ' ', '=']).next())
        .collect();
    let allowed = BTreeSet::from(["", "serde", "thiserror"]);
    let broken: Vec<String> = names
        .difference(&allowed)
        .map(ToString::to_string)
        .collect();
    report(&broken, "The rules may depend on serde and thiserror only.");
}

#[test]
fn the_front_pages_stay_short() {
    let limits = [
        ("README.md", 150),
        ("ARCHITECTURE.md", 250),
        ("CONTRIBUTING.md", 150),
    ];
    for (name, limit) in limits {
        let text = std::fs::read_to_string(root().join(name)).expect("a front page can be read");
        let lines = text.lines().count();
        assert!(
            lines <= limit,
            "{name} has {lines} lines, limit {limit}: move detail to docs/"
        );
    }
}
