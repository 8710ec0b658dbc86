//! `/docs`: the document for people, in Swagger UI, without a key.
//!
//! Its files are in the program. The page may load nothing from elsewhere and talk to this server only;
//! a key that somebody types in stays in the page until it is closed.

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use utoipa_swagger_ui::Config;

use crate::problem::{Kind, Problem};

/// Where the page and its files are; none has a query parameter.
pub(crate) const PATHS: [&str; 3] = ["/docs", "/docs/", "/docs/{file}"];

/// What the page may do: its own files and requests to its own server. Its icons are `data:` URLs.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// How the page is set up.
pub(crate) fn config() -> Config<'static> {
    // Relative, for servers that are reached below another path.
    Config::from("../openapi.json")
        .use_base_layout()
        .deep_linking(true)
        .doc_expansion("list")
        .display_operation_id(true)
        // Else documents of public servers are sent to a validator elsewhere.
        .validator_url("none")
}

/// Leads to the page; relative for the same reason.
pub(crate) async fn lead_to_docs() -> HttpResponse {
    HttpResponse::TemporaryRedirect()
        .insert_header((header::LOCATION, "docs/"))
        .finish()
}

/// Gets the page or one of its files.
pub(crate) async fn get_docs_file(
    config: web::Data<Config<'static>>,
    file: Option<web::Path<String>>,
) -> Result<HttpResponse, Problem> {
    let file = file.map(web::Path::into_inner).unwrap_or_default();
    let found = utoipa_swagger_ui::serve(&file, config.into_inner())
        .map_err(|error| Problem::internal(error.to_string()))?
        .ok_or_else(|| Problem::new(Kind::NotFound, "the documentation has no such file"))?;
    let mut answer = HttpResponse::Ok();
    answer
        .content_type(found.content_type)
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY));
    if found.gzpipped {
        answer.insert_header((header::CONTENT_ENCODING, header::ContentEncoding::Gzip));
    }
    Ok(answer.body(found.bytes.into_owned()))
}
