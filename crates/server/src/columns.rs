//! Text that fits a terminal: how wide it stands there, and where it is broken.
//!
//! Every page that a command prints for people is at most [`WIDTH`] columns wide; a line that
//! would be wider is broken between words, and only there. Colours take no room. Nothing here
//! knows what the text is about, or prints it.

/// Columns of a page: the width that every command's output keeps to.
pub(crate) const WIDTH: usize = 100;

/// Columns that a text takes on a terminal; what colours it takes none.
pub(crate) fn columns(text: &str) -> usize {
    let mut pieces = text.split('\x1b');
    let plain = pieces.next().unwrap_or_default().chars().count();
    let coloured = pieces.map(|piece| {
        let (_, shown) = piece.split_once('m').unwrap_or_default();
        shown.chars().count()
    });
    plain + coloured.sum::<usize>()
}

/// A text without colours in at most so many columns, with `…` for what did not fit.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width - 1).chain(['…']).collect()
}

/// A text behind a head, broken at spaces so that no line is wider than the page.
///
/// All lines but the first are set in by `hang` columns. A word is never cut, however long: an id
/// that is shown is one that can be asked for.
pub(crate) fn wrapped(head: &str, hang: usize, text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = head.to_owned();
    let mut wide = columns(head);
    let mut begins = true;
    for word in text.split(' ') {
        let needs = columns(word);
        if !begins && wide + 1 + needs > WIDTH {
            lines.push(std::mem::replace(&mut line, " ".repeat(hang)));
            (wide, begins) = (hang, true);
        }
        if !begins {
            line.push(' ');
            wide += 1;
        }
        line.push_str(word);
        wide += needs;
        begins = false;
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_is_wider_than_the_page_and_no_word_is_lost() {
        let text = "word ".repeat(60);
        let lines = wrapped("  head  ", 8, text.trim_end());
        assert!(
            lines.iter().all(|line| columns(line) <= WIDTH),
            "{lines:#?}"
        );
        assert!(lines[0].starts_with("  head  word") && lines[1].starts_with("        word"));
        let words = lines.iter().flat_map(|line| line.split_whitespace());
        assert_eq!(words.filter(|word| *word == "word").count(), 60);
    }

    #[test]
    fn a_line_may_be_full_to_the_last_column_and_a_long_name_stays_whole() {
        let text = format!("{} b c", "a".repeat(WIDTH - 2));
        assert_eq!(
            wrapped("", 2, &text),
            [&text[..WIDTH], "  c"],
            "b still fits"
        );
        let name = "x".repeat(150);
        let lines = wrapped("id ", 3, &format!("{name} is held"));
        assert_eq!(lines, [format!("id {name}"), "   is held".to_owned()]);
    }

    #[test]
    fn colours_take_no_room() {
        assert_eq!(columns("\x1b[32mheld\x1b[0m 1"), 6);
        let text = format!("\x1b[32m{}\x1b[0m b", "a".repeat(WIDTH - 2));
        assert_eq!(wrapped("", 0, &text).len(), 1);
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!(cut("abcd", 4), "abcd");
    }
}
