//! Sources, destinations and routes: made together, changed under versions, deleted by rules.

use chrono::TimeDelta;
use model::credential::Secret;
use model::ids::{CredentialId, DestinationId, RouteId, SourceId};
use model::job::JobKind;
use model::source::Start;
use store::{
    Conflict, CredentialChoice, NewCredential, NewRoute, NewSource, Resource, RouteChange,
    SourceChange, StoreError,
};

use crate::common::{DAY, Events, House, LEASE, failed, new_source, route_id};

pub(crate) fn refused<T: std::fmt::Debug>(result: Result<T, StoreError>, conflict: &Conflict) {
    let error = result.expect_err("it is refused");
    assert!(
        matches!(&error, StoreError::Conflict(met) if met == conflict),
        "{error:?}"
    );
}

pub(crate) fn missing<T: std::fmt::Debug>(result: Result<T, StoreError>, what: Resource) {
    let error = result.expect_err("it is not there");
    assert!(
        matches!(error, StoreError::NotFound(met) if met == what),
        "{error:?}"
    );
}

#[tokio::test]
async fn one_call_makes_credential_source_log_jobs_and_routes() {
    let house = House::new().await;
    let destinations = vec![house.destination("a").await, house.destination("b").await];
    let inline = NewCredential {
        name: "inline".to_owned(),
        origin: "https://acme.okta.com".to_owned(),
        secret: Secret::Ssws("00x".into()),
    };
    let new = NewSource {
        credential: CredentialChoice::New(inline),
        start: None,
        trace_context: Some("00-abc-def-01".to_owned()),
        destinations,
        ..new_source(CredentialId(uuid::Uuid::nil()))
    };
    let source = house.store.create_source(house.tenant, new).await.unwrap();

    assert_eq!(source.display_name, "acme.okta.com");
    assert_eq!(
        source.start_at,
        Some(source.created_at - TimeDelta::hours(24))
    );
    assert_eq!((source.version, source.enabled), (1, true));
    let lease = house.lease_poll(1, &source).await;
    assert_eq!(lease.trace_context.as_deref(), Some("00-abc-def-01"));
    assert_eq!(house.claim(1, LEASE, JobKind::Deliver).await.len(), 2);
    let routes = house
        .store
        .list_routes(house.tenant, Some(SourceId(source.id)), None, 10)
        .await
        .unwrap();
    assert_eq!(routes.len(), 2);
    assert_eq!(
        house
            .store
            .list_jobs(house.tenant, 0, 10)
            .await
            .unwrap()
            .len(),
        5
    );
}

#[tokio::test]
async fn a_source_begins_where_it_was_told_to() {
    let house = House::new().await;
    let credential = CredentialId(house.credential("acme").await.id);
    let at = "2026-01-02T03:04:05Z".parse().unwrap();
    for (start, hours) in [
        (Some(Start::Now), Some(0)),
        (None, Some(24)),
        (Some(Start::Earliest), None),
        (Some(Start::At(at)), None),
    ] {
        let new = NewSource {
            start,
            ..new_source(credential)
        };
        let source = house.store.create_source(house.tenant, new).await.unwrap();
        let expected = match start {
            Some(Start::At(at)) => Some(at),
            _ => hours.map(|hours| source.created_at - TimeDelta::hours(hours)),
        };
        assert_eq!(source.start_at, expected, "{start:?}");
    }
    let all = house
        .store
        .list_sources(house.tenant, None, 10)
        .await
        .unwrap();
    let rest = house
        .store
        .list_sources(house.tenant, Some(all[1].id), 10)
        .await
        .unwrap();
    assert_eq!(
        rest.iter().map(|it| it.id).collect::<Vec<_>>(),
        [all[2].id, all[3].id]
    );
}

