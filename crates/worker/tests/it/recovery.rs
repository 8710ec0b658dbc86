//! Where a source goes on after a refusal, an edit, a new token, another org.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use model::credential::Secret;
use model::ids::CredentialId;
use model::job::JobKind;
use model::status::{Rung, Trouble};
use okta_sim::{Fault, Sim, SimConfig, TokenState};
use store::{CredentialChange, NewCredential, SourceChange};
use testkit::ledger::compare;
use testkit::wait;

use crate::house::{House, PATIENCE, TOKEN, assert_same, generated};

fn since_of(target: &str) -> Option<&str> {
    let (_, query) = target.split_once('?')?;
    query
        .split('&')
        .find_map(|pair| pair.strip_prefix("since="))
}

/// As a URL writes it.
fn in_url(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
        .replace(':', "%3A")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_token_resumes_at_the_same_cursor() {
    let house = House::new().await;
    let events = generated(20);
    house.persist(&events[..10]);
    let (source, route) = house.parked().await;
    let worker = house.start();
    house.poll(source).await;
    let cursor = house.log(source).await.cursor;
    house.persist(&events[10..]);
    house.org().replace_token(TOKEN, "00another-token").unwrap();
    house.poll(source).await;
    assert_eq!(
        house.status(source).await.polling.rung(),
        Rung::ActionNeeded
    );

    let change = CredentialChange {
        secret: Some(Secret::Ssws("00another-token".into())),
        ..CredentialChange::default()
    };
    let credential = house.credential_of(source).await;
    house
        .store
        .update_credential(house.tenant, credential, change, None)
        .await
        .unwrap();
    let asked = house.log_requests().len();
    house.poll(source).await;
    house.deliver(route).await;
    worker.stop().await;

    let first = &house.log_requests()[asked];
    assert!(cursor.unwrap().ends_with(&first.target), "{}", first.target);
    assert_same(&house.lines("out.ndjson"), &events);
    assert_eq!(house.log(source).await.fallbacks, 0);
    assert_eq!(house.status(source).await.polling.rung(), Rung::Running);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edited_filter_restarts_at_the_watermark_and_loses_nothing() {
    let house = House::new().await;
    let mut events = house.fresh(10);
    house.persist(&events);
    let (source, route) = house.parked().await;
    let worker = house.start();
    house.poll(source).await;
    let watermark = house.log(source).await.watermark.unwrap();
    let edit = async |filter: Option<&str>| {
        let change = SourceChange {
            filter: Some(filter.map(str::to_owned)),
            ..SourceChange::default()
        };
        house
            .store
            .update_source(house.tenant, source, change, None)
            .await
            .unwrap();
        house.poll(source).await;
        house.log_requests().pop().unwrap().target
    };

    // Okta refuses it, and nothing is lost by that.
    let asked = edit(Some("eventType eqq \"x\"")).await;
    let from = in_url(watermark - TimeDelta::minutes(10));
    assert_eq!(since_of(&asked), Some(from.as_str()), "{asked}");
    assert!(
        asked.contains("filter=eventType+eqq+") && !asked.contains("after="),
        "{asked}"
    );
    let status = house.status(source).await.polling;
    assert_eq!(
        status.trouble().map(|(trouble, _)| trouble),
        Some(Trouble::QueryRefused)
    );
    assert_eq!(status.rung(), Rung::ActionNeeded);

    let more = house.fresh(10);
    house.persist(&more);
    events.extend(more);
    let asked = edit(None).await;
    assert_eq!(since_of(&asked), Some(from.as_str()), "{asked}");
    house.deliver(route).await;
    worker.stop().await;
    assert_same(&house.lines("out.ndjson"), &events);
    let sums = house.ledger(source).await;
    assert_eq!((sums.stored, sums.reread, sums.duplicate), (20, 10, 0));
    assert_eq!(house.status(source).await.polling.rung(), Rung::Running);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_cursor_falls_back_to_the_watermark_less_an_overlap() {
    let house = House::new().await;
    let old = house.fresh(10);
    house.persist(&old);
    let (source, route) = house.parked().await;
    let worker = house.start();
    house.poll(source).await;
    house.time.advance(Duration::from_mins(30)).await;
    let recent = house.fresh(10);
    house.persist(&recent);
    house.poll(source).await;
    let watermark = house.log(source).await.watermark.unwrap();
    let new = house.fresh(5);
    house.persist(&new);

    house.org().inject(Fault::RefusedCursor.once());
    house.poll(source).await;
    house.deliver(route).await;
    worker.stop().await;

    let asked = house.log_requests().pop().unwrap().target;
    let from = in_url(watermark - TimeDelta::minutes(10));
    assert_eq!(since_of(&asked), Some(from.as_str()), "{asked}");
    assert_same(&house.lines("out.ndjson"), &[old, recent, new].concat());
    let sums = house.ledger(source).await;
    assert_eq!(
        (sums.stored, sums.reread, sums.duplicate),
        (25, 10, 0),
        "only the overlap is read again"
    );
    assert_eq!(house.log(source).await.fallbacks, 1);
}

async fn other_org(house: &House) -> Sim {
    let mut config = SimConfig::with_token(TOKEN);
    config.org.id = "00oanother0org0050d7".to_owned();
    config.clock = house.org().clock().clone();
    Sim::start(config).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_of_another_org_is_refused_before_any_page_is_read() {
    let house = House::new().await;
    let other = other_org(&house).await;
    let events = generated(20);
    house.persist(&events[..10]);
    let (source, route) = house.parked().await;
    let worker = house.start();
    house.poll(source).await;
    let ours = house.credential_of(source).await;
    let new = NewCredential {
        name: "theirs".to_owned(),
        origin: other.url(),
        secret: Secret::Ssws(TOKEN.into()),
    };
    let theirs = house
        .store
        .create_credential(house.tenant, new)
        .await
        .unwrap();
    let use_credential = async |id| {
        let change = SourceChange {
            credential: Some(id),
            ..SourceChange::default()
        };
        house
            .store
            .update_source(house.tenant, source, change, None)
            .await
            .unwrap();
        house.poll(source).await
    };

    let job = use_credential(CredentialId(theirs.id)).await;
    assert!(job.due_in() > 1000.0);
    let status = house.status(source).await.polling;
    assert_eq!(
        status.trouble().map(|(trouble, _)| trouble),
        Some(Trouble::ForeignOrg)
    );
    assert_eq!(status.rung(), Rung::ActionNeeded);
    let asked = other.org().requests();
    assert!(
        asked
            .iter()
            .all(|request| request.target.starts_with("/.well-known/")),
        "{asked:?}"
    );
    assert_eq!(asked.len(), 1);

    house.persist(&events[10..]);
    use_credential(ours).await;
    house.deliver(route).await;
    worker.stop().await;
    assert_same(&house.lines("out.ndjson"), &events);
    assert_eq!(house.status(source).await.polling.rung(), Rung::Running);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistyped_domain_of_somebody_else_does_not_bind_the_source() {
    let house = House::new().await;
    let other = other_org(&house).await;
    other.org().set_token(TOKEN, TokenState::Revoked).unwrap();
    let events = generated(10);
    house.persist(&events);
    let (source, route) = house.parked().await;
    let credential = house.credential_of(source).await;
    let move_to = async |origin: String| {
        let change = CredentialChange {
            origin: Some(origin),
            ..CredentialChange::default()
        };
        house
            .store
            .update_credential(house.tenant, credential, change, None)
            .await
            .unwrap();
        house.poll(source).await;
    };
    let worker = house.start();
    move_to(other.url()).await;
    let status = house.status(source).await.polling;
    assert_eq!(
        status.trouble().map(|(trouble, _)| trouble),
        Some(Trouble::TokenRefused)
    );

    move_to(house.sim.url()).await;
    house.deliver(route).await;
    worker.stop().await;
    assert_same(&house.lines("out.ndjson"), &events);
    assert_eq!(house.status(source).await.polling.rung(), Rung::Running);
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_of_a_refused_credential_are_silent_and_woken_by_one_slow_probe() {
    let house = House::new().await;
    let events = generated(20);
    house.persist(&events[..10]);
    let credential = house.credential().await;
    let mut sources = Vec::new();
    for name in ["a.ndjson", "b.ndjson"] {
        let file = house.file(name).await;
        sources.push(house.source_of(credential, &[file]).await);
    }
    let worker = house.start();
    house.until_lines("a.ndjson", 10).await;
    house.until_lines("b.ndjson", 10).await;
    idle(&house).await;
    let cursors = [
        house.log(sources[0]).await.cursor,
        house.log(sources[1]).await.cursor,
    ];

    house
        .org()
        .set_token(TOKEN, TokenState::OwnerDeactivated)
        .unwrap();
    house.persist(&events[10..]);
    for source in &sources {
        house
            .store
            .run_now(house.tenant, JobKind::Poll, source.0)
            .await
            .unwrap();
    }
    idle(&house).await;
    let refused = house.log_requests().len();
    for _ in 0..24 {
        house.time.advance(Duration::from_mins(5)).await;
        idle(&house).await;
    }
    let asked = house.log_requests().len() - refused;
    assert_eq!(asked, 8, "one probe in 15 minutes, over two hours");
    for (source, cursor) in sources.iter().zip(cursors) {
        let status = house.status(*source).await.polling;
        assert_eq!(
            status.trouble().map(|(trouble, _)| trouble),
            Some(Trouble::TokenRevoked)
        );
        assert_eq!(house.log(*source).await.cursor, cursor);
    }

    house.org().add_token(TOKEN);
    house.time.advance(Duration::from_mins(15)).await;
    house.until_lines("a.ndjson", 20).await;
    house.until_lines("b.ndjson", 20).await;
    idle(&house).await;
    worker.stop().await;
    for (source, name) in sources.iter().zip(["a.ndjson", "b.ndjson"]) {
        assert_eq!(house.status(*source).await.polling.rung(), Rung::Running);
        let compared = compare(&events, &house.output(name));
        assert!(compared.is_perfect(), "{compared}");
    }
    let probe = house.job(JobKind::CheckCredential, credential.0).await;
    assert_eq!(probe.owner, None);
}

/// Waits until nothing runs and nothing is due.
pub(crate) async fn idle(house: &House) {
    wait::until("no job runs or is due", PATIENCE, async || {
        let busy = "SELECT count(*) FROM job_schedule WHERE owner IS NOT NULL OR run_at <= collector_now()";
        let busy: i64 = house.sql.query_one(busy, &[]).await.expect("a count").get(0);
        if busy == 0 { Ok(()) } else { Err(busy) }
    })
    .await;
}
