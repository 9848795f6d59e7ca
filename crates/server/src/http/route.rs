//! The one table of routes.
//!
//! Each [`Route`] says everything about itself: method, pattern, who may ask, how it is answered,
//! and what the API document says of it. Matching, `Allow`, the role check, `/openapi.json` and
//! `/docs` are all read from this table; there is no second list.

use super::call::{Act, Call};
use super::problem::{Code, Problem};
use super::{Api, routes};
use evenkeel_engine::callback::Sender;
use evenkeel_rules::token::Role;
use http::Method;
use schemars::{Schema, SchemaGenerator};

/// Who may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    /// Anybody, without a token.
    Anybody,
    /// Providers of a kind, without a token: they sign the body.
    Signed(Sender),
    /// Tokens with one of these roles.
    Roles(&'static [Role]),
}

/// Buyers and shops, and those who may do all but tokens.
pub(crate) const SELLING: &[Role] = &[Role::Buyer, Role::Shop, Role::Operator, Role::Admin];
/// Those who sell, but for buyers.
pub(crate) const CONFIRMING: &[Role] = &[Role::Shop, Role::Operator, Role::Admin];
/// Those who may look at holds.
pub(crate) const READING: &[Role] = &[
    Role::Buyer,
    Role::Shop,
    Role::Operator,
    Role::Admin,
    Role::Auditor,
];
/// Those who keep the catalogue and the stock.
pub(crate) const STOCKING: &[Role] = &[Role::Staff, Role::Operator, Role::Admin];
/// Those who decide what waits for a person.
pub(crate) const REVIEWING: &[Role] = &[Role::Staff, Role::Operator, Role::Admin];
/// Those who may look at what waits for a person.
pub(crate) const SEEING_REVIEWS: &[Role] =
    &[Role::Staff, Role::Operator, Role::Admin, Role::Auditor];
/// Those who keep the engine going.
pub(crate) const OPERATING: &[Role] = &[Role::Operator, Role::Admin];
/// Those who may look behind the scenes.
pub(crate) const WATCHING: &[Role] = &[Role::Operator, Role::Admin, Role::Auditor];
/// Those who may look at sagas.
pub(crate) const SEEING_SAGAS: &[Role] = &[Role::Shop, Role::Operator, Role::Admin, Role::Auditor];
/// Those who make and revoke tokens.
pub(crate) const KEEPING_TOKENS: &[Role] = &[Role::Admin];

/// JSON, as `Accept` may name it.
pub(crate) const JSON: &[&str] = &["*/*", "application/*", "application/json"];
const EVENTS: &[&str] = &["*/*", "text/*", "text/event-stream"];

/// Reads a request and says what is to be done; see [`Act`].
pub(crate) type Prepare = for<'a> fn(&'a Api, Call<'a>) -> Result<Act<'a>, Problem>;

/// Makes the schema of a body.
pub(crate) type Shape = fn(&mut SchemaGenerator) -> Schema;

/// What the API document says of a route.
pub(crate) struct Doc {
    /// One sentence.
    pub(crate) summary: &'static str,
    /// The body's shape.
    pub(crate) request: Option<Shape>,
    /// Each status that is no problem, with its shape; without one the body is not JSON.
    pub(crate) answers: &'static [(u16, Option<Shape>)],
    /// Names of the parameters that its query may have.
    pub(crate) query: &'static [&'static str],
    /// Problems beside those that every route has.
    pub(crate) problems: &'static [Code],
}

/// One route.
pub(crate) struct Route {
    pub(crate) method: Method,
    /// A path with one variable segment at most, as in `/v1/holds/{id}`, or with two, of which the
    /// second is the last.
    pub(crate) pattern: &'static str,
    pub(crate) who: Who,
    pub(crate) prepare: Prepare,
    pub(crate) doc: Doc,
}

impl Route {
    /// Whether it is part of the JSON API: bodies and answers are JSON, writes carry keys.
    pub(crate) fn is_api(&self) -> bool {
        self.pattern.starts_with("/v1/")
    }

