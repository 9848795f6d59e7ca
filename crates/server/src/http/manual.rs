//! The documents of `docs/`, built in and served as pages.
//!
//! What a binary serves is what was written for it: nobody reads the manual of another version. The
//! text is Markdown, as it stands in the repository; links from document to document become links
//! from page to page, and every heading has an anchor.

use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd, html};

/// A document.
#[derive(Debug)]
pub(crate) struct Document {
    /// Its path below `/docs/`, and below `docs/` without the ending.
    pub(crate) name: &'static str,
    text: &'static str,
}

macro_rules! documents {
    ($($name:literal)*) => {
        /// Every document, in the order in which one would read them.
        pub(crate) const ALL: &[Document] = &[$(Document {
            name: $name,
            text: include_str!(concat!("../../docs/", $name, ".md")),
        },)*];
    };
}

documents! {
    "start" "concepts" "operating" "survives" "figures" "simulation" "errors" "decisions"
    "stories/happy" "stories/late" "stories/stuck"
    "reference/cli" "reference/http" "reference/problems" "reference/configuration"
    "reference/states" "reference/providers" "reference/metrics" "reference/performance"
}

/// A document by its name.
pub(crate) fn document(name: &str) -> Option<&'static Document> {
    ALL.iter().find(|document| document.name == name)
}

impl Document {
    /// Its first heading.
    pub(crate) fn title(&self) -> &'static str {
        let first = self.text.lines().next().unwrap_or_default();
        first.trim_start_matches("# ")
    }

    /// What follows the first heading, as HTML.
    pub(crate) fn body(&self) -> String {
        let rest = self.text.split_once('\n').map_or("", |(_, rest)| rest);
        to_html(rest, self.name)
    }

    /// What stands below a heading of the second level, as HTML.
    pub(crate) fn section(&self, heading: &str) -> Option<String> {
        let mut sections = self.text.split("\n## ").skip(1);
        let found = sections.find_map(|it| it.strip_prefix(heading)?.strip_prefix('\n'))?;
        Some(to_html(found, self.name))
    }
}

/// Where a link of a document leads on the server.
fn target(link: &str, of: &str) -> String {
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    let Some(path) = path.strip_suffix(".md") else {
        return link.to_owned();
    };
    // A document in a folder names those above it by `../`.
    let mut parts: Vec<&str> = of.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            ".." => drop(parts.pop()),
            "." => {}
            part => parts.push(part),
        }
    }
    let path = parts.join("/");
    match anchor {
        "" => format!("/docs/{path}"),
        anchor => format!("/docs/{path}#{anchor}"),
    }
}

/// A heading's anchor, as the sites that show such documents make it.
fn anchor(heading: &str) -> String {
    let kept = |letter: char| match letter {
        ' ' => Some('-'),
        letter if letter.is_alphanumeric() || "-_".contains(letter) => Some(letter),
        _ => None,
    };
    heading.to_lowercase().chars().filter_map(kept).collect()
}

fn to_html(text: &str, of: &str) -> String {
    let parser = Parser::new_ext(text, Options::ENABLE_TABLES);
    let mut events: Vec<Event<'_>> = Vec::new();
    let mut heading = None;
    for event in parser {
        let event = match event {
            Event::Start(Tag::Link {
                link_type,
                dest_url,
                title,
                id,
            }) => Event::Start(Tag::Link {
                link_type,
                dest_url: CowStr::from(target(&dest_url, of)),
                title,
                id,
            }),
            Event::Start(Tag::Heading { .. }) => {
                heading = Some((events.len(), String::new()));
                event
            }
            Event::End(TagEnd::Heading(_)) => {
                if let Some((at, words)) = heading.take()
                    && let Event::Start(Tag::Heading { id, .. }) = &mut events[at]
                {
                    *id = Some(CowStr::from(anchor(&words)));
                }
                event
            }
            Event::Text(words) | Event::Code(words) if heading.is_some() => {
                if let Some((_, heading)) = &mut heading {
                    heading.push_str(&words);
                }
                Event::Text(words)
            }
            // Markers for those who write the document.
            Event::Html(_) | Event::InlineHtml(_) => continue,
            other => other,
        };
        events.push(event);
    }
    let mut page = String::new();
    html::push_html(&mut page, events.into_iter());
    page
}

#[cfg(test)]
mod tests;
