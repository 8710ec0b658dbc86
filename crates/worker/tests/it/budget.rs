//! What a token may ask: never more than our share of a window, whoever asks.

use std::time::Duration;

use model::credential::Secret;
use model::job::JobKind;
use model::status::{Rung, Trouble};
use okta::{Auth, PageRequest};
use okta_sim::{Fault, RateLimits, Sim, SimConfig};
use store::NewCredential;
use testkit::wait;

use crate::house::{House, PATIENCE, TOKEN, assert_same, generated};

/// Requests per window, as the org counts them: a window begins with its first request.
fn windows(house: &House) -> Vec<usize> {
    let mut windows: Vec<(i64, usize)> = Vec::new();
    for request in house.log_requests() {
        assert_ne!(request.status, Some(429), "the org had to refuse");
        let second = request.at.timestamp();
        match windows.last_mut() {
            Some((begin, count)) if second < *begin + 60 => *count += 1,
            _ => windows.push((second, 1)),
        }
    }
    windows.into_iter().map(|(_, count)| count).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_and_two_sources_of_one_token_keep_to_nine_tenths_of_each_window() {
    let mut house = House::with(|sim| sim.org.limits = RateLimits::half_of(40)).await;
    // What is in doubt is how many are asked, not how fast.
    house.config.slots.deliver = 1;
    let events = generated(30);
    house.persist(&events);
    house.org().inject(Fault::ShortPage(1).until_cleared());
    let credential = house.credential().await;
    let mut sources = Vec::new();
    for name in ["a.ndjson", "b.ndjson"] {
        let file = house.file(name).await;
        sources.push(house.source_of(credential, &[file]).await);
    }
    let (one, two) = (house.start(), house.start());

    let mut waited = 0;
    while house.lines("a.ndjson").len() + house.lines("b.ndjson").len() < 60 {
        // Used up: both sources wait for the window, which the test turns.
        let wait_or_done = wait::until("both wait or have read all", PATIENCE, async || {
            let mut resting = 0;
            for source in &sources {
                let job = house.job(JobKind::Poll, source.0).await;
                resting += usize::from(job.owner.is_none() && job.due_in() > 0.0);
            }
            resting == 2
        });
        wait_or_done.await;
        for source in &sources {
            let status = house.status(*source).await.polling;
            if let Some((trouble, _)) = status.trouble() {
                assert_eq!(
                    (trouble, status.rung()),
                    (Trouble::RateLimited, Rung::Waiting)
                );
                let job = house.job(JobKind::Poll, source.0).await;
                assert!(job.due_in() < 62.0 && job.attempt == 0, "{job:?}");
                waited += 1;
            }
        }
        house.time.advance(Duration::from_secs(62)).await;
        for (source, name) in sources.iter().zip(["a.ndjson", "b.ndjson"]) {
            let stored = usize::try_from(house.log(*source).await.stored).unwrap();
            house.until_lines(name, stored).await;
        }
    }
    one.stop().await;
    two.stop().await;

    let windows = windows(&house);
    assert!(waited > 0 && windows.len() >= 4, "{windows:?}");
    assert!(windows.iter().all(|asked| *asked <= 18), "{windows:?}");
    assert!(windows.contains(&18), "the share is used: {windows:?}");
    assert_same(&house.lines("a.ndjson"), &events);
    assert_same(&house.lines("b.ndjson"), &events);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_used_up_by_others_is_waited_for_and_other_orgs_go_on() {
    let house = House::with(|sim| sim.org.limits = RateLimits { org: 10, token: 10 }).await;
    let mut config = SimConfig::with_token(TOKEN);
    config.org.id = "00oanother0org0050d7".to_owned();
    let other = Sim::start(config).await.unwrap();
    let events = generated(10);
    house.persist(&events);
    let (source, route) = house.parked().await;
    let credential = NewCredential {
        name: "of the other org".to_owned(),
        origin: other.url(),
        secret: Secret::Ssws(TOKEN.into()),
    };
    let credential = house
        .store
        .create_credential(house.tenant, credential)
        .await
        .unwrap();
    let elsewhere = house
        .source_of(model::ids::CredentialId(credential.id), &[])
        .await;
    house.park(JobKind::Poll, elsewhere.0).await;

    let third_party = house.worker().okta;
    let origin = model::origin::Origin::parse_with(&house.sim.url(), true).unwrap();
    for _ in 0..10 {
        let request = PageRequest::First {
            since: None,
            filter: None,
            q: None,
            limit: 1,
        };
        let auth = Auth::Ssws(TOKEN.into());
        third_party
            .fetch_page(&origin, &auth, &request)
            .await
            .expect("there was room");
    }
    let worker = house.start();
    let job = house.poll(source).await;

    assert!(job.waits(&(1.0..=62.0)) && job.attempt == 0, "{job:?}");
    let status = house.status(source).await.polling;
    assert_eq!(
        status.trouble().map(|(trouble, _)| trouble),
        Some(Trouble::RateLimited)
    );
    assert_eq!(status.budget_left, Some(0));
    assert_eq!(house.log_requests().len(), 11);
    // Nothing is asked while the window lasts.
    house.poll(source).await;
    assert_eq!(house.log_requests().len(), 11);
    house.poll(elsewhere).await;
    assert_eq!(house.status(elsewhere).await.polling.rung(), Rung::Running);

    house.time.advance(Duration::from_secs(62)).await;
    house.poll(source).await;
    house.deliver(route).await;
    worker.stop().await;
    assert_same(&house.lines("out.ndjson"), &events);
    assert_eq!(house.status(source).await.polling.trouble(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_for_the_first_answer_of_a_window_is_not_shown_as_a_rate_limit() {
    let house = House::new().await;
    house.persist(&generated(1));
    let credential = house.credential().await;
    let one = house.source_of(credential, &[]).await;
    let two = house.source_of(credential, &[]).await;
    house.park(JobKind::Poll, one.0).await;
    house.park(JobKind::Poll, two.0).await;
    house.org().inject(Fault::HungBeforeHeaders.until_cleared());
    let worker = house.start();
    house.make_due(JobKind::Poll, one.0).await;
    wait::until("the first has asked", PATIENCE, async || {
        house.log_requests().len() == 1
    })
    .await;

    let job = house.poll(two).await;
    assert!(job.waits(&(0.2..=3.0)) && job.attempt == 0, "{job:?}");
    assert_eq!(house.status(two).await.polling.trouble(), None);
    assert_eq!(
        house.log_requests().len(),
        1,
        "one at a time before the first answer"
    );
    house.org().clear_faults();
    house.rested(JobKind::Poll, one.0, 0).await;
    house.poll(two).await;
    worker.stop().await;
    assert_eq!(house.log(two).await.stored, 1);
}
