//! The public interface as an OpenAPI 3.1 document. Decides what is said of each address; what the router serves is
//! compared with it by a test, and the committed document with what is made here by another.

mod group;
mod operation;
mod placed;
mod resources;
mod shared;

use operation::{Made, Operation};
use tradewind_protocol::{Code, Problem};
use utoipa::{
    PartialSchema as _, ToSchema as _,
    openapi::{
        Components, ComponentsBuilder, InfoBuilder, License, OpenApi, OpenApiBuilder, PathItem,
        PathsBuilder,
        security::{Http, HttpAuthScheme, SecurityScheme},
        tag::TagBuilder,
    },
};

const ABOUT: &str = "\
Any InfrastructureManager takes every request; changes are handed to the leader, and held for up to a second through an \
election. Every change carries an `Idempotency-Key`; its repeats get the first answer, and another \
request under it is refused (`conflict`); sessions, which are in no state, have none. Every answer tells in its headers \
how the group stood (`tradewind-term`, `tradewind-revision`, `tradewind-leader`), the time it goes by \
(`tradewind-time`, Unix nanoseconds), by which keys are dated, and its life (`tradewind-cluster`). Fields that are not known are to be ignored in answers; \
in requests they are refused.";

/// The document, as `docs/openapi.json` has it.
#[must_use]
pub fn document() -> OpenApi {
    let operations = operations();
    let mut paths = PathsBuilder::new();
    let mut components = ComponentsBuilder::new().schema(Problem::name(), Problem::schema());
    let mut schemas = Vec::new();
    Problem::schemas(&mut schemas);
    for operation in operations {
        let Made { path, method, operation, schemas: used, problems } = operation.made();
        schemas.extend(used);
        components = components.responses_from_iter(problems);
        paths = paths.path(path, PathItem::new(method, operation));
    }
    components = components.schemas_from_iter(schemas);
    for (name, parameter) in shared::parameters() {
        components = components.parameter(name, parameter);
    }
    for (name, header) in shared::headers() {
        components = components.header(name, header);
    }
    let tags =
        ["status", "events", "resources", "drains", "members", "sessions", "managers", "registers"];
    OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("Tradewind: InfrastructureManagers")
                .version("1")
                .description(Some(format!("{ABOUT}\n\n{}", codes())))
                .license(Some(License::new("Apache-2.0")))
                .build(),
        )
        .paths(paths.build())
        .components(Some(secured(components)))
        .tags(Some(tags.map(|name| TagBuilder::new().name(name).build())))
        .build()
}

fn operations() -> Vec<Operation> {
    let mut all = group::operations();
    all.extend(resources::operations());
    all.extend(placed::operations());
    all
}

fn secured(components: ComponentsBuilder) -> Components {
    let key = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    components.security_scheme("key_or_token", key).build()
}

/// All kinds of problems, since any address may answer with those that are about the request itself.
fn codes() -> String {
    let line = |code: &Code| {
        let Problem { status, title, code, retry, .. } = Problem::new(*code, "");
        let word = |value: serde_json::Result<serde_json::Value>| {
            value.ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
        };
        let (code, retry) = (word(serde_json::to_value(code)), word(serde_json::to_value(retry)));
        format!("| `{code}` | {status} | {title} | `{retry}` |\n")
    };
    let lines: String = Code::ALL.iter().map(line).collect();
    format!(
        "Errors are `application/problem+json` (RFC 9457) with `code` and `retry`:\n\n| code | status | title | retry |\n\
         |---|---|---|---|\n{lines}"
    )
}
