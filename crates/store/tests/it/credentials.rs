//! Credentials: sealed, judged, probed, replaced, deleted.

use model::credential::{CredentialState, Secret};
use model::ids::{CredentialId, SourceId};
use model::job::JobKind;
use model::status::Trouble;
use store::{
    Conflict, Credential, CredentialChange, CredentialChoice, NewCredential, NewSource, Resource,
    SourceChange, StoreError,
};

use crate::common::{DAY, HOUR, House, LEASE, MINUTE, done, failed, house_of, new_source};

const PROBE: JobKind = JobKind::CheckCredential;

pub(crate) fn id(credential: &Credential) -> CredentialId {
    CredentialId(credential.id)
}

pub(crate) fn new_token(token: &str) -> CredentialChange {
    CredentialChange {
        secret: Some(Secret::Ssws(token.into())),
        ..CredentialChange::default()
    }
}

async fn seen(house: &House, credential: &Credential) -> Credential {
    house
        .store
        .credential(house.tenant, id(credential))
        .await
        .unwrap()
}

async fn refuse(house: &House, seen: &Credential) -> bool {
    let refused =
        house
            .store
            .credential_refused(house.tenant, seen, Trouble::TokenRefused, "401", HOUR);
    refused.await.unwrap()
}

#[tokio::test]
async fn a_new_token_or_domain_starts_afresh_and_a_new_name_does_not() {
    let house = House::new().await;
    let source = house.source("acme").await;
    let credential = house
        .store
        .credential(house.tenant, CredentialId(source.credential_id))
        .await
        .unwrap();
    house
        .store
        .credential_accepted(house.tenant, &credential, Some("00o1"))
        .await
        .unwrap();
    let lease = house.lease_poll(1, &source).await;
    assert!(house.end(&lease, failed(DAY)).await);
    let change = async |change| {
        house
            .store
            .update_credential(house.tenant, id(&credential), change, None)
            .await
            .unwrap()
    };

    let name = CredentialChange {
        name: Some("renamed".to_owned()),
        ..CredentialChange::default()
    };
    let renamed = change(name).await;
    assert_eq!(
        (renamed.state(), renamed.version),
        (CredentialState::Valid, 2)
    );
    let same = CredentialChange {
        origin: Some(credential.origin.clone()),
        ..CredentialChange::default()
    };
    assert_eq!(change(same).await.state(), CredentialState::Valid);
    assert!(!house.is_due(JobKind::Poll, source.id).await);

    let testing = change(new_token("00new")).await;
    assert_eq!(
        (testing.state(), testing.secret_version),
        (CredentialState::Valid, 1),
        "the present one stays until the new one is accepted"
    );
    let now = seen(&house, &credential).await;
    assert!(refuse(&house, &now).await);
    let replaced = change(new_token("00newer")).await;
    assert_eq!(
        (replaced.state(), replaced.secret_version),
        (CredentialState::Unverified, 3),
        "and one that does not work is replaced at once"
    );
    assert_eq!(
        (replaced.org_id.as_deref(), replaced.expires_at),
        (Some("00o1"), None)
    );
    assert!(replaced.secret_set_at > credential.secret_set_at);
    assert!(house.is_due(JobKind::Poll, source.id).await);

    let moved = CredentialChange {
        origin: Some("https://other.okta.com".to_owned()),
        ..CredentialChange::default()
    };
    let moved = change(moved).await;
    assert_eq!(
        (moved.state(), moved.org_id),
        (CredentialState::Unverified, None)
    );
}

