//! The one list of endpoints: what is here is served and documented, nothing else.

use utoipa_actix_web::service_config::ServiceConfig;

use crate::handlers::{
    api_keys, backfills, credential_tests, credentials, destinations, jobs, routes, service,
    sources,
};

/// Registers every endpoint.
pub(crate) fn all(config: &mut ServiceConfig<'_>) {
    config
        .service(credentials::create::create_credential)
        .service(credentials::list::list_credentials)
        .service(credentials::get::get_credential)
        .service(credentials::update::update_credential)
        .service(credentials::delete::delete_credential)
        .service(credentials::test::test_credential)
        .service(credential_tests::create::create_credential_test)
        .service(sources::create::create_source)
        .service(sources::list::list_sources)
        .service(sources::get::get_source)
        .service(sources::update::update_source)
        .service(sources::delete::delete_source)
        .service(sources::poll::poll_source)
        .service(sources::pause::pause_source)
        .service(sources::resume::resume_source)
        .service(sources::status::get_source_status)
        .service(sources::ledger::list_ledger_hours)
        .service(backfills::create::create_backfill)
        .service(backfills::list::list_backfills)
        .service(backfills::get::get_backfill)
        .service(backfills::cancel::cancel_backfill)
        .service(destinations::create::create_destination)
        .service(destinations::list::list_destinations)
        .service(destinations::get::get_destination)
        .service(destinations::update::update_destination)
        .service(destinations::delete::delete_destination)
        .service(destinations::test::test_destination)
        .service(routes::create::create_route)
        .service(routes::list::list_routes)
        .service(routes::get::get_route)
        .service(routes::update::update_route)
        .service(routes::delete::delete_route)
        .service(routes::pause::pause_route)
        .service(routes::resume::resume_route)
        .service(routes::dead_letters::list_dead_letters)
        .service(jobs::list::list_jobs)
        .service(api_keys::list::list_api_keys)
        .service(service::get_liveness)
        .service(service::get_readiness)
        .service(service::get_metrics)
        .service(service::get_openapi);
}
