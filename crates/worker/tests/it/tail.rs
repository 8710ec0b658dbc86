//! Where a poll ends, and how pages follow each other.

use std::time::Duration;

use chrono::{DateTime, Utc};
use model::ids::SourceId;
use model::job::JobKind;
use okta_sim::Fault;
use testkit::wait;

use crate::house::{House, PATIENCE, generated};
use crate::jobs::Job;

struct Scene {
    house: House,
    source: SourceId,
}

impl Scene {
    async fn new() -> Self {
        let house = House::new().await;
        let source = house.source(&[]).await;
        house.park(JobKind::Poll, source.0).await;
        Self { house, source }
    }

    /// One poll, and how many requests it took.
    async fn poll(&self) -> (Job, usize) {
        let before = self.house.log_requests().len();
        let job = self.house.poll(self.source).await;
        (job, self.house.log_requests().len() - before)
    }

    async fn stored(&self) -> i64 {
        self.house.log(self.source).await.stored
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_ends_at_the_head_without_chasing_the_tail() {
    let scene = Scene::new().await;
    let worker = scene.house.start();
    assert_eq!(scene.poll().await.1, 1, "an empty page");
    scene.house.persist(&scene.house.fresh(3));
    let (job, requests) = scene.poll().await;
    assert_eq!(requests, 1, "a short page of now");
    assert!(job.due_in() > 1000.0);
    scene.house.persist(&generated(3));
    assert_eq!(
        scene.poll().await.1,
        2,
        "a short page of long ago, and the empty one behind it"
    );
    scene.house.persist(&scene.house.fresh(1000));
    assert_eq!(
        scene.poll().await.1,
        2,
        "a full page of now, and the empty one behind it"
    );
    scene.house.persist(&scene.house.fresh(1001));
    assert_eq!(
        scene.poll().await.1,
        2,
        "a full page, and a short one of now"
    );
    assert_eq!(scene.stored().await, 3 + 3 + 1000 + 1001);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_yields_after_twenty_pages_and_is_due_at_once() {
    let scene = Scene::new().await;
    scene.house.persist(&generated(25));
    scene
        .house
        .org()
        .inject(Fault::ShortPage(1).until_cleared());
    let worker = scene.house.start();
    let (job, requests) = scene.poll().await;
    assert_eq!((requests, scene.stored().await), (20, 20));
    assert!(job.due_in() <= 0.1 && job.attempt == 0, "{job:?}");
    let (job, requests) = scene.poll().await;
    assert_eq!((requests, scene.stored().await), (6, 25));
    assert!(job.due_in() > 1000.0);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_link_is_followed_as_it_came() {
    let scene = Scene::new().await;
    scene.house.persist(&scene.house.fresh(3));
    let worker = scene.house.start();
    scene.poll().await;
    let kept = scene.house.log(scene.source).await.cursor.unwrap();
    scene.poll().await;
    let asked = scene.house.log_requests().pop().unwrap().target;
    assert_eq!(kept, format!("{}{asked}", scene.house.sim.url()));
    assert!(asked.contains("limit=1000"), "{asked}");

    // An empty page without a next link: the link just used is as good.
    scene.house.org().inject(Fault::NoNextLink.once());
    let (job, requests) = scene.poll().await;
    assert_eq!(requests, 1);
    assert!(job.due_in() > 1000.0);
    let log = scene.house.log(scene.source).await;
    assert_eq!((log.cursor, log.rereading), (Some(kept), false));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_with_events_and_without_a_next_link_is_followed_by_a_fallback() {
    let scene = Scene::new().await;
    scene.house.persist(&generated(10));
    scene
        .house
        .org()
        .inject(Fault::ShortPage(4).until_cleared());
    scene.house.org().inject(Fault::NoNextLink.once());
    let worker = scene.house.start();
    let (job, requests) = scene.poll().await;
    assert_eq!((requests, scene.stored().await), (1, 4));
    assert!(job.due_in() <= 0.1, "there is more: {job:?}");
    // Four again, four, two, none.
    assert_eq!(scene.poll().await.1, 4);
    assert_eq!(scene.stored().await, 10);
    let sums = scene.house.ledger(scene.source).await;
    assert_eq!((sums.reread, sums.duplicate), (4, 0));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_org_that_never_gives_a_next_link_is_not_asked_in_a_circle() {
    let scene = Scene::new().await;
    scene.house.persist(&generated(10));
    scene
        .house
        .org()
        .inject(Fault::ShortPage(4).until_cleared());
    scene.house.org().inject(Fault::NoNextLink.until_cleared());
    let worker = scene.house.start();
    scene.poll().await;
    let (job, requests) = scene.poll().await;
    assert_eq!((requests, scene.stored().await), (1, 4));
    assert!(job.due_in() > 1000.0, "nothing new came: {job:?}");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_page_is_asked_for_before_the_commit_and_void_if_that_fails() {
    let scene = Scene::new().await;
    let house = &scene.house;
    house.persist(&generated(10));
    house.org().inject(Fault::ShortPage(4).until_cleared());
    // Whoever holds the job's row holds up the commit of the page.
    let holder = testkit::postgres::connect(&house.url).await;
    let row = format!(
        "SELECT FROM job_schedule s JOIN jobs j ON j.id = s.job_id WHERE j.kind = 1 AND j.subject_id = '{}' FOR UPDATE OF s",
        scene.source.0
    );
    // The first answer of a window is waited for, so the lock comes after the claim.
    house.org().inject(Fault::HungBeforeHeaders.until_cleared());
    let worker = house.start();
    house.make_due(JobKind::Poll, scene.source.0).await;
    wait::until("the poll has begun", PATIENCE, async || {
        house.log_requests().len() == 1
    })
    .await;
    holder.batch_execute("BEGIN").await.unwrap();
    holder.query_one(&row, &[]).await.unwrap();
    house.org().clear_faults();
    house.org().inject(Fault::ShortPage(4).until_cleared());

    wait::until("the second page is asked for", PATIENCE, async || {
        house
            .log_requests()
            .iter()
            .filter(|request| request.status.is_some())
            .count()
            == 2
    })
    .await;
    assert_eq!(scene.stored().await, 0, "and the first is not stored");
    // Somebody else gets the job.
    let steal = format!(
        "UPDATE job_schedule s SET epoch = epoch + 1, owner = NULL, paused = true, run_at = 'infinity' \
         FROM jobs j WHERE j.id = s.job_id AND j.kind = 1 AND j.subject_id = '{}'",
        scene.source.0
    );
    holder
        .batch_execute(&format!("{steal}; COMMIT"))
        .await
        .unwrap();
    drop(holder);
    worker.stop().await;
    let log = house.log(scene.source).await;
    assert_eq!(
        (log.stored, log.cursor, log.next_number),
        (0, None, 1),
        "nothing was written"
    );

    let worker = house.start();
    let (_, requests) = scene.poll().await;
    worker.stop().await;
    assert_eq!((requests, scene.stored().await), (4, 10));
    let sums = house.ledger(scene.source).await;
    assert_eq!((sums.reread, sums.duplicate), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_poll_of_a_source_is_due_at_once_and_later_ones_keep_their_phase() {
    let house = House::new().await;
    let source = house.source(&[]).await;
    let new = house.job(JobKind::Poll, source.0).await;
    assert!(new.due_in() <= 0.0, "{new:?}");
    house.park(JobKind::Poll, source.0).await;
    let worker = house.start();
    let mut phases = Vec::new();
    for _ in 0..3 {
        let job = house.poll(source).await;
        let now: DateTime<Utc> = house.org().clock().now();
        let due = now + Duration::from_secs_f64(job.due_in());
        phases.push(due.timestamp_millis().rem_euclid(3_600_000));
        house.time.advance(Duration::from_mins(17)).await;
    }
    worker.stop().await;
    for phase in &phases {
        let apart = (phase - phases[0]).rem_euclid(3_600_000);
        assert!(apart.min(3_600_000 - apart) < 5_000, "{phases:?}");
    }
}
