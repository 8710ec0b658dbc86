//! Every class of answer that a destination can give.

use std::sync::Arc;
use std::time::Duration;

use forward::{Report, Then};
use model::ids::{RouteId, SourceId};
use model::job::JobKind;
use model::status::{Rung, Trouble};

use crate::house::{House, Running, Sums, assert_same, event, generated};
use crate::jobs::Job;
use crate::scripted::{Place, Reply, Scripted, refusing, retry};

/// A source with one page of events stored, and a route to a scripted place.
pub(crate) struct Scene {
    pub(crate) house: House,
    pub(crate) place: Arc<Place>,
    pub(crate) source: SourceId,
    pub(crate) route: RouteId,
    pub(crate) events: Vec<Vec<u8>>,
    worker: Running,
}

impl Scene {
    pub(crate) async fn new(events: usize, at_once: usize) -> Self {
        let mut house = House::new().await;
        let scripted = Scripted::taking(at_once);
        house.destinations = Arc::clone(&scripted) as _;
        let events = generated(events);
        house.persist(&events);
        let (source, route) = house.parked().await;
        let worker = house.start();
        house.poll(source).await;
        Self {
            place: scripted.place("out.ndjson"),
            house,
            source,
            route,
            events,
            worker,
        }
    }

    pub(crate) async fn deliver(&self) -> Job {
        self.house.deliver(self.route).await
    }

    async fn shown(&self) -> (Rung, Option<Trouble>) {
        let status = self.house.status(self.source).await;
        (status.routes[0].rung(), status.routes[0].trouble())
    }

    /// Delivered, dead, pending as the status says, which the ledger must repeat.
    pub(crate) async fn counts(&self) -> (i64, i64, i64) {
        let status = self.house.status(self.source).await;
        let route = &status.routes[0];
        let sums = self.house.ledger(self.source).await;
        let expected = Sums {
            stored: i64::try_from(self.events.len()).unwrap(),
            delivered: route.delivered,
            dead: route.dead,
            ..Sums::default()
        };
        assert_eq!(sums, expected);
        (route.delivered, route.dead, route.pending)
    }

    async fn dead(&self) -> Vec<(i32, String, Vec<u8>)> {
        let store = &self.house.store;
        let letters = store
            .list_dead_letters(self.house.tenant, self.route, None, 1000)
            .await;
        let letters = letters.expect("dead letters").into_iter();
        let mut letters: Vec<_> = letters
            .map(|letter| (letter.index, letter.cause, letter.event))
            .collect();
        letters.sort();
        letters
    }

    /// The cause is gone: the rest arrives, and the status says so.
    async fn recovers(self) {
        self.place.take();
        let before = self.place.taken().len();
        self.deliver().await;
        let (delivered, dead, pending) = self.counts().await;
        let all = i64::try_from(self.events.len()).unwrap();
        assert_eq!((delivered + dead, pending), (all, 0));
        assert_eq!(self.shown().await, (Rung::Running, None));
        assert!(!self.house.job(JobKind::Deliver, self.route.0).await.failing);
        assert!(self.place.taken().len() > before);
        self.worker.stop().await;
    }
}

fn minutes(job: &Job) -> f64 {
    job.due_in() / 60.0
}

