//! Tokens that nobody uses: kept alive, warned of, given up; and whom a token is sent to.

use std::time::Duration;

use model::credential::{CredentialState, Secret};
use model::ids::CredentialId;
use model::job::JobKind;
use model::status::Trouble;
use okta_sim::{AuthorizationKind, Fault, Sim, SimConfig, TokenState};
use store::{Credential, CredentialChange, NewCredential};
use testkit::wait;

use crate::house::{House, PATIENCE, TOKEN, generated};
use crate::recovery::idle;

const DAY: Duration = Duration::from_hours(24);

async fn shown(house: &House, credential: CredentialId) -> Credential {
    let found = house.store.credential(house.tenant, credential).await;
    found.expect("the credential")
}

/// Lets days go by, each with whatever is due in it.
async fn live(house: &House, days: usize) {
    for _ in 0..days {
        house.time.advance(DAY).await;
        idle(house).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_a_paused_source_lives_on() {
    let house = House::new().await;
    house.persist(&generated(5));
    let file = house.file("out.ndjson").await;
    let source = house.source(&[file]).await;
    let credential = house.credential_of(source).await;
    let worker = house.start();
    house.until_lines("out.ndjson", 5).await;
    house
        .store
        .set_source_enabled(house.tenant, source, false)
        .await
        .unwrap();
    idle(&house).await;
    let asked = house.log_requests().len();

    live(&house, 45).await;

    let used = house.log_requests().len() - asked;
    assert!((5..=7).contains(&used), "about once a week: {used}");
    let now = shown(&house, credential).await;
    assert_eq!(now.state(), CredentialState::Valid);
    let left = now.expires_at.unwrap() - house.org().clock().now();
    assert!(left > chrono::TimeDelta::days(21), "{left}");

    let more = generated(10);
    house.persist(&more[5..]);
    house
        .store
        .set_source_enabled(house.tenant, source, true)
        .await
        .unwrap();
    house.until_lines("out.ndjson", 10).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_token_that_cannot_be_tested_does_not_keep_the_present_one_from_its_care() {
    let house = House::new().await;
    let credential = house.credential().await;
    let worker = house.start();
    house.time.advance(Duration::from_mins(11)).await;
    idle(&house).await;
    let used = shown(&house, credential).await.last_used_at;
    house.park(JobKind::CheckCredential, credential.0).await;
    house.time.advance(9 * DAY).await;
    let mut config = SimConfig::with_token("00next");
    config.clock = house.org().clock().clone();
    let mistyped = Sim::start(config).await.unwrap();
    mistyped.org().inject(Fault::Html(503).until_cleared());

    let change = CredentialChange {
        origin: Some(mistyped.url()),
        secret: Some(Secret::Ssws("00next".into())),
        ..CredentialChange::default()
    };
    let changed = house
        .store
        .update_credential(house.tenant, credential, change, None);
    changed.await.unwrap();
    house.store.notify_jobs().await.unwrap();
    idle(&house).await;
    let now = shown(&house, credential).await;
    assert!(now.last_used_at > used, "the present one is used meanwhile");
    let rotation = async || {
        let found = house.store.rotations(house.tenant, &[credential.0]).await;
        found.unwrap().pop().unwrap()
    };
    assert_eq!(rotation().await.state, "testing");

    house.time.advance(DAY / 2).await;
    idle(&house).await;
    assert_eq!(rotation().await.state, "testing");
    house.time.advance(DAY / 2 + Duration::from_hours(1)).await;
    idle(&house).await;
    let given_up = rotation().await;
    assert_eq!(
        (given_up.state.as_str(), given_up.trouble.as_deref()),
        ("refused", Some("not_tested"))
    );
    assert!(given_up.detail.unwrap().contains("503"));

    live(&house, 31).await;
    worker.stop().await;
    assert_eq!(
        shown(&house, credential).await.state(),
        CredentialState::Valid
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_without_any_source_is_tried_soon_and_lives_on() {
    let house = House::new().await;
    let credential = house.credential().await;
    let worker = house.start();
    idle(&house).await;
    assert_eq!(house.log_requests().len(), 0, "making it calls nobody");
    house.time.advance(Duration::from_mins(11)).await;
    idle(&house).await;
    assert_eq!(
        shown(&house, credential).await.state(),
        CredentialState::Valid
    );

    live(&house, 45).await;
    worker.stop().await;

    assert_eq!(
        shown(&house, credential).await.state(),
        CredentialState::Valid
    );
    let used = house.log_requests();
    assert!((6..=8).contains(&used.len()), "{}", used.len());
    assert!(used.iter().all(|request| request.status == Some(200)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deactivated_owner_is_told_at_the_next_attempt_and_asked_about_slowly() {
    let house = House::new().await;
    let credential = house.credential().await;
    let worker = house.start();
    house.time.advance(Duration::from_mins(11)).await;
    idle(&house).await;
    house
        .org()
        .set_token(TOKEN, TokenState::OwnerDeactivated)
        .unwrap();
    let asked = house.log_requests().len();
    live(&house, 8).await;
    let now = shown(&house, credential).await;
    assert_eq!(now.state(), CredentialState::Rejected);
    assert_eq!(now.trouble.as_deref(), Some("token_revoked"));
    assert!(
        Trouble::TokenRevoked
            .reason()
            .contains("owner was deactivated")
    );

    for _ in 0..12 {
        house.time.advance(Duration::from_mins(5)).await;
        idle(&house).await;
    }
    worker.stop().await;
    let times: Vec<_> = house.log_requests()[asked..]
        .iter()
        .map(|request| request.at)
        .collect();
    assert!(times.len() >= 4, "{times:?}");
    for pair in times.windows(2) {
        let apart = pair[1] - pair[0];
        assert!(apart >= chrono::TimeDelta::minutes(15), "{times:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_cannot_be_used_expires_with_warnings() {
    use CredentialState::{Expired, Expiring, Valid};

    let house = House::new().await;
    let credential = house.credential().await;
    let worker = house.start();
    house.time.advance(Duration::from_mins(11)).await;
    idle(&house).await;
    house.org().inject(Fault::Html(503).until_cleared());

    let mut seen = Vec::new();
    for day in 1..=31 {
        house.time.advance(DAY).await;
        idle(&house).await;
        let now = shown(&house, credential).await;
        let look = (now.state(), now.warned_days);
        if seen.last().is_none_or(|(_, last)| *last != look) {
            seen.push((day, look));
        }
    }
    assert_eq!(
        seen,
        [
            (1, (Valid, None)),
            (16, (Expiring, Some(14))),
            (23, (Expiring, Some(7))),
            (27, (Expiring, Some(3))),
            (29, (Expiring, Some(1))),
            (30, (Expired, Some(0))),
        ]
    );
    let dead = shown(&house, credential).await;
    assert_eq!(dead.trouble.as_deref(), Some("token_expired"));

    // Okta is back, and the token is dead.
    house.org().set_token(TOKEN, TokenState::Revoked).unwrap();
    house.org().clear_faults();
    live(&house, 1).await;
    let dead = shown(&house, credential).await;
    assert_eq!(
        (dead.state(), dead.trouble.as_deref()),
        (Expired, Some("token_expired"))
    );
    // Somebody else had used it after all.
    house.org().add_token(TOKEN);
    house.time.advance(Duration::from_mins(16)).await;
    idle(&house).await;
    let alive = shown(&house, credential).await;
    assert_eq!((alive.state(), alive.warned_days), (Valid, None));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_sent_to_no_host_that_is_not_its_org() {
    let house = House::new().await;
    let other = house.sim.url().replace("127.0.0.1", "localhost");
    house.org().set_present(false);
    let source = house.source(&[]).await;
    let new = NewCredential {
        name: "private".to_owned(),
        origin: other,
        secret: Secret::Ssws(TOKEN.into()),
    };
    let private = house.store.create_credential(house.tenant, new).await;
    let private = CredentialId(private.unwrap().id);
    let worker = house.start();
    house.time.advance(Duration::from_mins(11)).await;
    idle(&house).await;
    wait::until("the source is refused", PATIENCE, async || {
        let status = house.status(source).await.polling;
        let trouble = status.trouble().map(|(trouble, _)| trouble);
        if trouble == Some(Trouble::NotAnOrg) {
            Ok(())
        } else {
            Err(trouble)
        }
    })
    .await;
    live(&house, 1).await;
    worker.stop().await;

    let asked = house.org().requests();
    assert!(!asked.is_empty());
    for request in asked {
        assert_eq!(request.authorization, AuthorizationKind::Absent);
    }
    let private = shown(&house, private).await;
    assert_eq!(
        (private.state(), private.trouble.as_deref()),
        (CredentialState::Rejected, Some("domain_not_allowed")),
        "a name that leads to a private address"
    );
}
