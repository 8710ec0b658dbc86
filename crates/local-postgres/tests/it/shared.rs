//! Many processes and one cluster.

use std::env::current_exe;

use local_postgres::{SharedCluster, sweep_leftovers};
use rustix::process::{Signal, kill_process};

use crate::support::{
    LINGER, Owner, client, is_empty, number, only_cluster_in, open_dir, options_in,
    processes_naming, stays, until,
};

#[tokio::test]
async fn processes_that_come_at_once_share_one_cluster_until_the_last_has_gone() {
    let parent = open_dir();
    let program = current_exe().unwrap();
    let start = || Owner::start(&program, "shared", parent.path(), None);
    let mut owners: Vec<_> = std::thread::scope(|scope| {
        let starting: Vec<_> = (0..4).map(|_| scope.spawn(start)).collect();
        starting
            .into_iter()
            .map(|owner| owner.join().unwrap())
            .collect()
    });
    let folder = only_cluster_in(parent.path());
    assert!(owners.iter().all(|owner| owner.url == owners[0].url));

    let survivor = owners.pop().unwrap();
    owners.iter_mut().for_each(Owner::kill);
    let session = client(&survivor.url).await;
    stays(LINGER * 2, async || {
        session.simple_query("SELECT 1").await.is_ok()
    })
    .await;

    survivor.end();
    until("the server has ended", || {
        processes_naming(&folder).is_empty()
    })
    .await;
    until("the folders are gone", || is_empty(parent.path())).await;
}

#[tokio::test]
async fn a_process_that_comes_soon_after_the_last_finds_the_cluster_still_there() {
    let parent = open_dir();
    let first = SharedCluster::join(options_in(parent.path()), LINGER)
        .await
        .unwrap();
    let url = first.url("postgres");
    drop(first);

    let second = SharedCluster::join(options_in(parent.path()), LINGER)
        .await
        .unwrap();

    assert_eq!(second.url("postgres"), url);
    // The guard has seen the first go; it must not close the cluster under the second.
    let session = client(&url).await;
    stays(LINGER * 2, async || {
        session.simple_query("SELECT 1").await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn a_dead_shared_cluster_is_replaced() {
    let parent = open_dir();
    let mut owner = Owner::start(&current_exe().unwrap(), "shared", parent.path(), None);
    let dead = only_cluster_in(parent.path());
    for pid in processes_naming(&dead) {
        kill_process(pid, Signal::KILL).unwrap();
    }
    until("it is dead", || processes_naming(&dead).is_empty()).await;
    owner.kill();

    let cluster = SharedCluster::join(options_in(parent.path()), LINGER)
        .await
        .unwrap();

    assert_ne!(cluster.url("postgres"), owner.url);
    assert_eq!(
        number(&cluster.url("postgres"), "SELECT 1::bigint").await,
        1
    );
    assert!(!dead.exists(), "the new one has swept the old one");
    assert!(
        sweep_leftovers(Some(parent.path()))
            .await
            .unwrap()
            .is_empty(),
        "its user lives"
    );
}
