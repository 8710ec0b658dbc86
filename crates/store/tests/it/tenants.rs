//! Tenants and their keys: what is another's is not there.

use chrono::TimeDelta;
use model::ids::{CredentialId, DestinationId, LogId, RouteId, SourceId, TenantId};
use model::job::JobKind;
use store::{
    CredentialChange, DestinationChange, NewApiKey, NewRoute, Resource, RouteChange, SourceChange,
    StoreError,
};

use crate::common::{Events, House, house_of, new_source};

fn hidden<T: std::fmt::Debug>(result: Result<T, StoreError>) {
    let error = result.expect_err("it belongs to another tenant");
    assert!(matches!(error, StoreError::NotFound(_)), "{error:?}");
}

#[tokio::test]
async fn the_rows_of_another_tenant_are_not_there() {
    let mine = House::new().await;
    let theirs = house_of(&mine, "other").await;
    let source = theirs.source("acme").await;
    let route = theirs.route(&source, "out").await;
    theirs
        .poll(&source, &Events::some(0..3, theirs.now().await))
        .await;
    let (store, me) = (&mine.store, mine.tenant);
    let (sid, rid) = (SourceId(source.id), RouteId(route.id));
    let (cid, did) = (
        CredentialId(source.credential_id),
        DestinationId(route.destination_id),
    );
    hidden(store.source(me, sid).await);
    hidden(store.source_status(me, sid).await);
    hidden(store.stored_events(me, sid).await);
    hidden(store.poll_context(me, sid).await);
    hidden(
        store
            .update_source(me, sid, SourceChange::default(), None)
            .await,
    );
    hidden(store.set_source_enabled(me, sid, false).await);
    hidden(store.bind_source_org(me, sid, "00o").await);
    hidden(store.delete_source(me, sid, true).await);
    hidden(store.credential(me, cid).await);
    hidden(store.open_credential(me, cid).await);
    hidden(
        store
            .update_credential(me, cid, CredentialChange::default(), None)
            .await,
    );
    hidden(store.delete_credential(me, cid).await);
    hidden(store.destination(me, did).await);
    hidden(
        store
            .update_destination(me, did, DestinationChange::default(), None)
            .await,
    );
    hidden(store.delete_destination(me, did).await);
    hidden(store.route(me, rid).await);
    hidden(store.deliver_context(me, rid).await);
    hidden(
        store
            .update_route(me, rid, RouteChange::default(), None)
            .await,
    );
    hidden(store.delete_route(me, rid, true).await);
    hidden(store.job_of(me, JobKind::Poll, source.id).await);
    hidden(store.run_now(me, JobKind::Poll, source.id).await);
}

#[tokio::test]
async fn nothing_is_built_upon_the_rows_of_another_tenant() {
    let mine = House::new().await;
    let theirs = house_of(&mine, "other").await;
    let source = theirs.source("acme").await;
    let did = theirs.destination("out").await;
    let (store, me) = (&mine.store, mine.tenant);
    let (sid, cid) = (SourceId(source.id), CredentialId(source.credential_id));
    let my_source = mine.source("mine").await;
    let my_destination = mine.destination("mine").await;

    hidden(store.create_source(me, new_source(cid)).await);
    hidden(
        store
            .create_route(me, NewRoute::between(sid, my_destination))
            .await,
    );
    hidden(
        store
            .create_route(me, NewRoute::between(SourceId(my_source.id), did))
            .await,
    );
    let change = SourceChange {
        credential: Some(cid),
        ..SourceChange::default()
    };
    hidden(
        store
            .update_source(me, SourceId(my_source.id), change, None)
            .await,
    );
}

