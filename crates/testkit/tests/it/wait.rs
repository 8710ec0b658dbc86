//! Waiting.

use std::cell::Cell;
use std::time::Duration;

use testkit::wait::until;

#[tokio::test]
async fn it_looks_until_it_finds_and_returns_what_it_found() {
    let looks = Cell::new(0);
    let found = until("three looks", Duration::from_secs(30), async || {
        looks.set(looks.get() + 1);
        (looks.get() == 3).then(|| looks.get())
    });
    assert_eq!(found.await, 3);
}

#[tokio::test]
#[should_panic(expected = "waited 50ms in vain until the job is done; saw \"leased\"")]
async fn in_vain_it_says_what_it_waited_for_and_what_it_saw() {
    until("the job is done", Duration::from_millis(50), async || {
        Err::<(), _>("leased")
    })
    .await;
}

#[tokio::test]
#[should_panic(expected = "tests/it/wait.rs:")]
async fn in_vain_it_says_where() {
    until("never", Duration::from_millis(50), async || false).await;
}

#[tokio::test]
#[should_panic(expected = "the first look did not return")]
async fn a_look_that_hangs_is_cut_off() {
    until(
        "an answer",
        Duration::from_millis(50),
        std::future::pending::<Option<()>>,
    )
    .await;
}
