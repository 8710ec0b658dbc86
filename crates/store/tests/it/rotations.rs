//! New secrets beside the present one, and tokens that age.

use model::credential::{CredentialState, Secret};
use model::ids::CredentialId;
use model::job::JobKind;
use model::status::Trouble;
use secrecy::ExposeSecret;
use store::{Ageing, Credential};

use crate::common::{DAY, HOUR, House, failed, house_of};
use crate::credentials::{id, new_token};

async fn seen(house: &House, credential: &Credential) -> Credential {
    let found = house.store.credential(house.tenant, id(credential)).await;
    found.unwrap()
}

/// A credential that Okta has accepted.
async fn accepted(house: &House) -> Credential {
    let credential = house.credential("acme").await;
    let done = house
        .store
        .credential_accepted(house.tenant, &credential, Some("00o1"));
    done.await.unwrap();
    seen(house, &credential).await
}

async fn rotate(house: &House, credential: &Credential, token: &str) {
    let changed =
        house
            .store
            .update_credential(house.tenant, id(credential), new_token(token), None);
    changed.await.unwrap();
}

async fn token(house: &House, credential: &Credential) -> String {
    let opened = house
        .store
        .open_credential(house.tenant, id(credential))
        .await;
    match opened.unwrap().opened.unwrap() {
        Secret::Ssws(token) => token.expose_secret().to_owned(),
        other @ Secret::OAuth(_) => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn only_the_secret_that_was_tested_is_taken() {
    let house = House::new().await;
    let credential = accepted(&house).await;
    rotate(&house, &credential, "00first").await;
    let first = house.store.open_rotation(&credential).await.unwrap();
    let first = first.unwrap().credential;
    rotate(&house, &credential, "00second").await;

    assert!(!house.store.rotation_accepted(&first, "00o1").await.unwrap());
    let refused = house
        .store
        .rotation_refused(&first, Trouble::TokenRefused, "401");
    refused.await.unwrap();
    let second = house.store.open_rotation(&credential).await.unwrap();
    let second = second.unwrap().credential;
    assert_ne!(first.fingerprint, second.fingerprint);
    assert_ne!(token(&house, &credential).await, "00second");
    assert!(
        house
            .store
            .rotation_accepted(&second, "00o1")
            .await
            .unwrap()
    );
    assert!(
        !house
            .store
            .rotation_accepted(&second, "00o1")
            .await
            .unwrap()
    );

    assert_eq!(token(&house, &credential).await, "00second");
    let now = seen(&house, &credential).await;
    assert_eq!(
        (now.state(), now.fingerprint, now.secret_version),
        (CredentialState::Valid, second.fingerprint, 3)
    );
    assert!(now.expires_at.is_some() && now.last_used_at.is_some());
}

#[tokio::test]
async fn rotations_are_of_a_tenant_and_go_with_their_credential() {
    let house = House::new().await;
    let credential = accepted(&house).await;
    rotate(&house, &credential, "00next").await;
    let other = house_of(&house, "other").await;
    let theirs = other.store.rotations(other.tenant, &[credential.id]).await;
    assert!(theirs.unwrap().is_empty());
    assert_eq!(house.store.secrets_by_key().await.unwrap()[0].1, 2);

    let gone = house
        .store
        .delete_credential(house.tenant, CredentialId(credential.id));
    gone.await.unwrap();
    let left = house.store.rotations(house.tenant, &[credential.id]).await;
    assert!(left.unwrap().is_empty());
}

#[tokio::test]
async fn a_token_that_is_not_used_ages_step_by_step() {
    let (house, time) = House::with_time().await;
    let credential = accepted(&house).await;
    let ages = async || {
        let now = seen(&house, &credential).await;
        house.store.credential_ages(&now).await.unwrap()
    };
    time.advance(15 * DAY).await;
    assert_eq!(ages().await, None);
    time.advance(DAY).await;
    assert_eq!(ages().await, Some(Ageing::DaysLeft(14)));
    assert_eq!(ages().await, None, "said once");
    let expiring = seen(&house, &credential).await;
    assert_eq!(expiring.state(), CredentialState::Expiring);
    time.advance(12 * DAY).await;
    assert_eq!(ages().await, Some(Ageing::DaysLeft(3)), "7 was missed");
    time.advance(3 * DAY).await;
    assert_eq!(ages().await, Some(Ageing::Dead));
    assert_eq!(ages().await, None);
    let dead = seen(&house, &credential).await;
    assert_eq!(dead.state(), CredentialState::Expired);
    assert_eq!(dead.trouble.as_deref(), Some("token_expired"));

    // A refusal says the same, and keeps the begin.
    let refused =
        house
            .store
            .credential_refused(house.tenant, &dead, Trouble::TokenRefused, "401", HOUR);
    assert!(refused.await.unwrap());
    let refused = seen(&house, &credential).await;
    assert_eq!(
        (
            refused.state(),
            refused.trouble.as_deref(),
            refused.state_at
        ),
        (
            CredentialState::Expired,
            Some("token_expired"),
            dead.state_at
        )
    );
}

#[tokio::test]
async fn a_refusal_of_the_present_secret_does_not_take_an_untested_one() {
    let house = House::new().await;
    let credential = accepted(&house).await;
    let before = token(&house, &credential).await;
    rotate(&house, &credential, "00next").await;
    let lease = house
        .lease(1, JobKind::CheckCredential, credential.id)
        .await;
    assert!(
        house.end(&lease, failed(HOUR)).await,
        "it could not be tested"
    );

    let refused = house.store.credential_refused(
        house.tenant,
        &credential,
        Trouble::PermissionMissing,
        "403",
        HOUR,
    );
    assert!(refused.await.unwrap());

    let now = seen(&house, &credential).await;
    assert_eq!(
        (now.state(), now.secret_version),
        (CredentialState::Rejected, credential.secret_version)
    );
    assert_eq!(token(&house, &credential).await, before);
    let next = house.store.open_rotation(&now).await.unwrap();
    assert!(next.is_some(), "it is still to be tested");
    assert!(house.is_due(JobKind::CheckCredential, credential.id).await);
}