#[tokio::test]
async fn lists_are_of_one_tenant() {
    let mine = House::new().await;
    let theirs = house_of(&mine, "other").await;
    let source = theirs.source("acme").await;
    let rid = RouteId(theirs.route(&source, "out").await.id);
    let sid = SourceId(source.id);
    theirs
        .poll(&source, &Events::some(0..3, theirs.now().await))
        .await;
    mine.source("mine").await;
    let (store, me) = (&mine.store, mine.tenant);

    let log = theirs.log(&source).await;
    assert!(
        store
            .batch_heads(me, LogId(log.id), log.first_day, 1, 9)
            .await
            .unwrap()
            .is_empty()
    );
    assert!(
        store
            .batches(me, LogId(log.id), log.first_day, 1, 9)
            .await
            .unwrap()
            .is_empty()
    );
    assert!(store.ledger(me, sid, None, 9).await.unwrap().is_empty());
    assert!(
        store
            .list_dead_letters(me, rid, None, 9)
            .await
            .unwrap()
            .is_empty()
    );
    assert!(store.list_quarantined(me, sid).await.unwrap().is_empty());
    assert!(
        store
            .list_routes(me, Some(sid), None, 9)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(store.pending_events(me, rid).await.unwrap(), 0);
    assert_eq!(store.list_sources(me, None, 9).await.unwrap().len(), 1);
    assert_eq!(store.list_credentials(me, None, 9).await.unwrap().len(), 1);
    assert_eq!(store.list_jobs(me, 0, 9).await.unwrap().len(), 3);
    // And theirs are full.
    assert_eq!(
        theirs
            .store
            .pending_events(theirs.tenant, rid)
            .await
            .unwrap(),
        3
    );
    assert!(
        theirs
            .store
            .source(theirs.tenant, sid)
            .await
            .unwrap()
            .enabled
    );
}

#[tokio::test]
async fn a_tenant_is_made_once() {
    let house = House::new().await;
    let again =
        futures_util::future::join_all((0..8).map(|_| house.store.ensure_tenant("acme"))).await;
    for tenant in again {
        assert_eq!(tenant.unwrap(), house.tenant);
    }
    assert_ne!(
        house.store.ensure_tenant("other").await.unwrap(),
        house.tenant
    );
}

fn key(tenant: TenantId, public: &str) -> NewApiKey {
    NewApiKey {
        tenant_id: tenant.0,
        public_id: public.to_owned(),
        secret_sha256: vec![7; 32],
        name: "ci".to_owned(),
        role: "operator".to_owned(),
        expires_at: None,
    }
}

#[tokio::test]
async fn a_key_lives_until_it_is_revoked_or_expires() {
    let (house, time) = House::with_time().await;
    let (store, me) = (&house.store, house.tenant);
    let other = store.ensure_tenant("other").await.unwrap();
    store.create_api_key(key(me, "one")).await.unwrap();
    let expires_at = Some(house.now().await + TimeDelta::hours(1));
    store
        .create_api_key(NewApiKey {
            expires_at,
            ..key(me, "two")
        })
        .await
        .unwrap();
    assert!(store.live_api_key("three").await.unwrap().is_none());

    let live = store.live_api_key("one").await.unwrap().unwrap();
    assert_eq!(
        (live.tenant_id, live.role.as_str(), live.secret_sha256.len()),
        (me.0, "operator", 32)
    );
    let used =
        |keys: Vec<store::ApiKey>| keys.iter().map(|key| key.last_used_at).collect::<Vec<_>>();
    let first = used(store.list_api_keys(me).await.unwrap());
    assert!(first[0].is_some() && first[1].is_none());
    time.advance(std::time::Duration::from_secs(30)).await;
    store.live_api_key("one").await.unwrap().unwrap();
    assert_eq!(
        used(store.list_api_keys(me).await.unwrap()),
        first,
        "written once a minute"
    );

    assert!(store.live_api_key("two").await.unwrap().is_some());
    time.advance(std::time::Duration::from_hours(1)).await;
    assert!(store.live_api_key("two").await.unwrap().is_none());

    let foreign = store.revoke_api_key(other, "one").await.unwrap_err();
    assert!(
        matches!(foreign, StoreError::NotFound(Resource::ApiKey)),
        "{foreign}"
    );
    store.revoke_api_key(me, "one").await.unwrap();
    assert!(store.live_api_key("one").await.unwrap().is_none());
    assert!(store.list_api_keys(other).await.unwrap().is_empty());
}
