//! `status`: how the engine is: head, loops and how far they are behind.
//!
//! One request and its answer as a table; whether that is good is for whoever reads it.

use clap::Args;
use serde_json::Value;

use super::door::Call;
use super::operate::{Common, Operation, cell};
use super::output::{self, Column};

#[derive(Debug, Args)]
pub(super) struct Status {
    #[command(flatten)]
    common: Common,
}

impl Operation for Status {
    fn common(&self) -> &Common {
        &self.common
    }

    fn call(&self) -> Call {
        Call::get("/v1/status")
    }

    fn show(&self, answer: &Value) -> String {
        let mut rows = Vec::new();
        for (name, value) in answer.as_object().into_iter().flatten() {
            match (name.as_str(), value) {
                ("loops", Value::Array(loops)) => rows.extend(loops.iter().map(one_loop)),
                (_, Value::Object(members)) => rows.extend(
                    members
                        .iter()
                        .map(|(inner, value)| vec![format!("{name}.{inner}"), cell(value)]),
                ),
                (_, Value::Array(items)) if items.is_empty() => {
                    rows.push(vec![name.clone(), "none".to_owned()]);
                }
                (_, value) => rows.push(vec![name.clone(), cell(value)]),
            }
        }
        output::table(&[Column::Text("what"), Column::Text("value")], rows)
    }
}

/// A loop's row: its state, and how far it is behind.
fn one_loop(of: &Value) -> Vec<String> {
    let lag = format!(
        "{} positions, {} ms behind",
        cell(&of["lag_positions"]),
        cell(&of["lag_ms"])
    );
    vec![
        format!("loop {}", cell(&of["name"])),
        format!("{}, {lag}", cell(&of["state"])),
    ]
}
