//! Days pass: without a janitor, and with one and a dead destination.

use std::sync::Arc;
use std::time::Duration;

use model::ids::{RouteId, SourceId};
use model::job::JobKind;
use model::status::Rung;
use uuid::Uuid;

use crate::house::{House, Running, assert_same};
use crate::scripted::{Reply, Scripted, retry};

const DAY: Duration = Duration::from_hours(24);

/// The subject of the one janitor.
const JANITOR: Uuid = Uuid::from_u128(0x0000_0000_0000_7000_8000_0000_0000_0001);

struct Scene {
    house: House,
    scripted: Arc<Scripted>,
    source: SourceId,
    /// To `good` and to `dead`.
    routes: Vec<RouteId>,
    events: Vec<Vec<u8>>,
    worker: Running,
}

impl Scene {
    async fn new(max_retention: Duration) -> Self {
        let mut house = House::new().await;
        let scripted = Scripted::taking(100);
        house.destinations = Arc::clone(&scripted) as _;
        house.config.retention.max_retention = max_retention;
        let files = [house.file("good").await, house.file("dead").await];
        let source = house.source(&files).await;
        house.park(JobKind::Poll, source.0).await;
        house.park(JobKind::Janitor, JANITOR).await;
        let routes = house.routes(source).await;
        for route in &routes {
            house.park(JobKind::Deliver, route.0).await;
        }
        let worker = house.start();
        Self {
            house,
            scripted,
            source,
            routes,
            events: Vec::new(),
            worker,
        }
    }

    /// Five events a day; each is stored at once, and delivered where somebody takes it.
    async fn days(&mut self, days: usize) {
        for _ in 0..days {
            let events = self.house.fresh(5);
            self.house.persist(&events);
            self.events.extend(events);
            self.house.poll(self.source).await;
            let stored = usize::try_from(self.house.log(self.source).await.stored).unwrap();
            assert_eq!(stored, self.events.len());
            for route in &self.routes {
                self.house.deliver(*route).await;
            }
            assert_eq!(self.scripted.place("good").taken().len(), self.events.len());
            self.house.time.advance(DAY).await;
        }
    }

    async fn count(&self, table: &str) -> i64 {
        let count = format!("SELECT count(*) FROM {table}");
        self.house.sql.query_one(&count, &[]).await.unwrap().get(0)
    }

    async fn janitor(&self) {
        let job = self.house.step(JobKind::Janitor, JANITOR).await;
        assert!(job.waits(&(3500.0..=3700.0)), "it did not fail: {job:?}");
    }

    async fn revive(&self) {
        self.scripted.place("dead").take();
        self.house.deliver(self.routes[1]).await;
        let status = self.house.status(self.source).await;
        assert!(
            status
                .routes
                .iter()
                .all(|route| route.rung() == Rung::Running && route.pending == 0)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_days_without_a_janitor_are_stored_at_once() {
    let mut scene = Scene::new(90 * DAY).await;
    scene.days(10).await;
    assert_same(&scene.scripted.place("good").taken(), &scene.events);
    assert_eq!(scene.count("batches").await, 10);
    scene.worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_route_pins_its_own_events_only_and_gets_them_in_the_end() {
    let mut scene = Scene::new(90 * DAY).await;
    scene
        .scripted
        .place("dead")
        .script(|_, _| Reply::Say(retry(None)));
    scene.days(10).await;
    scene.janitor().await;
    assert_eq!(scene.count("batches").await, 7, "days of 7 and less");
    assert_eq!(
        scene.count("kept_batches").await,
        3,
        "what the dead route still needs"
    );
    scene.days(2).await;
    let status = scene.house.status(scene.source).await;
    let pending: Vec<i64> = status.routes.iter().map(|route| route.pending).collect();
    assert_eq!(pending, [0, 60]);

    scene.revive().await;
    assert_same(&scene.scripted.place("dead").taken(), &scene.events);
    scene.janitor().await;
    assert_eq!(
        scene.count("kept_batches").await,
        0,
        "nobody needs them now"
    );
    let sums = scene.house.ledger(scene.source).await;
    assert_eq!((sums.stored, sums.delivered, sums.given_up), (60, 120, 0));
    scene.worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn past_the_maximum_events_are_given_up_and_counted() {
    let mut scene = Scene::new(9 * DAY + DAY / 2).await;
    scene
        .scripted
        .place("dead")
        .script(|_, _| Reply::Say(retry(None)));
    scene.days(12).await;
    scene.janitor().await;
    let status = scene.house.status(scene.source).await;
    let dead = &status.routes[1];
    assert_eq!(
        (dead.given_up, dead.pending),
        (15, 45),
        "the first three days"
    );
    assert_eq!(status.routes[0].given_up, 0);

    scene.revive().await;
    assert_same(&scene.scripted.place("dead").taken(), &scene.events[15..]);
    let sums = scene.house.ledger(scene.source).await;
    assert_eq!((sums.stored, sums.delivered, sums.given_up), (60, 105, 15));
    scene.worker.stop().await;
}
