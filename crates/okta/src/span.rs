//! Spans of requests, after the conventions of OpenTelemetry for HTTP clients. Of the address they have
//! the host only: a next link repeats the filter of its source.

use tracing::Span;

use crate::failure::Failure;

/// Begins the span of a request; a macro, because names of spans are fixed.
macro_rules! begin {
    ($name:literal, $origin:expr, $method:literal) => {
        tracing::info_span!(
            $name,
            otel.kind = "client",
            otel.status_code = tracing::field::Empty,
            http.request.method = $method,
            http.response.status_code = tracing::field::Empty,
            server.address = %$origin.host(),
            error.type = tracing::field::Empty,
        )
    };
}
pub(crate) use begin;

/// Notes in the span of the request that the head of its answer has come.
pub(crate) fn answered(status: u16) {
    Span::current().record("http.response.status_code", status);
}

/// Notes how the request ended, and hands that on.
pub(crate) fn end<T>(span: &Span, answer: Result<T, Box<Failure>>) -> Result<T, Box<Failure>> {
    if let Err(failure) = &answer {
        span.record("error.type", failure.error.code());
        span.record("otel.status_code", "ERROR");
    }
    answer
}
