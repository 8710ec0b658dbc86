//! Successful answers.

use actix_web::HttpResponse;
use actix_web::http::header;
use serde::Serialize;

use crate::conditional::etag;

/// One thing with its version.
pub(crate) fn versioned(version: i64, view: impl Serialize) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::ETAG, etag(version)))
        .json(view)
}

/// A thing just made, and where it is.
pub(crate) fn created(location: &str, version: i64, view: impl Serialize) -> HttpResponse {
    HttpResponse::Created()
        .insert_header((header::LOCATION, location))
        .insert_header((header::ETAG, etag(version)))
        .json(view)
}

/// Something that has no version.
pub(crate) fn plain(view: impl Serialize) -> HttpResponse {
    HttpResponse::Ok().json(view)
}

/// Something that will happen soon.
pub(crate) fn accepted(view: impl Serialize) -> HttpResponse {
    HttpResponse::Accepted().json(view)
}

/// Something that will happen soon, and where to look at it.
pub(crate) fn accepted_at(location: &str, view: impl Serialize) -> HttpResponse {
    HttpResponse::Accepted()
        .insert_header((header::LOCATION, location))
        .json(view)
}

/// Gone.
pub(crate) fn deleted() -> HttpResponse {
    HttpResponse::NoContent().finish()
}