#[tokio::test]
async fn a_source_without_its_parts_is_not_made_at_all() {
    let house = House::new().await;
    let credential = CredentialId(house.credential("acme").await.id);
    let nobody = uuid::Uuid::nil();
    missing(
        house
            .store
            .create_source(house.tenant, new_source(CredentialId(nobody)))
            .await,
        Resource::Credential,
    );
    let new = NewSource {
        destinations: vec![DestinationId(nobody)],
        ..new_source(credential)
    };
    missing(
        house.store.create_source(house.tenant, new).await,
        Resource::Destination,
    );
    let out = house.destination("out").await;
    let new = NewSource {
        destinations: vec![out, out],
        ..new_source(credential)
    };
    refused(
        house.store.create_source(house.tenant, new).await,
        &Conflict::RouteExists,
    );
    for table in [
        "sources",
        "logs",
        "routes",
        "jobs WHERE tenant_id IS NOT NULL AND kind <> 3",
    ] {
        assert_eq!(
            house.number(&format!("SELECT count(*) FROM {table}")).await,
            0,
            "{table}"
        );
    }
}

#[tokio::test]
async fn a_changed_source_is_polled_at_once_and_keeps_what_was_not_changed() {
    let house = House::new().await;
    let source = house.source("acme").await;
    let id = SourceId(source.id);
    let lease = house.lease_poll(1, &source).await;
    assert!(house.end(&lease, failed(DAY)).await);
    let change = SourceChange {
        display_name: Some("new".to_owned()),
        refresh: Some("5m".parse().unwrap()),
        filter: Some(Some("eventType eq \"x\"".to_owned())),
        ..SourceChange::default()
    };
    let changed = house
        .store
        .update_source(house.tenant, id, change, Some(1))
        .await
        .unwrap();
    assert_eq!(
        (
            changed.display_name.as_str(),
            changed.refresh_seconds,
            changed.version
        ),
        ("new", 300, 2)
    );
    assert_eq!(
        (changed.timezone, changed.keywords),
        (source.timezone, None)
    );
    assert!(changed.updated_at > source.updated_at);
    assert!(house.is_due(JobKind::Poll, source.id).await);
    let cleared = SourceChange {
        filter: Some(None),
        ..SourceChange::default()
    };
    refused(
        house
            .store
            .update_source(house.tenant, id, cleared.clone(), Some(1))
            .await,
        &Conflict::VersionChanged(2),
    );
    assert_eq!(
        house
            .store
            .update_source(house.tenant, id, cleared, None)
            .await
            .unwrap()
            .filter,
        None
    );
}

#[tokio::test]
async fn a_route_from_now_on_begins_with_the_next_page() {
    let house = House::new().await;
    let source = house.source("acme").await;
    house
        .poll(&source, &Events::some(0..3, house.now().await))
        .await;
    let destination = house.destination("out").await;
    let new = NewRoute {
        from_oldest: false,
        ..NewRoute::between(SourceId(source.id), destination)
    };
    let route = RouteId(
        house
            .store
            .create_route(house.tenant, new)
            .await
            .unwrap()
            .id,
    );
    assert_eq!(
        house
            .store
            .pending_events(house.tenant, route)
            .await
            .unwrap(),
        0
    );
    house
        .poll(&source, &Events::some(3..5, house.now().await))
        .await;
    assert_eq!(
        house
            .store
            .pending_events(house.tenant, route)
            .await
            .unwrap(),
        2
    );
    assert_eq!(
        house
            .store
            .stored_events(house.tenant, SourceId(source.id))
            .await
            .unwrap(),
        5
    );
}

#[tokio::test]
async fn a_route_changes_under_its_version() {
    let house = House::new().await;
    let source = house.source("acme").await;
    let route = house.route(&source, "out").await;
    let pause = RouteChange {
        enabled: Some(false),
        format: None,
    };
    let paused = house
        .store
        .update_route(house.tenant, route_id(&route), pause.clone(), Some(1))
        .await
        .unwrap();
    assert_eq!(
        (paused.enabled, paused.version, paused.format.as_str()),
        (false, 2, "raw")
    );
    refused(
        house
            .store
            .update_route(house.tenant, route_id(&route), pause, Some(1))
            .await,
        &Conflict::VersionChanged(2),
    );
    assert!(
        !house
            .store
            .route(house.tenant, route_id(&route))
            .await
            .unwrap()
            .enabled
    );
}
