//! Sources that read as a service app.

use std::time::Duration;

use model::credential::{AppKey, Secret};
use model::ids::CredentialId;
use model::job::JobKind;
use model::status::{Rung, Trouble};
use okta_sim::{Algorithm, App, KeyPair};
use store::{CredentialChange, NewCredential};

use crate::house::{House, assert_same, generated};

const CLIENT: &str = "0oaservice0app000001";

fn secret(key: &KeyPair) -> Secret {
    Secret::OAuth(AppKey {
        client_id: CLIENT.to_owned(),
        key_id: Some(key.kid().to_owned()),
        algorithm: key.algorithm().name().to_owned(),
        private_key: key.private_pem().into(),
    })
}

async fn credential(house: &House, key: &KeyPair) -> CredentialId {
    let new = NewCredential {
        name: "app".to_owned(),
        origin: house.sim.url(),
        secret: secret(key),
    };
    let made = house.store.create_credential(house.tenant, new).await;
    CredentialId(made.unwrap().id)
}

fn token_requests(house: &House) -> usize {
    let requests = house.org().requests();
    let asked = |target: &str| target.starts_with("/oauth2/");
    requests
        .iter()
        .filter(|request| asked(&request.target))
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_with_dpop_delivers_everything_over_hours() {
    let house = House::new().await;
    let key = KeyPair::generate(Algorithm::Rs256).unwrap();
    house.org().add_app(App::with_dpop(CLIENT, &key));
    let events = generated(5_000);
    house.persist(&events[..2_500]);
    let file = house.file("out.ndjson").await;
    let credential = credential(&house, &key).await;
    let source = house.source_of(credential, &[file]).await;
    let route = house.routes(source).await[0];
    house.park(JobKind::Poll, source.0).await;
    house.park(JobKind::Deliver, route.0).await;
    let worker = house.start();

    house.poll(source).await;
    // The first refusal brings the nonce.
    assert_eq!(token_requests(&house), 2);
    for chunk in events[2_500..].chunks(500) {
        house.time.advance(Duration::from_mins(70)).await;
        house.persist(chunk);
        house.poll(source).await;
    }
    house.deliver(route).await;
    worker.stop().await;

    assert_same(&house.lines("out.ndjson"), &events);
    assert_eq!(house.status(source).await.polling.rung(), Rung::Running);
    // A token lives an hour; the nonce is good for days.
    assert_eq!(token_requests(&house), 2 + 5);
    for request in house.log_requests() {
        assert!(request.proof, "{request:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_app_lacks_is_said_and_a_new_key_resumes_at_the_same_cursor() {
    let house = House::new().await;
    let key = KeyPair::generate(Algorithm::Es256).unwrap();
    house.org().add_app(App::new(CLIENT, &key));
    let events = generated(20);
    house.persist(&events[..10]);
    let file = house.file("out.ndjson").await;
    let credential = credential(&house, &key).await;
    let source = house.source_of(credential, &[file]).await;
    let route = house.routes(source).await[0];
    house.park(JobKind::Poll, source.0).await;
    house.park(JobKind::Deliver, route.0).await;
    let worker = house.start();
    house.poll(source).await;
    let fingerprint = house
        .store
        .credential(house.tenant, credential)
        .await
        .unwrap()
        .fingerprint;
    house.persist(&events[10..]);

    let new = KeyPair::generate(Algorithm::Es384).unwrap();
    let lacking = [
        (
            App {
                role: false,
                ..App::new(CLIENT, &key)
            },
            Trouble::PermissionMissing,
        ),
        (
            App {
                scopes: Vec::new(),
                ..App::new(CLIENT, &key)
            },
            Trouble::ScopeMissing,
        ),
        (
            App {
                outside_zone: true,
                ..App::new(CLIENT, &key)
            },
            Trouble::AccessDenied,
        ),
        (App::new(CLIENT, &new), Trouble::AppRefused),
    ];
    for (app, trouble) in lacking {
        // Its tokens go with it.
        house.org().remove_app(CLIENT);
        house.org().add_app(app);
        house.poll(source).await;
        let status = house.status(source).await.polling;
        let told = status.trouble().map(|(trouble, _)| trouble);
        assert_eq!((status.rung(), told), (Rung::ActionNeeded, Some(trouble)));
        let change = CredentialChange {
            secret: Some(secret(if trouble == Trouble::AppRefused {
                &new
            } else {
                &key
            })),
            ..CredentialChange::default()
        };
        let changed = house
            .store
            .update_credential(house.tenant, credential, change, None);
        assert_eq!(changed.await.unwrap().fingerprint, fingerprint);
    }
    house.poll(source).await;
    house.deliver(route).await;
    worker.stop().await;

    assert_same(&house.lines("out.ndjson"), &events);
    assert_eq!(house.log(source).await.fallbacks, 0);
    assert_eq!(house.status(source).await.polling.rung(), Rung::Running);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_slow_probe_brings_an_app_back() {
    let house = House::new().await;
    let key = KeyPair::generate(Algorithm::Es256).unwrap();
    house.org().add_app(App {
        role: false,
        ..App::with_dpop(CLIENT, &key)
    });
    house.persist(&generated(3));
    let file = house.file("out.ndjson").await;
    let credential = credential(&house, &key).await;
    house.source_of(credential, &[file]).await;
    let worker = house.start();
    testkit::wait::until("it is refused", crate::house::PATIENCE, async || {
        let row = house
            .store
            .credential(house.tenant, credential)
            .await
            .unwrap();
        if row.trouble.as_deref() == Some("permission_missing") {
            Ok(())
        } else {
            Err(row.state)
        }
    })
    .await;

    house.org().add_app(App::with_dpop(CLIENT, &key));
    house
        .time
        .advance(house.config.probe + Duration::from_mins(1))
        .await;
    house.until_lines("out.ndjson", 3).await;
    worker.stop().await;
}