#[tokio::test]
async fn a_refused_secret_is_probed_slowly_until_it_is_accepted() {
    let (house, time) = House::with_time().await;
    let credential = house.credential("acme").await;
    assert!(
        house.claim(1, LEASE, PROBE).await.is_empty(),
        "nothing to probe yet"
    );

    assert!(refuse(&house, &credential).await);

    let rejected = seen(&house, &credential).await;
    assert_eq!(
        (rejected.state(), rejected.trouble.as_deref()),
        (CredentialState::Rejected, Some("token_refused"))
    );
    assert!(house.claim(1, LEASE, PROBE).await.is_empty(), "slowly");
    time.advance(HOUR).await;
    let probe = house.lease(1, PROBE, credential.id).await;
    // Refused again, by the probe: no second probe beside it, and the same trouble keeps its begin.
    assert!(refuse(&house, &rejected).await);
    assert_eq!(seen(&house, &credential).await.state_at, rejected.state_at);
    assert!(house.end(&probe, done(HOUR)).await);
    time.advance(HOUR).await;
    let probe = house.lease(1, PROBE, credential.id).await;

    house
        .store
        .credential_accepted(house.tenant, &rejected, Some("00o1"))
        .await
        .unwrap();
    // It looks at what has become of the credential once more, and then days ahead.
    assert!(house.end(&probe, done(HOUR)).await);
    let probe = house.lease(1, PROBE, credential.id).await;
    assert!(house.end(&probe, done(7 * DAY)).await);

    let valid = seen(&house, &credential).await;
    assert_eq!(
        (valid.state(), valid.trouble, valid.org_id.as_deref()),
        (CredentialState::Valid, None, Some("00o1"))
    );
    time.advance(2 * HOUR).await;
    assert!(house.claim(1, LEASE, PROBE).await.is_empty(), "days ahead");
    assert!(valid.expires_at.unwrap() - valid.last_used_at.unwrap() == chrono::TimeDelta::days(30));
}

#[tokio::test]
async fn a_refusal_during_a_probe_of_the_secret_before_keeps_the_probe_alive() {
    let (house, time) = House::with_time().await;
    let credential = house.credential("acme").await;
    refuse(&house, &credential).await;
    time.advance(HOUR).await;
    let probe = house.lease(1, PROBE, credential.id).await;
    let replaced = house
        .store
        .update_credential(house.tenant, id(&credential), new_token("00new"), None)
        .await
        .unwrap();

    assert!(refuse(&house, &replaced).await);
    assert!(house.end(&probe, done(HOUR)).await);

    time.advance(HOUR).await;
    assert_eq!(house.claim(1, LEASE, PROBE).await.len(), 1);
}

#[tokio::test]
async fn an_acceptance_that_comes_after_a_refusal_parks_the_probe_and_wakes_the_sources() {
    let (house, time) = House::with_time().await;
    let source = house.source("acme").await;
    let lease = house.lease_poll(1, &source).await;
    assert!(house.end(&lease, failed(DAY)).await);
    // The one who accepts has seen it before the other refused it.
    let before = house
        .store
        .credential(house.tenant, CredentialId(source.credential_id))
        .await
        .unwrap();
    refuse(&house, &before).await;
    house
        .store
        .credential_accepted(house.tenant, &before, None)
        .await
        .unwrap();

    assert_eq!(seen(&house, &before).await.state(), CredentialState::Valid);
    assert!(house.is_due(JobKind::Poll, source.id).await);
    time.advance(2 * HOUR).await;
    assert!(house.claim(1, LEASE, PROBE).await.is_empty());
}

#[tokio::test]
async fn a_secret_that_has_been_replaced_is_not_judged() {
    let house = House::new().await;
    let old = house.credential("acme").await;
    house
        .store
        .update_credential(house.tenant, id(&old), new_token("00new"), None)
        .await
        .unwrap();
    assert!(!refuse(&house, &old).await);
    house
        .store
        .credential_accepted(house.tenant, &old, Some("00o1"))
        .await
        .unwrap();
    let now = seen(&house, &old).await;
    assert_eq!(
        (now.state(), now.org_id.as_deref()),
        (CredentialState::Unverified, None)
    );

    let change = CredentialChange {
        origin: Some("https://b.okta.com".to_owned()),
        ..CredentialChange::default()
    };
    house
        .store
        .update_credential(house.tenant, id(&old), change, None)
        .await
        .unwrap();
    assert!(!refuse(&house, &now).await, "nor one for another domain");
}

#[tokio::test]
async fn being_accepted_is_written_once_a_minute() {
    let (house, time) = House::with_time().await;
    let credential = house.credential("acme").await;
    let used = async || {
        house
            .store
            .credential_accepted(house.tenant, &credential, None)
            .await
            .unwrap();
        seen(&house, &credential).await.last_used_at.unwrap()
    };
    let first = used().await;
    time.advance(MINUTE / 2).await;
    assert_eq!(used().await, first);
    time.advance(MINUTE).await;
    assert!(used().await > first);
}