#[tokio::test(flavor = "multi_thread")]
async fn delivered_events_are_settled_and_the_route_counts_as_healthy() {
    let scene = Scene::new(25, 10).await;
    assert!(
        scene
            .house
            .job(JobKind::Deliver, scene.route.0)
            .await
            .failing,
        "until its first success"
    );
    let job = scene.deliver().await;
    assert_same(&scene.place.taken(), &scene.events);
    let sizes: Vec<usize> = scene
        .place
        .sent()
        .iter()
        .map(|sent| sent.events.len())
        .collect();
    assert_eq!(sizes, [10, 10, 5]);
    assert_eq!(scene.counts().await, (25, 0, 0));
    assert_eq!(scene.shown().await, (Rung::Running, None));
    assert!(minutes(&job) > 59.0 && !job.failing, "{job:?}");
    let keys: std::collections::HashSet<String> = scene
        .place
        .sent()
        .into_iter()
        .map(|sent| sent.key)
        .collect();
    assert_eq!(keys.len(), 3, "each range has a key of its own");
    scene.worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn duplicates_are_settled_like_deliveries() {
    let scene = Scene::new(5, 10).await;
    scene.place.script(|_, events| {
        Reply::Say(Report {
            duplicates: events.len(),
            ..Report::all(events.len())
        })
    });
    scene.deliver().await;
    assert_eq!(scene.counts().await, (5, 0, 0));
    assert_eq!(scene.shown().await, (Rung::Running, None));
    scene.worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_sends_the_same_range_with_the_same_key() {
    let scene = Scene::new(25, 10).await;
    scene.place.script(|_, _| Reply::Say(retry(None)));
    let first = scene.deliver().await;
    let second = scene.deliver().await;
    assert!(first.waits(&(0.5..=1.0)), "{first:?}");
    assert!(second.waits(&(1.0..=2.0)), "{second:?}");
    assert!(first.failing && second.attempt == 2);
    let sent = scene.place.sent();
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[0], sent[1]);
    assert_eq!(sent[0].events, scene.events[..10]);
    assert_eq!(scene.counts().await, (0, 0, 25));
    let shown = scene.shown().await;
    assert_eq!(
        shown,
        (Rung::Waiting, Some(Trouble::DestinationUnavailable))
    );
    let status = scene.house.status(scene.source).await;
    assert_eq!(
        status.routes[0].trouble_detail.as_deref(),
        Some("no room at the moment")
    );
    scene.recovers().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_does_not_grow_by_what_has_come_since() {
    let mut scene = Scene::new(5, 10).await;
    scene.place.script(|_, _| Reply::Say(retry(None)));
    scene.deliver().await;
    let more = scene.house.fresh(5);
    scene.house.persist(&more);
    scene.events.extend(more);
    scene.house.poll(scene.source).await;
    scene.deliver().await;
    let sent = scene.place.sent();
    assert_eq!(sent.len(), 2);
    assert!(sent[0] == sent[1] && sent[1].events.len() == 5);
    let (place, events) = (Arc::clone(&scene.place), scene.events.clone());
    scene.recovers().await;
    assert_same(&place.taken(), &events);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_says_when_to_come_again_within_reason() {
    let scene = Scene::new(5, 10).await;
    let wishes = [Duration::from_mins(5), Duration::from_hours(1000)];
    scene
        .place
        .script(move |n, _| Reply::Say(retry(Some(wishes[n]))));
    let first = scene.deliver().await;
    assert!((4.9..=5.1).contains(&minutes(&first)), "{first:?}");
    let too_long = scene.deliver().await;
    assert!((59.0..=60.1).contains(&minutes(&too_long)), "{too_long:?}");
    scene.recovers().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_event_is_a_dead_letter_and_the_rest_moves_on() {
    let scene = Scene::new(25, 10).await;
    scene.place.script(|n, events| {
        if n == 1 {
            Reply::Say(refusing(events.len(), [3], "odd"))
        } else {
            Reply::Take
        }
    });
    scene.deliver().await;
    assert_eq!(scene.counts().await, (24, 1, 0));
    assert_eq!(
        scene.dead().await,
        [(13, "odd".to_owned(), scene.events[13].clone())]
    );
    assert_eq!(scene.shown().await, (Rung::Running, None));
    let mut expected = scene.events.clone();
    expected.remove(13);
    assert_same(&scene.place.taken(), &expected);
    scene.worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_refused_in_a_row_stop_the_route_and_stay_undelivered() {
    let scene = Scene::new(40, 8).await;
    // Five are taken, then all are refused: 3, 8, 8, and the 20th in the fourth batch.
    scene.place.script(|n, events| {
        let refused = if n == 0 {
            5..events.len()
        } else {
            0..events.len()
        };
        Reply::Say(refusing(events.len(), refused, "odd"))
    });
    let job = scene.deliver().await;
    assert_eq!(scene.place.sent().len(), 4);
    assert!(
        (14.0..=15.1).contains(&minutes(&job)) && job.failing,
        "{job:?}"
    );
    assert_eq!(scene.counts().await, (5, 0, 35));
    assert_eq!(scene.dead().await, []);
    assert_eq!(
        scene.shown().await,
        (Rung::ActionNeeded, Some(Trouble::EventsRefused))
    );

    // Each try is made with the events that stopped it, and changes nothing.
    scene
        .place
        .script(|_, events| Reply::Say(refusing(events.len(), 0..events.len(), "odd")));
    scene.deliver().await;
    let tried: Vec<Vec<u8>> = scene
        .place
        .sent()
        .into_iter()
        .flat_map(|sent| sent.events)
        .collect();
    assert_eq!(tried, scene.events[5..29], "three batches of eight");
    assert_eq!(scene.counts().await, (5, 0, 35));
    assert_eq!(scene.dead().await, []);

    scene.place.take();
    scene.deliver().await;
    assert_same(&scene.place.taken(), &scene.events);
    assert_eq!(scene.counts().await, (40, 0, 0));
    assert_eq!(scene.shown().await, (Rung::Running, None));
    scene.worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_route_does_not_send_what_follows_again_and_again() {
    let scene = Scene::new(100, 100).await;
    let first_twenty_are_odd = |_, events: &[Vec<u8>]| {
        let refused = 0..events.len().min(20);
        Reply::Say(refusing(events.len(), refused, "odd"))
    };
    scene.place.script(first_twenty_are_odd);
    for _ in 0..4 {
        scene.deliver().await;
    }
    let sizes: Vec<usize> = scene
        .place
        .sent()
        .iter()
        .map(|sent| sent.events.len())
        .collect();
    assert_eq!(sizes, [100, 20, 20, 20]);
    assert_eq!(scene.counts().await, (0, 0, 100));
    scene.recovers().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nineteen_refused_in_a_row_are_dead_letters() {
    let scene = Scene::new(40, 8).await;
    // 0 to 18, then one is taken, then another cause.
    scene.place.script(|n, events| {
        let refused = (0..events.len()).filter(|index| n * 8 + index < 19);
        Reply::Say(match n {
            4 => refusing(events.len(), 0..events.len(), "other"),
            _ => refusing(events.len(), refused, "odd"),
        })
    });
    scene.deliver().await;
    assert_eq!(scene.counts().await, (13, 27, 0));
    let dead = scene.dead().await;
    let numbers: Vec<i32> = dead.iter().map(|(index, ..)| *index).collect();
    assert_eq!(numbers, (0..19).chain(32..40).collect::<Vec<_>>());
    assert!(
        dead.iter()
            .zip(0..)
            .all(|((_, cause, _), n)| cause == if n < 19 { "odd" } else { "other" })
    );
    assert_same(&scene.place.taken(), &scene.events[19..32]);
    assert_eq!(scene.shown().await, (Rung::Running, None));
    scene.worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_refused_for_changing_causes_do_not_stop_the_route() {
    let scene = Scene::new(40, 8).await;
    scene.place.script(|n, events| {
        let cause = ["odd", "other"][n % 2];
        Reply::Say(refusing(events.len(), 0..events.len(), cause))
    });
    scene.deliver().await;
    assert_eq!(scene.counts().await, (0, 40, 0));
    scene.worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_is_too_large_is_split_down_to_one_event() {
    let scene = Scene::new(20, 20).await;
    let huge = scene.events[13].clone();
    scene.place.script(move |_, events| {
        if events.contains(&huge) {
            Reply::Say(Report::none(Then::Split))
        } else {
            Reply::Take
        }
    });
    scene.deliver().await;
    assert_eq!(scene.counts().await, (19, 1, 0));
    assert_eq!(
        scene.dead().await,
        [(13, "too_large".to_owned(), scene.events[13].clone())]
    );
    let mut expected = scene.events.clone();
    expected.remove(13);
    assert_same(&scene.place.taken(), &expected);
    assert_eq!(scene.shown().await, (Rung::Running, None));
    scene.worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_that_stops_is_left_alone_until_somebody_acts() {
    let scene = Scene::new(10, 10).await;
    scene.place.script(|_, _| {
        Reply::Say(Report::none(Then::Stop {
            trouble: Trouble::DestinationRefuses,
            detail: "the key is wrong".to_owned(),
        }))
    });
    let job = scene.deliver().await;
    assert!((14.0..=15.1).contains(&minutes(&job)), "{job:?}");
    assert_eq!(
        scene.shown().await,
        (Rung::ActionNeeded, Some(Trouble::DestinationRefuses))
    );
    assert_eq!(scene.counts().await, (0, 0, 10));
    let refused = scene.place.sent();
    scene.place.take();
    scene.deliver().await;
    assert_eq!(
        scene.place.sent(),
        refused,
        "the same range with the same key"
    );
    assert_eq!(scene.counts().await, (10, 0, 0));
    scene.worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_settled_prefix_moves_the_position_and_with_it_the_key() {
    let scene = Scene::new(10, 10).await;
    scene.place.script(|n, _| {
        let settled = if n == 0 { 3 } else { 0 };
        Reply::Say(Report {
            settled,
            ..retry(None)
        })
    });
    scene.deliver().await;
    assert_eq!(scene.counts().await, (3, 0, 7));
    scene.deliver().await;
    scene.deliver().await;
    let sent = scene.place.sent();
    assert_eq!(sent[0].events, scene.events);
    assert_eq!(sent[1].events, scene.events[3..]);
    assert_ne!(sent[0].key, sent[1].key);
    assert_eq!(sent[1], sent[2]);
    scene.place.take();
    scene.deliver().await;
    assert_eq!(scene.place.sent(), sent[2..]);
    assert_same(&scene.place.taken(), &scene.events);
    scene.worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ledger_counts_each_event_in_its_own_hour_however_it_was_settled() {
    let mut house = House::new().await;
    let scripted = Scripted::taking(7);
    house.destinations = Arc::clone(&scripted) as _;
    // Hours out of order, so that each batch and each piece of one holds several.
    let events: Vec<Vec<u8>> = (0..30)
        .map(|n| {
            let published = format!("2026-11-20T{:02}:00:00Z", n * 7 % 5);
            event(&format!("7f3f1e0a-0000-1000-8000-{n:012}"), &published, n)
        })
        .collect();
    house.persist(&events);
    let (source, route) = house.parked().await;
    let worker = house.start();
    house.poll(source).await;
    let place = scripted.place("out.ndjson");
    place.script(|n, events| {
        Reply::Say(match n {
            0 => Report {
                settled: 3,
                ..retry(None)
            },
            1 => Report::none(Then::Split),
            2 => refusing(events.len(), [0], "odd"),
            _ => Report::all(events.len()),
        })
    });
    house.deliver(route).await;
    house.deliver(route).await;
    worker.stop().await;

    let ledger = house.store.ledger(house.tenant, source, None, 100);
    let hours = ledger.await.unwrap();
    assert_eq!(hours.len(), 5);
    for hour in &hours {
        assert_eq!(
            (hour.stored, hour.delivered + hour.dead),
            (6, 6),
            "{hour:?}"
        );
    }
    // The fourth event, of 01:00.
    let dead: Vec<i64> = hours.iter().map(|hour| hour.dead).collect();
    assert_eq!(dead, [0, 0, 0, 1, 0], "newest first");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_a_destination_is_a_failed_delivery() {
    let scene = Scene::new(10, 10).await;
    scene.place.script(|_, _| Reply::Panic);
    let job = scene.deliver().await;
    assert!(
        job.waits(&(0.5..=1.0)) && job.failing && job.attempt == 1,
        "{job:?}"
    );
    let status = scene.house.status(scene.source).await;
    let detail = status.routes[0].trouble_detail.clone().unwrap_or_default();
    assert!(
        detail.contains("defect") && detail.contains("as the script says"),
        "{detail}"
    );
    assert_eq!(scene.counts().await, (0, 0, 10));
    scene.recovers().await;
}
