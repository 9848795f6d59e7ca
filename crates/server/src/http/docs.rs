//! Pages for people: the manual, the list of routes, and one page per problem code.
//!
//! Plain HTML with nothing loaded from anywhere, made from the route table and the catalogue, to
//! be read on a telephone too. What every route shares is said once, above them.

use super::manual::{self, Document};
use super::openapi::{EVERYWHERE, READS, WITH_BODY, WITH_KEY, problems};
use super::problem::Code;
use super::route::{Route, Who};
use super::routes;
use std::fmt::Write as _;

const STYLE: &str = ":root{color-scheme:light dark;--line:#8884;--tint:#8882;--link:light-dark(\
    #05c,#7bf)}body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;\
    padding:0 1rem}h1{line-height:1.2}h2{margin:2.5rem 0 .5rem}h3{margin:0;font-size:1rem;\
    line-height:1.6}p{margin:.5rem 0}code,pre{background:var(--tint);border-radius:3px;\
    overflow-wrap:anywhere}code{padding:.1em .3em}pre{padding:.8rem;overflow-x:auto;font-size:\
    .82rem}pre code{background:none;padding:0;overflow-wrap:normal}table{display:block;\
    overflow-x:auto;border-collapse:collapse}th,td{border:1px solid var(--line);padding:\
    .25rem .5rem;text-align:left;vertical-align:top}a{color:var(--link)}section{\
    border-top:1px solid var(--line);padding:.8rem 0}dl{display:grid;grid-template-columns:\
    6.5rem 1fr;gap:.15rem .8rem;margin:.4rem 0 0;font-size:.9rem}dt{opacity:.7}dd{margin:0;\
    overflow-wrap:anywhere}td code{overflow-wrap:break-word}\
    ul.codes{list-style:none;padding:0}ul.codes li{padding:.15rem 0 .15rem \
    2.8rem;text-indent:-2.8rem}@media(max-width:30rem){dl{grid-template-columns:1fr}dt{margin-top:\
    .3rem}}";

const EXAMPLE: &str = "curl $EVENKEEL_URL/v1/holds \\\n  \
    -H 'Authorization: Bearer ek_...' \\\n  \
    -H 'Idempotency-Key: click-17' \\\n  \
    -H 'Content-Type: application/json' \\\n  \
    -d '{\"customer\": \"c-1\", \"lines\": [{\"sku\": \"lamp\", \"quantity\": 1}]}'";

/// The page of all routes.
pub(crate) fn index() -> String {
    let mut page = begin("Evenkeel: the HTTP API");
    put(
        &mut page,
        format_args!(
            "<p>JSON over HTTP/1.1 and 2. Show a token as <code>Authorization: Bearer \
             ek_...</code>; give every POST an <code>Idempotency-Key</code> of your own, and send \
             the same request with the same key again whenever you are not sure of its answer. \
             For programs: <a href=\"/openapi.json\">/openapi.json</a>.</p>\
             <pre><code>{EXAMPLE}</code></pre>"
        ),
    );
    page.push_str("<h2>The manual</h2><ul>");
    for document in manual::ALL {
        let (name, title) = (document.name, document.title());
        put(
            &mut page,
            format_args!("<li><a href=\"/docs/{name}\">{title}</a></li>"),
        );
    }
    page.push_str("</ul>");
    page.push_str(
        "<h2>On every route</h2><p>Problems that a route may answer with beside its own:</p><dl>",
    );
    for (which, codes) in [
        ("any request", EVERYWHERE),
        ("with a body", WITH_BODY),
        ("PUT, POST, DELETE", WITH_KEY),
        ("GET", READS),
    ] {
        let codes = links(codes);
        put(&mut page, format_args!("<dt>{which}</dt><dd>{codes}</dd>"));
    }
    page.push_str("</dl><h2>Routes</h2>");
    for route in routes::all() {
        section(&mut page, route);
    }
    page.push_str("<h2>Problems</h2><ul class=\"codes\">");
    for code in Code::ALL {
        let meaning = code.meaning();
        let (status, link, title) = (meaning.status, links(&[*code]), meaning.title);
        put(&mut page, format_args!("<li>{status} {link} {title}</li>"));
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
            "<p><code>{}</code>, status {}</p><p>{}</p><p>{again}</p>",
            meaning.code, meaning.status, meaning.help,
        ),
    );
    let errors = manual::document("errors").expect("it is built in");
    page.push_str(&errors.section(meaning.code).unwrap_or_default());
    let answering = routes::all().filter(|route| problems(route).contains(&code));
    let answering: Vec<_> = answering
        .map(|route| format!("<li><code>{} {}</code></li>", route.method, route.pattern))
        .collect();
    if !answering.is_empty() {
        let routes = answering.concat();
        put(&mut page, format_args!("<h2>Where</h2><ul>{routes}</ul>"));
    }
    page.push_str("<p><a href=\"/docs\">All routes and problems</a></p></body></html>\n");
    page
}

/// The page of a document.
pub(crate) fn document(document: &Document) -> String {
    let mut page = begin(document.title());
    page.push_str(&document.body());
    page.push_str(
        "<p><a href=\"/docs\">The manual, all routes and problems</a></p></body></html>\n",
    );
    page
}

fn section(page: &mut String, route: &Route) {
    let who = match route.who {
        Who::Anybody => "anybody, without a token".to_owned(),
        Who::Signed(_) => "the provider, by its signature".to_owned(),
        Who::Roles(roles) => {
            let names: Vec<_> = roles.iter().map(|role| role.name()).collect();
            names.join(", ")
        }
    };
    let answers = route.doc.answers.iter();
    let answers: Vec<_> = answers.map(|(status, _)| status.to_string()).collect();
    let (method, pattern, summary) = (&route.method, route.pattern, route.doc.summary);
    put(
        page,
        format_args!(
            "<section><h3><code>{method} {pattern}</code></h3><p>{summary}</p><dl><dt>who</dt>\
             <dd>{who}</dd>"
        ),
    );
    if !route.doc.query.is_empty() {
        let names = route.doc.query.join("</code> <code>");
        put(
            page,
            format_args!("<dt>query</dt><dd><code>{names}</code></dd>"),
        );
    }
    let answers = answers.join(", ");
    put(page, format_args!("<dt>answers</dt><dd>{answers}</dd>"));
    if !route.doc.problems.is_empty() {
        let codes = links(route.doc.problems);
        put(page, format_args!("<dt>problems</dt><dd>{codes}</dd>"));
    }
    page.push_str("</dl></section>");
}

/// The codes, each a link to its page.
fn links(codes: &[Code]) -> String {
    let links = codes.iter().map(|code| {
        let code = code.meaning().code;
        format!("<a href=\"/docs/errors/{code}\"><code>{code}</code></a>")
    });
    links.collect::<Vec<_>>().join(" ")
}

fn begin(title: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>{title}</title><style>{STYLE}</style></head><body><h1>{title}</h1>"
    )
}

fn put(page: &mut String, arguments: std::fmt::Arguments<'_>) {
    page.write_fmt(arguments).expect("text grows in memory");
}
