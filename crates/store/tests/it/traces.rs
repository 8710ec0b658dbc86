//! The trace of a request travels in the row of the job it makes due, for one run.

use model::job::JobKind;
use model::trace::TraceParent;

use crate::common::House;

const ONE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const TWO: &str = "00-1af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

#[tokio::test]
async fn a_run_gets_the_trace_of_the_last_request_and_forgets_only_that() {
    let house = House::new().await;
    let source = house.source("acme").await;
    let note = async |trace: &str| {
        let trace = TraceParent::parse(trace).unwrap();
        let noted = house
            .store
            .note_trace(house.tenant, JobKind::Poll, source.id, &trace);
        noted.await.unwrap();
    };
    note(ONE).await;
    let lease = house.lease_poll(1, &source).await;
    assert_eq!(lease.trace_context.as_deref(), Some(ONE));

    // Another request comes while the run has not forgotten the first.
    note(TWO).await;
    let job = lease.fence.job;
    house.store.forget_trace(job, ONE).await.unwrap();
    let kept =
        "SELECT trace_context IS NOT NULL FROM jobs WHERE kind = 1 AND trace_context LIKE '00-1a%'";
    assert!(house.truth(kept).await);
    house.store.forget_trace(job, TWO).await.unwrap();
    assert_eq!(
        house
            .number("SELECT count(*) FROM jobs WHERE trace_context IS NOT NULL")
            .await,
        0
    );
}

#[tokio::test]
async fn a_trace_is_not_noted_at_the_job_of_somebody_else() {
    let house = House::new().await;
    let source = house.source("acme").await;
    let other = house.store.ensure_tenant("other").await.unwrap();
    let trace = TraceParent::parse(ONE).unwrap();
    let noted = house
        .store
        .note_trace(other, JobKind::Poll, source.id, &trace);
    noted.await.unwrap();
    assert_eq!(
        house
            .number("SELECT count(*) FROM jobs WHERE trace_context IS NOT NULL")
            .await,
        0
    );
}
