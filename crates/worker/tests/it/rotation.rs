//! A new token beside the present one: taken when Okta accepts it, and in every other way it can end.

use std::time::Duration;

use model::credential::{CredentialState, Secret};
use model::ids::{CredentialId, SourceId};
use model::job::JobKind;
use model::point::Points;
use okta_sim::{Fault, Sim, SimConfig, TokenState};
use store::{Credential, CredentialChange, Rotation};
use testkit::wait;

use crate::house::{House, PATIENCE, Running, TOKEN, generated};
use crate::recovery::idle;

const NEW: &str = "00the-next-token-of-the-tests";

/// A source that has read what there is, and its worker.
struct Scene {
    house: House,
    source: SourceId,
    credential: CredentialId,
    worker: Running,
}

impl Scene {
    async fn new() -> Self {
        let house = House::new().await;
        house.persist(&generated(20)[..10]);
        let file = house.file("out.ndjson").await;
        let source = house.source(&[file]).await;
        let credential = house.credential_of(source).await;
        let worker = house.start();
        house.until_lines("out.ndjson", 10).await;
        idle(&house).await;
        Self {
            house,
            source,
            credential,
            worker,
        }
    }

    async fn rotate(&self, token: &str, origin: Option<String>) -> Credential {
        let change = CredentialChange {
            origin,
            secret: Some(Secret::Ssws(token.into())),
            ..CredentialChange::default()
        };
        let changed = self
            .house
            .store
            .update_credential(self.house.tenant, self.credential, change, None)
            .await
            .unwrap();
        self.house.store.notify_jobs().await.unwrap();
        changed
    }

    async fn credential(&self) -> Credential {
        let found = self
            .house
            .store
            .credential(self.house.tenant, self.credential)
            .await;
        found.unwrap()
    }

    async fn rotation(&self) -> Option<Rotation> {
        let found = self
            .house
            .store
            .rotations(self.house.tenant, &[self.credential.0])
            .await;
        found.unwrap().pop()
    }

    /// Rotates to a token whose test fails, and ends the outage: it is in `testing`, its job backs off.
    async fn rotate_in_an_outage(&self, token: &str) {
        let house = &self.house;
        house.org().inject(Fault::Html(503).until_cleared());
        let job = house.job(JobKind::CheckCredential, self.credential.0).await;
        self.rotate(token, None).await;
        house
            .rested(JobKind::CheckCredential, self.credential.0, job.epoch)
            .await;
        house.org().clear_faults();
        assert_eq!(self.rotation().await.unwrap().state, "testing");
    }

    /// Waits until the rotation is over, one way or the other.
    async fn until_tested(&self) -> Option<Rotation> {
        wait::until("the new token is tested", PATIENCE, async || {
            match self.rotation().await {
                Some(rotation) if rotation.state == "testing" => Err(rotation),
                other => Ok(other),
            }
        })
        .await
    }

