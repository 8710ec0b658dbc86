//! An unreadable page: narrowed down, waited for, put aside.

use std::time::Duration;

use model::ids::{RouteId, SourceId};
use model::status::{Rung, Trouble};
use okta_sim::Fault;

use crate::house::{House, Running, assert_same};

/// The event that no page can be read with.
const BAD: usize = 17;

struct Scene {
    house: House,
    events: Vec<Vec<u8>>,
    source: SourceId,
    route: RouteId,
    worker: Running,
}

/// A log of thirty events with a bad one in it.
async fn scene() -> Scene {
    scene_with(BAD).await
}

async fn scene_with(bad: usize) -> Scene {
    let house = House::new().await;
    let events = house.fresh(30);
    house.persist(&events);
    house
        .org()
        .inject(Fault::GarbagePage.until_cleared().page_with(bad));
    let (source, route) = house.parked().await;
    let worker = house.start();
    Scene {
        house,
        events,
        source,
        route,
        worker,
    }
}

impl Scene {
    /// How many events each request of one poll asked for.
    async fn limits_of_a_poll(&self) -> Vec<u32> {
        let before = self.house.log_requests().len();
        self.house.poll(self.source).await;
        let asked = self.house.log_requests().into_iter().skip(before);
        asked
            .map(|request| request.limit.unwrap().parse().unwrap())
            .collect()
    }

    async fn quarantined(&self) -> i64 {
        self.house.status(self.source).await.polling.quarantined
    }

    /// The rest of the log is read, all but the bad event arrives, and the gap is on record.
    async fn goes_on_behind(self) {
        let cursor = self.house.log(self.source).await.cursor;
        let pages = self
            .house
            .store
            .list_quarantined(self.house.tenant, self.source)
            .await
            .unwrap();
        assert_eq!(pages.len(), 1);
        assert_eq!(pages[0].next_cursor, cursor, "reading goes on behind it");
        assert_ne!(pages[0].cursor, cursor);
        assert!(
            pages[0].problem.contains("no array of events"),
            "{}",
            pages[0].problem
        );
        let body = "SELECT body FROM quarantined_pages";
        let body: Vec<u8> = self.house.sql.query_one(body, &[]).await.unwrap().get(0);
        assert!(!body.is_empty());
        let hours = self.house.ledger(self.source).await.gaps;
        assert!((7..=8).contains(&hours), "{hours} hours may have a gap");

        assert_eq!(self.limits_of_a_poll().await[0], 1000);
        self.house.deliver(self.route).await;
        self.worker.stop().await;
        let mut expected = self.events;
        expected.remove(BAD);
        assert_same(&self.house.lines("out.ndjson"), &expected);
        let status = self.house.status(self.source).await.polling;
        assert_eq!((status.trouble(), status.rung()), (None, Rung::Running));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn good_events_around_a_bad_one_are_stored_and_nothing_is_skipped() {
    let scene = scene().await;
    let asked = scene.limits_of_a_poll().await;
    let mut expected = vec![1000, 100, 10];
    // Of the ten with the bad one, seven are good before it; then it stands alone.
    expected.extend([1000, 100, 10, 1].repeat(8));
    assert_eq!(asked, expected);
    assert_eq!(scene.house.log(scene.source).await.stored, 17);
    let status = scene.house.status(scene.source).await.polling;
    let shown = status.trouble().map(|(trouble, _)| trouble);
    assert_eq!(
        (shown, status.rung()),
        (Some(Trouble::PageMalformed), Rung::Waiting)
    );
    // Later polls begin with fewer.
    assert_eq!(scene.limits_of_a_poll().await, [100, 10, 1]);
    assert_eq!(scene.limits_of_a_poll().await, [10, 1]);
    assert_eq!(scene.limits_of_a_poll().await, [1]);
    assert_eq!(scene.quarantined().await, 0);

    scene.house.org().clear_faults();
    assert_eq!(scene.limits_of_a_poll().await, [1, 1000]);
    scene.house.deliver(scene.route).await;
    scene.worker.stop().await;
    assert_same(&scene.house.lines("out.ndjson"), &scene.events);
    assert_eq!(scene.house.ledger(scene.source).await.gaps, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_put_aside_after_six_hours_and_not_before() {
    let scene = scene().await;
    for _ in 0..25 {
        scene.house.poll(scene.source).await;
        scene.house.time.advance(Duration::from_mins(14)).await;
    }
    assert_eq!(
        scene.quarantined().await,
        0,
        "25 failures in less than 6 hours"
    );
    scene.house.time.advance(Duration::from_mins(15)).await;
    let job = scene.house.poll(scene.source).await;
    assert_eq!(scene.quarantined().await, 1);
    assert!(job.due_in() < 0.1 && job.attempt == 0, "{job:?}");
    scene.goes_on_behind().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_put_aside_after_twenty_failures_and_not_before() {
    let scene = scene().await;
    for _ in 0..19 {
        scene.house.poll(scene.source).await;
        scene.house.time.advance(Duration::from_mins(21)).await;
    }
    assert_eq!(
        scene.quarantined().await,
        0,
        "19 failures in more than 6 hours"
    );
    scene.house.poll(scene.source).await;
    assert_eq!(scene.quarantined().await, 1);
    scene.goes_on_behind().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_page_that_is_put_aside_may_hide_everything_since_the_start() {
    let scene = scene_with(0).await;
    for _ in 0..20 {
        scene.house.poll(scene.source).await;
        scene.house.time.advance(Duration::from_mins(21)).await;
    }
    assert_eq!(scene.quarantined().await, 1);
    let hours = scene.house.ledger(scene.source).await.gaps;
    assert!(
        (2160..=2170).contains(&hours),
        "{hours} hours: all that okta keeps"
    );
    assert_eq!(scene.limits_of_a_poll().await, [1000, 1000]);
    scene.house.deliver(scene.route).await;
    scene.worker.stop().await;
    assert_same(&scene.house.lines("out.ndjson"), &scene.events[1..]);
}
