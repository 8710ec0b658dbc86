//! Destinations: what is secret of their settings goes in and comes out sealed.

use model::ids::DestinationId;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use store::sealing::KeyRing;
use store::{DestinationChange, DestinationSettings, NewDestination, Store, StoreConfig};

use crate::common::House;

fn settings(secrets: Option<&str>) -> DestinationSettings {
    DestinationSettings {
        config: json!({"region": "eu"}),
        secrets: secrets.map(SecretString::from),
    }
}

async fn made(house: &House, secrets: Option<&str>) -> DestinationId {
    let new = NewDestination {
        name: format!("{secrets:?}"),
        kind: "insightops".to_owned(),
        settings: settings(secrets),
    };
    let made = house.store.create_destination(house.tenant, new).await;
    DestinationId(made.unwrap().id)
}

async fn change(house: &House, id: DestinationId, secrets: Option<&str>) {
    let change = DestinationChange {
        name: None,
        settings: Some(settings(secrets)),
    };
    let changed = house
        .store
        .update_destination(house.tenant, id, change, None);
    changed.await.unwrap();
}

async fn opened(store: &Store, house: &House, id: DestinationId) -> Option<String> {
    let (_, secrets) = store.open_destination(house.tenant, id).await.unwrap();
    secrets
        .unwrap()
        .map(|secrets| secrets.expose_secret().to_owned())
}

#[tokio::test]
async fn secrets_are_opened_replaced_and_taken_away() {
    let house = House::new().await;
    let bare = made(&house, None).await;
    assert_eq!(opened(&house.store, &house, bare).await, None);
    let id = made(&house, Some("one")).await;
    assert_eq!(opened(&house.store, &house, id).await.unwrap(), "one");
    let before = house.store.destination(house.tenant, id).await.unwrap();
    assert!(before.secret_version == 1 && before.secret_set_at.is_some());

    change(&house, id, Some("two")).await;
    assert_eq!(opened(&house.store, &house, id).await.unwrap(), "two");
    change(&house, id, None).await;
    assert_eq!(opened(&house.store, &house, id).await, None);
    let after = house.store.destination(house.tenant, id).await.unwrap();
    assert_eq!((after.secret_version, after.secret_set_at), (3, None));

    change(&house, bare, Some("late")).await;
    assert_eq!(opened(&house.store, &house, bare).await.unwrap(), "late");
}

#[tokio::test]
async fn a_sealed_secret_opens_in_its_own_row_and_version_only() {
    let house = House::new().await;
    let (one, two) = (
        made(&house, Some("one")).await,
        made(&house, Some("two")).await,
    );
    let sql = house.client().await;
    let moved = format!(
        "UPDATE destinations SET (seal_kek, seal_dek, seal_body) = \
            (SELECT seal_kek, seal_dek, seal_body FROM destinations WHERE id = '{}') WHERE id = '{}'",
        one.0, two.0
    );
    sql.batch_execute(&moved).await.unwrap();
    let (_, secrets) = house
        .store
        .open_destination(house.tenant, two)
        .await
        .unwrap();
    assert!(secrets.is_err(), "moved from another row");
    let older = format!(
        "UPDATE destinations SET secret_version = 2 WHERE id = '{}'",
        one.0
    );
    sql.batch_execute(&older).await.unwrap();
    let (_, secrets) = house
        .store
        .open_destination(house.tenant, one)
        .await
        .unwrap();
    assert!(secrets.is_err(), "of another version");
}

#[tokio::test]
async fn a_ring_that_lacks_the_key_of_a_destination_is_noticed() {
    let house = House::new().await;
    made(&house, Some("one")).await;
    assert!(house.store.missing_sealing_keys().await.unwrap().is_empty());
    let other = KeyRing::generate().unwrap();
    let other = KeyRing::parse(other.expose_secret()).unwrap();
    let store = Store::new(&StoreConfig::new(house.db.url()), other).unwrap();
    assert_eq!(store.missing_sealing_keys().await.unwrap().len(), 1);
}