    /// Polls what else the org persists, and stops.
    async fn reads_on(self) {
        let Self { house, source, .. } = &self;
        house.persist(&generated(20)[10..]);
        house
            .store
            .run_now(house.tenant, JobKind::Poll, source.0)
            .await
            .unwrap();
        house.until_lines("out.ndjson", 20).await;
        assert_eq!(house.log(*source).await.fallbacks, 0, "at the same cursor");
        self.worker.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_token_that_okta_accepts_replaces_the_present_one() {
    let scene = Scene::new().await;
    let before = scene.credential().await;
    scene.house.org().add_token(NEW);

    let asked = scene.rotate(NEW, None).await;
    assert_eq!(
        (asked.secret_version, asked.state()),
        (before.secret_version, CredentialState::Valid),
        "the present one stays in use"
    );
    assert!(scene.until_tested().await.is_none());

    let now = scene.credential().await;
    assert_eq!(
        (now.secret_version, now.state()),
        (before.secret_version + 1, CredentialState::Valid)
    );
    assert_ne!(now.fingerprint, before.fingerprint);
    assert_eq!(now.org_id, before.org_id);
    scene
        .house
        .org()
        .set_token(TOKEN, TokenState::Revoked)
        .unwrap();
    scene.reads_on().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_token_that_okta_refuses_leaves_the_present_one_in_use() {
    let scene = Scene::new().await;
    let before = scene.credential().await;

    scene.rotate("00mistyped", None).await;

    let refused = scene.until_tested().await.unwrap();
    assert_eq!(
        (refused.state.as_str(), refused.trouble.as_deref()),
        ("refused", Some("token_refused"))
    );
    assert!(refused.detail.unwrap().contains("E0000011"));
    let kept: i64 = scene
        .house
        .sql
        .query_one(
            "SELECT count(*) FROM credential_rotations WHERE seal_body IS NOT NULL",
            &[],
        )
        .await
        .unwrap()
        .get(0);
    assert_eq!(kept, 0, "its secret is gone");
    let now = scene.credential().await;
    assert_eq!(
        (now.secret_version, now.state()),
        (before.secret_version, CredentialState::Valid)
    );

    // The next one is sealed as none before.
    scene.house.org().add_token(NEW);
    scene.rotate(NEW, None).await;
    assert!(scene.until_tested().await.is_none());
    assert_eq!(
        scene.credential().await.secret_version,
        before.secret_version + 2
    );
    scene.reads_on().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_token_of_another_org_is_refused_before_it_is_sent_there() {
    let scene = Scene::new().await;
    let mut config = SimConfig::with_token(NEW);
    config.org.id = "00oanother0org0050d7".to_owned();
    config.clock = scene.house.org().clock().clone();
    let other = Sim::start(config).await.unwrap();

    scene.rotate(NEW, Some(other.url())).await;

    let refused = scene.until_tested().await.unwrap();
    assert_eq!(refused.trouble.as_deref(), Some("foreign_org"));
    let sent = other.org().requests();
    assert!(
        sent.iter()
            .all(|request| request.target.starts_with("/.well-known/")),
        "{sent:?}"
    );
    assert_eq!(scene.credential().await.origin, scene.house.sim.url());
    scene.reads_on().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_keeps_the_new_token_in_testing() {
    let scene = Scene::new().await;
    scene.house.org().add_token(NEW);

    scene.rotate_in_an_outage(NEW).await;

    scene.house.time.advance(Duration::from_mins(10)).await;
    assert!(scene.until_tested().await.is_none());
    scene.reads_on().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_token_is_tested_at_once_when_the_present_one_dies() {
    let scene = Scene::new().await;
    let house = &scene.house;
    let before = scene.credential().await;
    house.org().add_token(NEW);
    scene.rotate_in_an_outage(NEW).await;

    house.org().set_token(TOKEN, TokenState::Revoked).unwrap();
    // No time passes: neither the backoff of the test nor the slow probe is waited for.
    house
        .store
        .run_now(house.tenant, JobKind::Poll, scene.source.0)
        .await
        .unwrap();
    assert!(scene.until_tested().await.is_none());

    let now = scene.credential().await;
    assert_eq!(
        (now.secret_version, now.state()),
        (before.secret_version + 1, CredentialState::Valid)
    );
    scene.reads_on().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passing_refusal_does_not_put_a_bad_token_in_the_place_of_a_good_one() {
    let scene = Scene::new().await;
    let house = &scene.house;
    let before = scene.credential().await;
    house.org().add_token(NEW);
    scene.rotate_in_an_outage(NEW).await;
    house.org().set_token(NEW, TokenState::Revoked).unwrap();

    house.org().set_present(false);
    house
        .store
        .run_now(house.tenant, JobKind::Poll, scene.source.0)
        .await
        .unwrap();
    let refused = scene.until_tested().await.unwrap();
    assert_eq!(refused.state, "refused");
    let now = scene.credential().await;
    assert_eq!(
        (now.secret_version, now.state()),
        (before.secret_version, CredentialState::Rejected)
    );

    house.org().set_present(true);
    house.time.advance(Duration::from_mins(16)).await;
    idle(house).await;
    assert_eq!(scene.credential().await.state(), CredentialState::Valid);
    scene.reads_on().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_token_is_replaced_at_once() {
    let scene = Scene::new().await;
    let house = &scene.house;
    house.org().set_token(TOKEN, TokenState::Revoked).unwrap();
    house
        .store
        .run_now(house.tenant, JobKind::Poll, scene.source.0)
        .await
        .unwrap();
    wait::until("the token is refused", PATIENCE, async || {
        let state = scene.credential().await.state();
        if state == CredentialState::Rejected {
            Ok(())
        } else {
            Err(state)
        }
    })
    .await;
    house.org().add_token(NEW);

    let now = scene.rotate(NEW, None).await;

    assert_eq!(now.state(), CredentialState::Unverified);
    assert!(scene.rotation().await.is_none());
    scene.reads_on().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_after_the_test_tests_again() {
    let scene = Scene::new().await;
    scene.house.org().add_token(NEW);
    scene.worker.stop().await;
    let mut crashing = scene.house.worker();
    let stop = |_| panic!("as if killed");
    let points = Points::armed("secret_tested".parse().unwrap(), stop);
    crashing.store = crashing.store.with_points(points);
    let scene = Scene {
        worker: House::run(crashing),
        ..scene
    };

    let before = scene.credential().await;
    scene.rotate(NEW, None).await;
    wait::until("the job has crashed", PATIENCE, async || {
        let job = scene
            .house
            .job(JobKind::CheckCredential, scene.credential.0)
            .await;
        if job.attempt > 0 && job.owner.is_none() {
            Ok(())
        } else {
            Err(job)
        }
    })
    .await;
    assert_eq!(scene.rotation().await.unwrap().state, "testing");
    assert_eq!(
        scene.credential().await.secret_version,
        before.secret_version
    );
    scene.house.time.advance(Duration::from_mins(6)).await;
    assert!(scene.until_tested().await.is_none());
    assert_eq!(
        scene.credential().await.secret_version,
        before.secret_version + 1
    );
    scene.reads_on().await;
}
