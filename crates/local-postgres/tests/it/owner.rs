//! Owners that are killed, and owners of other users.

use std::env::current_exe;
use std::fs;
use std::os::unix::fs::chown;
use std::process::Command;

use local_postgres::{Cluster, sweep_leftovers};
use rustix::process::{Signal, geteuid, kill_process};

use crate::support::{
    Owner, is_empty, number, only_cluster_in, open_dir, options_in, processes_naming, until,
};

const NOBODY: u32 = 65534;

#[tokio::test]
async fn a_killed_owner_takes_its_cluster_along() {
    let parent = open_dir();
    let mut owner = Owner::start(&current_exe().unwrap(), "private", parent.path(), None);
    let folder = only_cluster_in(parent.path());
    assert_eq!(number(&owner.url, "SELECT 1::bigint").await, 1);

    owner.kill();

    until("the server has ended", || {
        processes_naming(&folder).is_empty()
    })
    .await;
    until("the folder is gone", || is_empty(parent.path())).await;
}

#[tokio::test]
async fn what_a_killed_owner_and_its_killed_guard_leave_is_swept() {
    let parent = open_dir();
    let mut owner = Owner::start(&current_exe().unwrap(), "private", parent.path(), None);
    let folder = only_cluster_in(parent.path());
    let postmaster = fs::read_to_string(folder.join("data/postmaster.pid")).unwrap();
    let postmaster: i32 = postmaster.lines().next().unwrap().parse().unwrap();
    for pid in processes_naming(&folder) {
        if pid.as_raw_nonzero().get() != postmaster {
            kill_process(pid, Signal::KILL).unwrap();
        }
    }
    assert!(
        sweep_leftovers(Some(parent.path()))
            .await
            .unwrap()
            .is_empty(),
        "its owner lives"
    );
    owner.kill();
    assert_eq!(number(&owner.url, "SELECT 1::bigint").await, 1);

    let swept = sweep_leftovers(Some(parent.path())).await.unwrap();

    assert_eq!(swept, std::slice::from_ref(&folder));
    assert!(is_empty(parent.path()));
    assert!(processes_naming(&folder).is_empty());
}

#[tokio::test]
async fn a_sweep_leaves_live_clusters_and_foreign_folders_alone() {
    let parent = open_dir();
    let unmarked = parent.path().join("okta-collector-postgres-unmarked");
    let foreign = parent.path().join("somebody-elses-data");
    for folder in [&unmarked, &foreign] {
        fs::create_dir(folder).unwrap();
    }
    fs::write(foreign.join("owner"), "").unwrap();
    let cluster = Cluster::start(options_in(parent.path())).await.unwrap();

    assert!(
        sweep_leftovers(Some(parent.path()))
            .await
            .unwrap()
            .is_empty()
    );

    assert!(unmarked.exists() && foreign.exists());
    assert_eq!(
        number(&cluster.url("postgres"), "SELECT 1::bigint").await,
        1
    );
}

#[tokio::test]
async fn a_leftover_of_another_user_is_not_swept() {
    if !geteuid().is_root() {
        eprintln!("skipped: only root can make a folder of another user");
        return;
    }
    let parent = open_dir();
    let folder = parent
        .path()
        .join("okta-collector-postgres-0123456789abcdef");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("owner"), "process 1\n").unwrap();
    chown(&folder, Some(NOBODY), Some(NOBODY)).unwrap();

    assert!(
        sweep_leftovers(Some(parent.path()))
            .await
            .unwrap()
            .is_empty()
    );

    assert!(folder.exists());
}

#[tokio::test]
async fn a_process_that_took_over_the_number_of_a_dead_server_is_spared() {
    let parent = open_dir();
    let folder = parent
        .path()
        .join("okta-collector-postgres-0123456789abcdef");
    fs::create_dir_all(folder.join("data")).unwrap();
    fs::write(folder.join("owner"), "process 1\n").unwrap();
    let mut stranger = Command::new("sleep").arg("600").spawn().unwrap();
    fs::write(
        folder.join("data/postmaster.pid"),
        format!("{}\n", stranger.id()),
    )
    .unwrap();

    let swept = sweep_leftovers(Some(parent.path())).await.unwrap();

    assert_eq!(swept, [folder]);
    assert!(
        stranger.try_wait().unwrap().is_none(),
        "the stranger was killed"
    );
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}

#[tokio::test]
async fn an_ordinary_user_runs_a_cluster_as_themselves() {
    if !geteuid().is_root() {
        eprintln!("skipped: only root can become another user; the other tests show the rest");
        return;
    }
    let parent = open_dir();
    // The build folder may be closed to other users.
    let program = parent.path().join("test-program");
    fs::copy(current_exe().unwrap(), &program).unwrap();
    let home = parent.path().join("home");
    fs::create_dir(&home).unwrap();
    chown(&home, Some(NOBODY), Some(NOBODY)).unwrap();

    let owner = Owner::start(&program, "private", &home, Some(NOBODY));
    assert_eq!(number(&owner.url, "SELECT 1::bigint").await, 1);

    owner.end();
    assert!(is_empty(&home));
}