#[tokio::test]
async fn a_credential_in_use_stays_and_one_without_sources_goes() {
    let house = House::new().await;
    let source = house.source("acme").await;
    let credential = CredentialId(source.credential_id);
    let error = house
        .store
        .delete_credential(house.tenant, credential)
        .await
        .unwrap_err();
    assert!(
        matches!(error, StoreError::Conflict(Conflict::CredentialInUse(1))),
        "{error}"
    );
    house
        .store
        .delete_source(house.tenant, SourceId(source.id), false)
        .await
        .unwrap();
    house
        .store
        .delete_credential(house.tenant, credential)
        .await
        .unwrap();
    let gone = house
        .store
        .delete_credential(house.tenant, credential)
        .await
        .unwrap_err();
    assert!(
        matches!(gone, StoreError::NotFound(Resource::Credential)),
        "{gone}"
    );
    let left = "SELECT count(*) FROM jobs WHERE tenant_id IS NOT NULL";
    assert_eq!(house.number(left).await, 0);
}

#[tokio::test]
async fn names_are_unique_in_a_tenant_and_versions_guard_changes() {
    let house = House::new().await;
    let other = house_of(&house, "other").await;
    let (one, two) = (house.credential("one").await, house.credential("two").await);
    other.credential("one").await;
    let taken = NewCredential {
        name: "one".to_owned(),
        origin: one.origin.clone(),
        secret: Secret::Ssws("00x".into()),
    };
    let error = house
        .store
        .create_credential(house.tenant, taken.clone())
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            StoreError::Conflict(Conflict::NameTaken(Resource::Credential))
        ),
        "{error}"
    );
    // An inline one too, and then nothing of the source is left.
    let inline = NewSource {
        credential: CredentialChoice::New(taken),
        ..new_source(id(&one))
    };
    let error = house
        .store
        .create_source(house.tenant, inline)
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            StoreError::Conflict(Conflict::NameTaken(Resource::Credential))
        ),
        "{error}"
    );
    assert_eq!(house.number("SELECT count(*) FROM sources").await, 0);
    let change = CredentialChange {
        name: Some("one".to_owned()),
        ..CredentialChange::default()
    };
    let error = house
        .store
        .update_credential(house.tenant, id(&two), change.clone(), None)
        .await
        .unwrap_err();
    assert!(
        matches!(error, StoreError::Conflict(Conflict::NameTaken(_))),
        "{error}"
    );
    let error = house
        .store
        .update_credential(house.tenant, id(&two), change, Some(7))
        .await
        .unwrap_err();
    assert!(
        matches!(error, StoreError::Conflict(Conflict::VersionChanged(1))),
        "{error}"
    );
}

#[tokio::test]
async fn a_source_stays_with_its_org() {
    let house = House::new().await;
    let source = house.source("acme").await;
    let sid = SourceId(source.id);
    house
        .store
        .bind_source_org(house.tenant, sid, "00o1")
        .await
        .unwrap();
    house
        .store
        .bind_source_org(house.tenant, sid, "00o1")
        .await
        .unwrap();
    let error = house
        .store
        .bind_source_org(house.tenant, sid, "00o2")
        .await
        .unwrap_err();
    assert!(
        matches!(error, StoreError::Conflict(Conflict::ForeignOrg { .. })),
        "{error}"
    );

    let change = |credential: &Credential| SourceChange {
        credential: Some(id(credential)),
        ..SourceChange::default()
    };
    let unknown = house.credential("unknown").await;
    house
        .store
        .update_source(house.tenant, sid, change(&unknown), None)
        .await
        .unwrap();
    let foreign = house.credential("foreign").await;
    house
        .store
        .credential_accepted(house.tenant, &foreign, Some("00o2"))
        .await
        .unwrap();
    let error = house
        .store
        .update_source(house.tenant, sid, change(&foreign), None)
        .await
        .unwrap_err();
    assert!(
        matches!(error, StoreError::Conflict(Conflict::ForeignOrg { .. })),
        "{error}"
    );
    assert_eq!(
        house
            .store
            .source(house.tenant, sid)
            .await
            .unwrap()
            .credential_id,
        unknown.id
    );
}
