//! The OpenAPI document, collected from the same registrations that the server uses.

mod v30;

use actix_web::App;
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_actix_web::AppExt;

use crate::endpoints;
use crate::problem::ProblemBody;

pub use v30::openapi_v30_json;

/// What is not in any operation.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "okta-collector",
        description = "Collects Okta System Logs and hands them on, without losing an event.\n\n\
            Register a credential, a source and a destination; `POST /v1/sources` does it in one call. Then watch \
            `GET /v1/sources/{source_id}/status`.\n\n\
            All times are RFC 3339 in UTC, all ids UUIDs. Lists come in pages: go on with `next_cursor` until it is null. \
            Errors are problem documents (RFC 9457); programs should look at `code`, which is stable. Answers may get \
            further fields and words at any time; clients must ignore what they do not know.",
        contact(name = "The operators of this service"),
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    servers((url = "/", description = "The server this document came from")),
    tags(
        (name = "credentials", description = "The right to read an Okta org"),
        (name = "sources", description = "Okta System Logs that are polled"),
        (name = "backfills", description = "Past ranges that are read from Okta again"),
        (name = "destinations", description = "Where events go"),
        (name = "routes", description = "One source to one destination, with a position of its own"),
        (name = "jobs", description = "The work behind it all"),
        (name = "api-keys", description = "Who may call this API"),
        (name = "service", description = "Probes, metrics and this document"),
    ),
    security(("api_key" = [])),
    components(schemas(ProblemBody)),
)]
struct Base;

/// The document as the server serves it.
pub fn openapi() -> utoipa::openapi::OpenApi {
    let (_, mut document) = App::new()
        .into_utoipa_app()
        .openapi(Base::openapi())
        .configure(endpoints::all)
        .split_for_parts();
    let scheme = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("okc_...")
        .description(Some("An API key, made with `okta-collector keys create`"))
        .build();
    if let Some(components) = &mut document.components {
        components.add_security_scheme("api_key", SecurityScheme::Http(scheme));
    }
    document
}

/// The document as text: indented, in a stable order, with a line feed at its end.
pub fn openapi_json() -> String {
    // Panics never: the document is made of strings and numbers only.
    openapi()
        .to_pretty_json()
        .map(|text| text + "\n")
        .unwrap_or_default()
}
