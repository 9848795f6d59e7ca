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

/// Every command that only has others in it, with its path.
fn groups() -> Vec<(String, Command)> {
    let all = Cli::command();
    let groups = all
        .get_subcommands()
        .filter(|inner| inner.has_subcommands());
    groups
        .map(|inner| (format!("evenkeel {}", inner.get_name()), inner.clone()))
        .collect()
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
    for (path, mut command) in commands().into_iter().chain(groups()) {
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

#[test]
fn the_page_of_errors_names_only_commands_that_there_are() {
    let known: Vec<String> = commands().into_iter().map(|(path, _)| path).collect();
    let page = include_str!("../../../../docs/errors.md");
    let named = page.split('`').filter(|it| it.starts_with("evenkeel "));
    let mut count = 0;
    for command in named {
        let begins = |path: &String| {
            command
                .strip_prefix(path.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
        };
        assert!(known.iter().any(begins), "there is no {command}");
        count += 1;
    }
    assert!(count > 5, "it names {count}");
}

/// `docs/reference/cli.md` below its marker, as the commands themselves say it.
fn reference() -> String {
    use std::fmt::Write as _;
    let mut page = String::new();
    for (path, mut command) in commands() {
        let about = command
            .get_about()
            .map(ToString::to_string)
            .unwrap_or_default();
        let help = command.render_long_help().to_string();
        let example = help
            .lines()
            .rev()
            .find_map(|line| line.strip_prefix("Example: "));
        let example = example.unwrap_or_default();
        let _ = write!(page, "\n## {path}\n\n{about}.\n\n```sh\n{example}\n```\n\n");
        let place = ["url", "token", "data", "config"];
        let asks = command
            .get_arguments()
            .any(|argument| argument.get_id() == "url");
        for argument in command.get_arguments() {
            let id = argument.get_id().as_str();
            if id != "help" && !(asks && place.contains(&id)) {
                let _ = writeln!(page, "- {}", described(argument));
            }
        }
        if asks {
            let _ = writeln!(page, "- [where it goes](#where-a-command-goes)");
        }
    }
    page
}

fn described(argument: &clap::Arg) -> String {
    let value = argument
        .get_value_names()
        .and_then(<[_]>::first)
        .map(ToString::to_string);
    let takes_value = argument.get_action().takes_values();
    let name = match (argument.get_long(), value.filter(|_| takes_value)) {
        (Some(long), Some(value)) => format!("`--{long} {value}`"),
        (Some(long), None) => format!("`--{long}`"),
        (None, value) => format!("`{}`", value.unwrap_or_default()),
    };
    let help = argument
        .get_help()
        .map(ToString::to_string)
        .unwrap_or_default();
    let default = argument.get_default_values().first();
    let default = default
        .filter(|_| takes_value)
        .map(|value| value.to_string_lossy());
    let default = default
        .map(|value| format!(" [default: {value}]"))
        .unwrap_or_default();
    let required = argument.is_required_set() && argument.get_long().is_some();
    let required = if required { " (required)" } else { "" };
    format!("{name}: {help}{default}{required}")
}

#[test]
fn the_reference_page_is_what_the_commands_say() {
    crate::reference::hold_to("cli.md", &reference());
}
