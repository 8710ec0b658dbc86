//! Deletion: by rules, and with everything that belongs to it.

use model::ids::SourceId;
use model::job::JobKind;
use store::{Conflict, DestinationChange, NewDestination, NewRoute, Resource, Settled};

use crate::common::{DAY, Events, House, LEASE, done, failed, route_id};
use crate::settings::{missing, refused};

#[tokio::test]
async fn what_is_not_delivered_is_not_deleted_unless_told_to() {
    let house = House::new().await;
    let source = house.source("acme").await;
    let (one, two) = (
        house.route(&source, "one").await,
        house.route(&source, "two").await,
    );
    house
        .poll(&source, &Events::some(0..7, house.now().await))
        .await;
    let (id, one_id, two_id) = (SourceId(source.id), route_id(&one), route_id(&two));
    refused(
        house.store.delete_source(house.tenant, id, false).await,
        &Conflict::Undelivered(14),
    );
    refused(
        house.store.delete_route(house.tenant, one_id, false).await,
        &Conflict::Undelivered(7),
    );

    let lease = house.lease(1, JobKind::Deliver, one.id).await;
    let at = house
        .store
        .deliver_context(house.tenant, one_id)
        .await
        .unwrap()
        .position;
    let settled = Settled {
        to: Some((at.day, 1, 4)),
        ..Settled::default()
    };
    house
        .store
        .settle(&lease.fence, LEASE, &at, &settled)
        .await
        .unwrap();
    refused(
        house.store.delete_route(house.tenant, one_id, false).await,
        &Conflict::Undelivered(3),
    );
    house
        .store
        .delete_route(house.tenant, one_id, true)
        .await
        .unwrap();
    assert!(
        !house.end(&lease, done(DAY)).await,
        "its job is gone with it"
    );

    refused(
        house.store.delete_source(house.tenant, id, false).await,
        &Conflict::Undelivered(7),
    );
    house
        .store
        .delete_source(house.tenant, id, true)
        .await
        .unwrap();
    missing(
        house.store.deliver_context(house.tenant, two_id).await,
        Resource::Route,
    );
    missing(
        house.store.delete_source(house.tenant, id, true).await,
        Resource::Source,
    );
    for table in [
        "logs",
        "batches",
        "batch_ids",
        "route_positions",
        "route_ledger",
        "source_ledger",
        "jobs WHERE kind IN (1, 2)",
    ] {
        assert_eq!(
            house.number(&format!("SELECT count(*) FROM {table}")).await,
            0,
            "{table}"
        );
    }
}

#[tokio::test]
async fn a_delivered_source_goes_without_a_word() {
    let house = House::new().await;
    let source = house.source("acme").await;
    house.route(&source, "out").await;
    house
        .store
        .delete_source(house.tenant, SourceId(source.id), false)
        .await
        .unwrap();
}

#[tokio::test]
async fn destinations_have_names_versions_and_users() {
    let house = House::new().await;
    let (out, other) = (
        house.destination("out").await,
        house.destination("other").await,
    );
    let source = house.source("acme").await;
    let new = NewRoute::between(SourceId(source.id), out);
    let route = house
        .store
        .create_route(house.tenant, new.clone())
        .await
        .unwrap();
    refused(
        house.store.create_route(house.tenant, new).await,
        &Conflict::RouteExists,
    );
    let lease = house.lease(1, JobKind::Deliver, route.id).await;
    assert!(house.end(&lease, failed(DAY)).await);

    let name = |name: &str| DestinationChange {
        name: Some(name.to_owned()),
        settings: None,
    };
    let taken = Conflict::NameTaken(Resource::Destination);
    refused(
        house
            .store
            .update_destination(house.tenant, out, name("other"), None)
            .await,
        &taken,
    );
    let again = NewDestination {
        name: "out".to_owned(),
        kind: "file".to_owned(),
        settings: serde_json::json!({}).into(),
    };
    refused(
        house.store.create_destination(house.tenant, again).await,
        &taken,
    );
    assert_eq!(
        house
            .store
            .update_destination(house.tenant, out, name("better"), Some(1))
            .await
            .unwrap()
            .version,
        2
    );
    refused(
        house
            .store
            .update_destination(house.tenant, out, name("best"), Some(1))
            .await,
        &Conflict::VersionChanged(2),
    );
    assert!(!house.is_due(JobKind::Deliver, route.id).await);

    let config = DestinationChange {
        name: None,
        settings: Some(serde_json::json!({"path": "b"}).into()),
    };
    let changed = house
        .store
        .update_destination(house.tenant, out, config, None)
        .await
        .unwrap();
    assert_eq!(
        (changed.name.as_str(), changed.config["path"].as_str()),
        ("better", Some("b"))
    );
    assert!(
        house.is_due(JobKind::Deliver, route.id).await,
        "its routes try again at once"
    );

    refused(
        house.store.delete_destination(house.tenant, out).await,
        &Conflict::DestinationInUse(1),
    );
    house
        .store
        .delete_destination(house.tenant, other)
        .await
        .unwrap();
    missing(
        house.store.destination(house.tenant, other).await,
        Resource::Destination,
    );
    assert_eq!(
        house
            .store
            .list_destinations(house.tenant, None, 10)
            .await
            .unwrap()
            .len(),
        1
    );
}