    /// The name of what it answers with, and the ranges that this is in.
    pub(crate) fn kinds(&self) -> &'static [&'static str] {
        let json = self.doc.answers.iter().any(|(_, shape)| shape.is_some());
        if json { JSON } else { EVENTS }
    }

    /// Whether a request must name its intent.
    pub(crate) fn needs_key(&self) -> bool {
        self.method == Method::POST && self.is_keyed()
    }

    /// Whether a request may name its intent; a provider's event has an id of its own.
    pub(crate) fn is_keyed(&self) -> bool {
        match self.who {
            Who::Signed(_) => false,
            Who::Anybody | Who::Roles(_) => self.is_api(),
        }
    }

    /// Whether a request has a body.
    pub(crate) fn has_body(&self) -> bool {
        self.doc.request.is_some()
    }

    /// Whether its body may also be lines: `application/x-ndjson` or `text/csv`.
    pub(crate) fn takes_lines(&self) -> bool {
        self.pattern == IMPORT
    }

    /// Whether a role may use it.
    pub(crate) fn admits(&self, role: Role) -> bool {
        match self.who {
            Who::Anybody | Who::Signed(_) => true,
            Who::Roles(roles) => roles.contains(&role),
        }
    }
}

/// All routes of one path.
pub(crate) struct Path {
    routes: Vec<&'static Route>,
    /// The number of the first of them; the others follow.
    first: usize,
    /// The methods it has, for `Allow`.
    pub(crate) allow: String,
    /// Whether it asks for no token.
    pub(crate) open: bool,
}

impl Path {
    /// The route with this method and its number; `HEAD` is a `GET` whose body is not sent.
    pub(crate) fn route(&self, method: &Method) -> Option<(usize, &'static Route)> {
        let method = if *method == Method::HEAD {
            &Method::GET
        } else {
            method
        };
        let at = self.routes.iter().position(|it| it.method == *method)?;
        Some((self.first + at, self.routes[at]))
    }
}

/// The table, ready for look-ups.
pub(crate) struct Routes {
    router: matchit::Router<usize>,
    paths: Vec<Path>,
    /// Where `/v1/holds` is: most requests are for it, and one comparison finds it.
    holds: usize,
}

impl Routes {
    /// Builds the table.
    pub(crate) fn new() -> Self {
        let mut paths: Vec<(&'static str, Path)> = Vec::new();
        for route in routes::all() {
            let at = paths
                .iter()
                .position(|(pattern, _)| *pattern == route.pattern);
            let at = at.unwrap_or_else(|| {
                let path = Path {
                    routes: Vec::new(),
                    first: 0,
                    allow: String::new(),
                    open: true,
                };
                paths.push((route.pattern, path));
                paths.len() - 1
            });
            let path = &mut paths[at].1;
            path.routes.push(route);
            path.open &= !matches!(route.who, Who::Roles(_));
        }
        let mut router = matchit::Router::new();
        let mut numbered = 0;
        for (index, (pattern, path)) in paths.iter_mut().enumerate() {
            path.allow = allow(&path.routes);
            path.first = numbered;
            numbered += path.routes.len();
            router
                .insert(*pattern, index)
                .expect("patterns do not overlap");
            // An empty last segment is a bad id on this path, not another path.
            if let Some(stem) = pattern.rfind('{').filter(|_| pattern.ends_with('}')) {
                router
                    .insert(&pattern[..stem], index)
                    .expect("patterns do not overlap");
            }
        }
        let holds = paths.iter().position(|(pattern, _)| *pattern == HOLDS);
        let holds = holds.expect("holds have a route");
        Self {
            router,
            paths: paths.into_iter().map(|(_, path)| path).collect(),
            holds,
        }
    }

    /// Method and pattern of every route, in the order of their numbers.
    pub(crate) fn names(&self) -> Vec<(&'static str, &'static str)> {
        let routes = self.paths.iter().flat_map(|path| &path.routes);
        routes
            .map(|route| (route.method.as_str(), route.pattern))
            .collect()
    }

    /// The path's entry and its variable segment; of two, all from the first on.
    pub(crate) fn find<'p>(&self, path: &'p str) -> Option<(&Path, &'p str)> {
        if path == HOLDS {
            return Some((&self.paths[self.holds], ""));
        }
        let found = self.router.at(path).ok()?;
        let entry = &self.paths[*found.value];
        let pattern = entry.routes.first().map_or("", |route| route.pattern);
        let variable = || pattern.split('{').skip(1);
        let segment = match (variable().count(), pattern.find('{')) {
            (2.., Some(first)) => path.get(first..).unwrap_or(""),
            _ => found.params.iter().next().map_or("", |(_, it)| it),
        };
        Some((entry, segment))
    }
}

const HOLDS: &str = "/v1/holds";
/// The one route whose body may be lines.
pub(crate) const IMPORT: &str = "/v1/stock/import";

fn allow(routes: &[&'static Route]) -> String {
    let mut methods: Vec<&str> = routes.iter().map(|route| route.method.as_str()).collect();
    if methods.contains(&"GET") {
        methods.push("HEAD");
    }
    methods.sort_unstable();
    methods.join(", ")
}
