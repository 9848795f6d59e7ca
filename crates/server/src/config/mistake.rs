//! What is wrong with a configuration, said so that it can be mended without a manual.
//!
//! A mistake names its place (file and line, variable or flag), what is wrong there, and for a name
//! that nobody knows the nearest one that exists. It never quotes a secret: values are quoted by
//! the keys that judge them, and no key of a secret quotes its value.

use super::KEYS;

/// One mistake: where, and what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mistake {
    place: String,
    what: String,
}

impl Mistake {
    /// A mistake at a place, be it an `Origin` or a text such as `evenkeel.toml:3`.
    pub(super) fn at(place: impl ToString, what: impl Into<String>) -> Self {
        Self {
            place: place.to_string(),
            what: what.into(),
        }
    }

    /// Its line in the file; mistakes without one come after those of the file.
    pub(super) fn line(&self) -> usize {
        let line = self.place.rsplit_once(':').map(|(_, line)| line.parse());
        line.and_then(Result::ok).unwrap_or(usize::MAX)
    }
}

impl std::fmt::Display for Mistake {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}: {}", self.place, self.what)
    }
}

/// All the mistakes of one configuration, one a line.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}", lines(.0))]
pub(crate) struct Mistakes(pub(crate) Vec<Mistake>);

fn lines(mistakes: &[Mistake]) -> String {
    let lines: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

/// The key whose path, or whose last part, is most like this one.
pub(super) fn nearest_key(path: &str) -> &'static str {
    let last = |of: &str| of.rsplit('.').next().unwrap_or_default().to_owned();
    let score = |key: &str| {
        let whole = strsim::jaro_winkler(path, key);
        let part = strsim::jaro_winkler(&last(path), &last(key));
        // A right name in the wrong section is nearer than a wrong name in the right one.
        whole.max(part * 0.99)
    };
    let paths = KEYS.iter().map(|key| key.path);
    let best = paths.max_by(|one, other| score(one).total_cmp(&score(other)));
    best.expect("the table of keys is not empty")
}

/// The section whose name is most like this one.
pub(super) fn nearest_section(name: &str) -> &'static str {
    let sections = KEYS
        .iter()
        .filter_map(|key| key.path.split_once('.'))
        .map(|(one, _)| one);
    let score = |section: &str| strsim::jaro_winkler(name, section);
    let best = sections.max_by(|one, other| score(one).total_cmp(&score(other)));
    best.expect("the table of keys is not empty")
}
