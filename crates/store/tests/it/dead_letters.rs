//! Dead letters: kept, listed, and taken back when a run of them is too long.

use model::status::Trouble;
use store::{DeadEvent, Settled};

use crate::common::{LEASE, route_id};
use crate::positions::{about, counted, dead, flight, hour, owing, pending, to};

#[tokio::test]
async fn a_recalled_run_of_refused_events_is_undelivered_again_to_the_last_one() {
    let (house, source, route, lease) = owing().await;
    let mut at = about(&house, &route).await.position;
    // A refused event before the run, which stays dead; then a run over three delivery batches.
    let begin = (at.day, 1, 5);
    let steps = [
        (
            vec![
                dead(1, 2),
                dead(1, 5),
                dead(1, 6),
                dead(1, 7),
                dead(1, 8),
                dead(1, 9),
            ],
            4,
            (2, 0),
            5,
        ),
        ((0..10).map(|n| dead(2, n)).collect(), 0, (3, 0), 15),
    ];
    for (letters, delivered, (number, index), in_row) in steps {
        at = house
            .store
            .begin_flight(&lease.fence, LEASE, &at, &flight(number, index))
            .await
            .unwrap();
        let settled = Settled {
            to: Some(to(&at, number, index)),
            delivered: vec![(hour(), delivered)],
            dead: letters,
            refused: Some((in_row, "too_large".to_owned(), begin)),
            ..Settled::default()
        };
        at = house
            .store
            .settle(&lease.fence, LEASE, &at, &settled)
            .await
            .unwrap();
        assert_eq!(
            (at.refused_in_row, at.refused_from()),
            (in_row, Some(begin))
        );
        // A flight and a failed attempt do not forget the run.
        at = house
            .store
            .begin_flight(&lease.fence, LEASE, &at, &flight(number + 1, 0))
            .await
            .unwrap();
        assert_eq!(
            (at.refused_in_row, at.refused_from()),
            (in_row, Some(begin))
        );
    }
    assert_eq!(counted(&house, &source, &route).await, [[4, 16, 0]; 2]);
    assert_eq!(pending(&house, &route).await, 30);

    let settled = Settled {
        to: Some(begin),
        recall: true,
        trouble: Some((Trouble::EventsRefused, "413".to_owned())),
        ..Settled::default()
    };
    at = house
        .store
        .settle(&lease.fence, LEASE, &at, &settled)
        .await
        .unwrap();

    assert_eq!(
        (
            at.number,
            at.index,
            at.flight(),
            at.refused_in_row,
            at.refused_from()
        ),
        (1, 5, None, 0, None)
    );
    assert_eq!(counted(&house, &source, &route).await, [[4, 1, 0]; 2]);
    assert_eq!(pending(&house, &route).await, 45);
    let letters = house
        .store
        .list_dead_letters(house.tenant, route_id(&route), None, 100)
        .await
        .unwrap();
    assert_eq!(
        letters
            .iter()
            .map(|it| (it.number, it.index))
            .collect::<Vec<_>>(),
        [(1, 2)]
    );
    // And all of it may die again.
    let settled = Settled {
        to: Some(to(&at, 2, 0)),
        dead: (5..10).map(|n| dead(1, n)).collect(),
        ..Settled::default()
    };
    house
        .store
        .settle(&lease.fence, LEASE, &at, &settled)
        .await
        .unwrap();
    assert_eq!(counted(&house, &source, &route).await, [[4, 6, 0]; 2]);
}

#[tokio::test]
async fn dead_letters_are_listed_in_the_order_of_the_log() {
    let (house, _, route, lease) = owing().await;
    let at = about(&house, &route).await.position;
    let all: Vec<DeadEvent> = (0..10).map(|n| dead(1, n)).collect();
    let settled = Settled {
        to: Some(to(&at, 2, 0)),
        dead: all,
        ..Settled::default()
    };
    house
        .store
        .settle(&lease.fence, LEASE, &at, &settled)
        .await
        .unwrap();

    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = house
            .store
            .list_dead_letters(house.tenant, route_id(&route), after, 3)
            .await
            .unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        seen.extend(page.iter().map(|letter| letter.index));
    }
    assert_eq!(seen, (0..10).collect::<Vec<_>>());
}
