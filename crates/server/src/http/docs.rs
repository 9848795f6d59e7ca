//! Pages for people: the list of routes, and one page per problem code.
//!
//! Plain HTML with nothing loaded from anywhere, made from the route table and the catalogue.

use super::openapi::problems;
use super::problem::Code;
use super::route::{Route, Who};
use super::routes;
use std::fmt::Write as _;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;\
    padding:0 1rem;color:#222}code{background:#f2f2f2;padding:.1em .3em;border-radius:3px}\
    table{border-collapse:collapse;width:100%}td,th{text-align:left;vertical-align:top;\
    padding:.4em .8em .4em 0;border-top:1px solid #ddd}a{color:#05c}";

/// The page of all routes.
pub(crate) fn index() -> String {
    let mut page = begin("Evenkeel: the HTTP API");
    page.push_str(
        "<p>JSON over HTTP/1.1 and 2. Show a token as <code>Authorization: Bearer ek_...</code>; \
         give every POST an <code>Idempotency-Key</code> of your own, and send the same request \
         with the same key again whenever you are not sure of its answer. For programs: \
         <a href=\"/openapi.json\">/openapi.json</a>.</p><table><tr><th>Route</th><th>What it \
         does</th><th>Who</th><th>Answers</th></tr>",
    );
    for route in routes::all() {
        row(&mut page, route);
    }
    page.push_str("</table><h2>Problems</h2><ul>");
    for code in Code::ALL {
        let meaning = code.meaning();
        let (status, code, title) = (meaning.status, meaning.code, meaning.title);
        put(
            &mut page,
            format_args!(
                "<li>{status} <a href=\"/docs/errors/{code}\"><code>{code}</code></a> {title}</li>"
            ),
        );
    }
    page.push_str("</ul></body></html>\n");
    page
}

/// The page of one problem code.
pub(crate) fn error(code: Code) -> String {
    let meaning = code.meaning();
    let mut page = begin(meaning.title);
    let again = if meaning.retryable {
        "The very same request with the same key may be sent again and may end otherwise."
    } else {
        "Sending the very same request again will not end otherwise."
    };
    put(
        &mut page,
        format_args!(
            "<p><code>{}</code>, status {}</p><p>{}</p><p>{again}</p>\
         <p><a href=\"/docs\">All routes and problems</a></p></body></html>\n",
            meaning.code, meaning.status, meaning.help,
        ),
    );
    page
}

fn row(page: &mut String, route: &Route) {
    let who = match route.who {
        Who::Anybody => "anybody".to_owned(),
        Who::Roles(roles) => roles
            .iter()
            .map(|role| role.name())
            .collect::<Vec<_>>()
            .join(", "),
    };
    let (method, pattern, summary) = (&route.method, route.pattern, route.doc.summary);
    put(
        page,
        format_args!(
            "<tr><td><code>{method} {pattern}</code></td><td>{summary}</td><td>{who}</td><td>"
        ),
    );
    for (status, _) in route.doc.answers {
        put(page, format_args!("{status} "));
    }
    for code in problems(route) {
        let code = code.meaning().code;
        put(
            page,
            format_args!("<a href=\"/docs/errors/{code}\">{code}</a> "),
        );
    }
    page.push_str("</td></tr>");
}

fn begin(title: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <style>{STYLE}</style></head><body><h1>{title}</h1>"
    )
}

fn put(page: &mut String, arguments: std::fmt::Arguments<'_>) {
    page.write_fmt(arguments).expect("text grows in memory");
}
