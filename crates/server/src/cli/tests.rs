//! The command line itself: that it parses, that each help has an example, that it fits.

use clap::{Command, CommandFactory};

use super::Cli;

/// Every command that does something, with its path.
fn leaves(command: &Command, path: &str, found: &mut Vec<(String, Command)>) {
    for inner in command.get_subcommands() {
        let path = format!("{path} {}", inner.get_name());
        if inner.has_subcommands() {
            leaves(inner, &path, found);
        } else {
            found.push((path, inner.clone()));
        }
    }
}

fn commands() -> Vec<(String, Command)> {
    let mut found = Vec::new();
    leaves(&Cli::command(), "evenkeel", &mut found);
    found
}

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn every_help_ends_with_an_example_of_its_own_command() {
    for (path, mut command) in commands() {
        let help = command.render_long_help().to_string();
        let example = help
            .lines()
            .rev()
            .find_map(|line| line.strip_prefix("Example: "));
        let example = example.unwrap_or_default();
        assert!(
            example.starts_with(&path),
            "{path} has no example: {example:?}"
        );
    }
}

#[test]
fn every_example_parses() {
    for (path, mut command) in commands() {
        let help = command.render_long_help().to_string();
        let example = help
            .lines()
            .rev()
            .find_map(|line| line.strip_prefix("Example: "));
        let example = example
            .unwrap_or_default()
            .split(" > ")
            .next()
            .unwrap_or_default();
        let parsed = Cli::command().try_get_matches_from(example.split_whitespace());
        assert!(
            parsed.is_ok(),
            "{path}: the example {example:?} does not parse"
        );
    }
}
