//! The reference pages of the API: written from the route table and the catalogue.

use crate::http::openapi::problems;
use crate::http::problem::Code;
use crate::http::route::{Route, Who};
use crate::http::routes;
use crate::reference::hold_to;
use std::fmt::Write as _;

fn described(route: &Route) -> String {
    let who = match route.who {
        Who::Anybody => "anybody, without a token".to_owned(),
        Who::Signed(_) => "the provider, by its signature".to_owned(),
        Who::Roles(roles) => {
            let names: Vec<_> = roles.iter().map(|role| role.name()).collect();
            names.join(", ")
        }
    };
    let (method, pattern, summary) = (&route.method, route.pattern, route.doc.summary);
    let mut text = format!("\n## {method} {pattern}\n\n{summary}\n\n- Who: {who}\n");
    let mut put = |line: std::fmt::Arguments<'_>| {
        text.write_fmt(line).expect("text grows in memory");
    };
    if !route.doc.query.is_empty() {
        put(format_args!(
            "- Query: `{}`\n",
            route.doc.query.join("`, `")
        ));
    }
    let statuses: Vec<_> = route
        .doc
        .answers
        .iter()
        .map(|(status, _)| status.to_string())
        .collect();
    put(format_args!("- Answers: {}\n", statuses.join(", ")));
    let codes: Vec<_> = problems(route)
        .iter()
        .map(|code| code.meaning().code)
        .collect();
    if !codes.is_empty() {
        put(format_args!("- Problems: `{}`\n", codes.join("`, `")));
    }
    text
}

#[test]
fn the_page_of_routes_is_what_the_table_says() {
    let wanted: String = routes::all().map(described).collect();
    hold_to("http.md", &wanted);
}

#[test]
fn the_page_of_problems_is_what_the_catalogue_says() {
    let mut wanted = String::from("\n| status | code | again | meaning |\n|---|---|---|---|\n");
    for code in Code::ALL {
        let meaning = code.meaning();
        let again = if meaning.retryable { "yes" } else { "no" };
        writeln!(
            wanted,
            "| {} | `{}` | {again} | **{}.** {} |",
            meaning.status, meaning.code, meaning.title, meaning.help
        )
        .expect("text grows in memory");
    }
    hold_to("problems.md", &wanted);
}
