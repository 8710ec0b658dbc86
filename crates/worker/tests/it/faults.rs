//! Every fault of the org, its gateway and the network, each met in the middle of a working source.

use std::time::Duration;

use futures_util::StreamExt;
use model::ids::SourceId;
use model::job::JobKind;
use model::status::{Rung, Trouble};
use okta_sim::Fault;
use store::CredentialChange;
use testkit::ledger::compare;

use crate::fault_table::{Break, Row, SOON, table};
use crate::house::{House, TOKEN, generated};

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_is_shown_waited_out_and_recovered_from_without_loss() {
    let runtime = tokio::runtime::Handle::current();
    let rows = table().into_iter().map(|row| {
        let runtime = runtime.clone();
        tokio::task::spawn_blocking(move || runtime.block_on(check(row)))
    });
    let rows = futures_util::stream::iter(rows).buffer_unordered(4);
    for row in rows.collect::<Vec<_>>().await {
        row.expect("the row holds");
    }
}

async fn check(row: Row) {
    let name = row.name;
    let events = generated(30);
    let mut house = House::new().await;
    match row.broken {
        Break::PageBytes(bytes) => house.client.max_page_bytes = bytes,
        Break::Org(Fault::HungBody) => house.client.idle_timeout = Duration::from_millis(300),
        Break::Org(Fault::HungBeforeHeaders) => house.client.timeout = Duration::from_millis(700),
        _ => {}
    }
    house.persist(&events[..10]);
    let (source, route) = house.parked().await;
    let worker = house.start();
    house.poll(source).await;
    assert_eq!(house.log(source).await.stored, 10, "{name}");
    let cursor = house.log(source).await.cursor;
    house.persist(&events[10..20]);

    let asked = house.log_requests().len();
    disturb(&house, source, &row.broken).await;
    let job = house.poll(source).await;

    let requests = house.log_requests().len() - asked;
    assert!(
        row.requests.contains(&requests),
        "{name}: {requests} requests"
    );
    assert!(job.waits(&row.due_in), "{name}: due in {} s", job.due_in());
    let status = house.status(source).await.polling;
    let shown = status.trouble().map(|(trouble, _)| trouble);
    assert_eq!(shown, row.shown, "{name}: {:?}", status.log_detail);
    assert_eq!(
        status.rung(),
        row.shown.map_or(Rung::Running, Trouble::rung),
        "{name}"
    );
    if let Some(trouble) = row.shown {
        assert!(
            !trouble.reason().is_empty() && !trouble.next_step().is_empty(),
            "{name}"
        );
        let detail = status.trouble().and_then(|(_, detail)| detail);
        assert!(
            detail.is_some_and(|detail| !detail.is_empty()),
            "{name}: no detail"
        );
        // A cursor that is always refused is the only fault that moves anything.
        if name != "cursor always refused" {
            assert_eq!(house.log(source).await.cursor, cursor, "{name}");
            assert_eq!(house.log(source).await.stored, 10, "{name}");
        }
    }
    let counted = matches!(row.due_in, range if range == SOON);
    assert_eq!(job.attempt, i32::from(counted), "{name}: attempts");

    mend(&house, source, &row.broken).await;
    house.persist(&events[20..]);
    house.poll(source).await;
    // Without a next link the first one finds the way, the second one what is new.
    house.poll(source).await;
    house.deliver(route).await;
    worker.stop().await;

    let compared = compare(&events, &house.output("out.ndjson"));
    assert!(compared.is_perfect(), "{name}: {compared}");
    assert_eq!(compared.delivered, 30, "{name}");
    let status = house.status(source).await;
    assert_eq!(status.polling.trouble(), None, "{name}");
    assert_eq!(status.polling.rung(), Rung::Running, "{name}");
    assert_eq!(status.routes[0].rung(), Rung::Running, "{name}");
    assert_eq!(
        house.job(JobKind::Poll, source.0).await.attempt,
        0,
        "{name}"
    );
    let sums = house.ledger(source).await;
    assert_eq!(
        (sums.stored, sums.delivered, sums.duplicate),
        (30, 30, 0),
        "{name}"
    );
}

async fn disturb(house: &House, source: SourceId, broken: &Break) {
    match broken {
        Break::Org(fault) => house.org().inject(fault.clone().until_cleared()),
        Break::Once(fault) => house.org().inject(fault.clone().once()),
        Break::Token(state) => house.org().set_token(TOKEN, *state).expect("the token"),
        Break::Gone => house.org().set_present(false),
        Break::Domain(domain) => move_to(house, source, domain).await,
        Break::PageBytes(_) => {}
    }
}

async fn mend(house: &House, source: SourceId, broken: &Break) {
    house.org().clear_faults();
    // The window of a 429 is over then.
    house.time.advance(Duration::from_mins(2)).await;
    match broken {
        Break::Token(_) => house.org().add_token(TOKEN),
        Break::Gone => house.org().set_present(true),
        Break::Domain(_) => return move_to(house, source, &house.sim.url()).await,
        Break::Org(_) | Break::Once(_) | Break::PageBytes(_) => return,
    }
    // The slow probe comes a quarter of an hour after the refusal.
    let credential = house.credential_of(source).await;
    let epoch = house
        .job(JobKind::CheckCredential, credential.0)
        .await
        .epoch;
    house.time.advance(Duration::from_mins(15)).await;
    house
        .rested(JobKind::CheckCredential, credential.0, epoch)
        .await;
}

async fn move_to(house: &House, source: SourceId, origin: &str) {
    let credential = house.credential_of(source).await;
    let change = CredentialChange {
        origin: Some(origin.to_owned()),
        ..CredentialChange::default()
    };
    let changed = house
        .store
        .update_credential(house.tenant, credential, change, None)
        .await;
    changed.expect("the credential is changed");
}
