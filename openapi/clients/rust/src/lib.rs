//! The client of the HTTP API, generated whenever the document changes.

progenitor::generate_api!(
    spec = { path = "openapi.json", relative_to = OutDir },
    interface = Builder,
);
