//! What `explain` answers.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

/// What became of one thing.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Story {
    pub(crate) kind: &'static str,
    pub(crate) id: String,
    /// Where it stands at the end of the story.
    pub(crate) state: String,
    /// The token of the position that the story is told as of.
    pub(crate) as_of: String,
    /// Step by step; positions never fall.
    pub(crate) entries: Vec<StoryEntry>,
    /// What should come next.
    pub(crate) next: Vec<StoryNext>,
    /// What a person has to look at.
    pub(crate) findings: Vec<StoryFinding>,
    /// What else has this id: kind and id.
    pub(crate) also: Vec<StorySubject>,
}

/// One step.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct StoryEntry {
    pub(crate) position: u64,
    #[schemars(extend("format" = "date-time"))]
    pub(crate) at: String,
    /// Which part of the engine it belongs to.
    pub(crate) component: &'static str,
    /// In words.
    pub(crate) what: String,
    /// What the event or move says.
    pub(crate) detail: Value,
    /// What brought it about.
    pub(crate) cause: Option<StoryCause>,
    /// The same in words: who asked, or which loop acted on what.
    pub(crate) by: String,
    /// The position of the step that the engine acted on; null for what was asked of it.
    pub(crate) follows: Option<u64>,
}

/// What brought a step about.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct StoryCause {
    /// The command or loop.
    pub(crate) kind: String,
    /// Its key's hash, or what it is about.
    pub(crate) id: String,
}

/// What should come next.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct StoryNext {
    /// Who has to act.
    pub(crate) who: String,
    pub(crate) expected: String,
    #[schemars(extend("format" = "date-time"))]
    pub(crate) by: Option<String>,
    /// What happens otherwise.
    #[serde(rename = "else")]
    pub(crate) otherwise: String,
}

/// A thing that has a story.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct StorySubject {
    /// Of which kind, as in the path.
    pub(crate) kind: &'static str,
    pub(crate) id: String,
}

/// What a person has to look at.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct StoryFinding {
    pub(crate) id: String,
    pub(crate) kind: &'static str,
    pub(crate) subject: StorySubject,
    pub(crate) class: &'static str,
    /// What should be; nothing, where words say it.
    pub(crate) expected: Value,
    /// What is; nothing, where words say it.
    pub(crate) found: Value,
    /// Where it began.
    pub(crate) position: u64,
    pub(crate) detail: String,
}
