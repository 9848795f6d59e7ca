//! What is said of a command line that is none, beyond what the parser says by itself.

use crate::columns::wrapped;
use clap::error::{ContextKind, ContextValue, Error, ErrorKind};

/// What stands before a tip.
const TIP: usize = "  tip: ".len();

/// The error; of a word that is like none, with all that could stand in its place.
pub(super) fn taught(mut error: Error, root: &clap::Command, words: &[String]) -> Error {
    let is_guessed = error.get(ContextKind::SuggestedSubcommand).is_some();
    if error.kind() != ErrorKind::InvalidSubcommand || is_guessed {
        return error;
    }
    let Some(ContextValue::String(wrong)) = error.get(ContextKind::InvalidSubcommand) else {
        return error;
    };
    let before = words.iter().take_while(|word| *word != wrong);
    let command = before.fold(root, |command, word| {
        command.find_subcommand(word).unwrap_or(command)
    });
    let known: Vec<_> = command
        .get_subcommands()
        .map(clap::Command::get_name)
        .collect();
    let tip = format!("there are {}", known.join(", "));
    let tip = wrapped(&" ".repeat(TIP), TIP, &tip).join("\n");
    let tips = vec![tip.trim_start().to_owned().into()];
    error.insert(ContextKind::Suggested, ContextValue::StyledStrs(tips));
    error
}

#[cfg(test)]
mod tests {
    use super::super::Cli;
    use super::taught;
    use crate::columns::WIDTH;
    use clap::CommandFactory as _;

    fn said(line: &str) -> String {
        let words: Vec<String> = line.split(' ').map(ToOwned::to_owned).collect();
        let mut root = Cli::command();
        let error = root
            .try_get_matches_from_mut(&words)
            .expect_err("a mistake");
        let said = taught(error, &root, &words).to_string();
        for line in said.lines() {
            assert!(line.chars().count() <= WIDTH, "{line}");
        }
        said
    }

    #[test]
    fn a_word_that_is_like_another_is_told_that_one() {
        let tip = said("evenkeel order lst");
        assert!(
            tip.contains("'list'") && !tip.contains("there are"),
            "{tip}"
        );
    }

    #[test]
    fn a_word_that_is_like_none_is_told_what_there_is() {
        let tip = said("evenkeel stock list");
        assert!(tip.contains("tip: there are receive, "), "{tip}");
        assert!(tip.contains("show"), "{tip}");
        let tip = said("evenkeel xyzzy");
        assert!(tip.contains("tip: there are serve, "), "{tip}");
        assert!(tip.contains("explain"), "{tip}");
    }

    #[test]
    fn other_mistakes_are_said_as_they_are() {
        assert!(said("evenkeel explain").contains("<ID>"));
    }
}
