//! One process and its cluster.

use local_postgres::{Cluster, Error, Server};

use crate::support::{client, is_empty, number, open_dir, options_in, until};

#[tokio::test]
async fn a_cluster_starts_answers_and_leaves_nothing_when_it_stops() {
    let parent = open_dir();
    let cluster = Cluster::start(options_in(parent.path())).await.unwrap();

    assert_eq!(
        number(&cluster.url("postgres"), "SELECT 1::bigint").await,
        1
    );
    assert!(cluster.programs().version.major >= local_postgres::OLDEST_MAJOR);

    cluster.stop().await.unwrap();
    assert!(is_empty(parent.path()));
}

#[tokio::test]
async fn a_dropped_cluster_goes_away_by_itself() {
    let parent = open_dir();
    let cluster = Cluster::start(options_in(parent.path())).await.unwrap();
    let url = cluster.url("postgres");

    drop(cluster);

    until("the folder is gone", || is_empty(parent.path())).await;
    assert!(
        tokio_postgres::connect(&url, tokio_postgres::NoTls)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_wrong_password_is_refused() {
    let parent = open_dir();
    let cluster = Cluster::start(options_in(parent.path())).await.unwrap();
    let (_, address) = cluster.url("postgres").split_once('@').map(own).unwrap();

    for stranger in ["postgres", "postgres:guess"] {
        let url = format!("postgres://{stranger}@{address}");
        assert!(
            tokio_postgres::connect(&url, tokio_postgres::NoTls)
                .await
                .is_err(),
            "{stranger}"
        );
    }
}

fn own((left, right): (&str, &str)) -> (String, String) {
    (left.into(), right.into())
}

#[tokio::test]
async fn a_restart_keeps_url_and_data() {
    let parent = open_dir();
    let mut cluster = Cluster::start(options_in(parent.path())).await.unwrap();
    let url = cluster.url("postgres");
    client(&url)
        .await
        .batch_execute("CREATE TABLE t AS SELECT 7::bigint AS n")
        .await
        .unwrap();

    cluster.restart().await.unwrap();

    assert_eq!(cluster.url("postgres"), url);
    assert_eq!(number(&url, "SELECT n FROM t").await, 7);
    assert!(
        !cluster.log_tail().contains("not properly shut down"),
        "{}",
        cluster.log_tail()
    );
}

#[tokio::test]
async fn a_crash_keeps_what_was_committed_and_drops_what_was_not() {
    let parent = open_dir();
    let options = local_postgres::Options {
        durable: true,
        ..options_in(parent.path())
    };
    let mut cluster = Cluster::start(options).await.unwrap();
    let url = cluster.url("postgres");
    let session = client(&url).await;
    session
        .batch_execute("CREATE TABLE t (n bigint); INSERT INTO t VALUES (1)")
        .await
        .unwrap();
    session
        .batch_execute("BEGIN; INSERT INTO t VALUES (2)")
        .await
        .unwrap();

    cluster.stop_immediately().await.unwrap();
    assert!(
        tokio_postgres::connect(&url, tokio_postgres::NoTls)
            .await
            .is_err()
    );
    cluster.start_again().await.unwrap();

    assert!(
        cluster.log_tail().contains("not properly shut down"),
        "{}",
        cluster.log_tail()
    );
    assert_eq!(number(&url, "SELECT sum(n)::bigint FROM t").await, 1);
}

#[tokio::test]
async fn settings_reach_the_server_and_durability_is_the_callers_choice() {
    let parent = open_dir();
    for (durable, expected) in [(true, "on"), (false, "off")] {
        let settings = vec![("max_connections".into(), "17".into())];
        let options = local_postgres::Options {
            durable,
            settings,
            ..options_in(parent.path())
        };
        let cluster = Cluster::start(options).await.unwrap();

        let session = client(&cluster.url("postgres")).await;
        let query = "SELECT current_setting('fsync'), current_setting('max_connections')";
        let row = session.query_one(query, &[]).await.unwrap();
        assert_eq!((row.get(0), row.get(1)), (expected, "17"));
    }
}

#[tokio::test]
async fn a_server_that_does_not_come_up_says_why_and_leaves_nothing() {
    let parent = open_dir();
    let settings = vec![("no_such_setting".into(), "1".into())];
    let options = local_postgres::Options {
        settings,
        ..options_in(parent.path())
    };

    let error = Cluster::start(options).await.unwrap_err();

    assert!(
        matches!(&error, Error::NotUp { log, .. } if log.contains("no_such_setting")),
        "{error}"
    );
    until("the folder is gone", || is_empty(parent.path())).await;
}

#[tokio::test]
async fn a_failing_initdb_is_quoted() {
    use std::os::unix::fs::PermissionsExt;

    let (parent, programs) = (open_dir(), open_dir());
    let scripts = [
        ("postgres", "#!/bin/sh\necho 'postgres (PostgreSQL) 16.1'\n"),
        ("initdb", "#!/bin/sh\necho 'no space left' >&2; exit 1\n"),
    ];
    for (name, script) in scripts {
        let path = programs.path().join(name);
        std::fs::write(&path, script).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    }
    let bin_dir = Some(programs.path().into());
    let options = local_postgres::Options {
        bin_dir,
        ..options_in(parent.path())
    };

    let error = Cluster::start(options).await.unwrap_err();

    assert!(
        matches!(&error, Error::InitFailed { output } if output == "no space left"),
        "{error}"
    );
}

#[tokio::test]
async fn programs_of_the_machine_come_before_a_container() {
    let parent = open_dir();
    let server = Server::start(options_in(parent.path())).await.unwrap();

    assert!(matches!(server, Server::Local(_)));
    assert_eq!(number(&server.url("postgres"), "SELECT 1::bigint").await, 1);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_container_answers_and_is_removed() {
    if !local_postgres::DockerPostgres::is_possible().await {
        eprintln!("skipped: no Docker engine answers");
        return;
    }
    let options = local_postgres::Options::default();
    let container = local_postgres::DockerPostgres::start(&options)
        .await
        .unwrap();
    let url = container.url("postgres");
    assert_eq!(number(&url, "SELECT 1::bigint").await, 1);

    container.stop().await.unwrap();
    assert!(
        tokio_postgres::connect(&url, tokio_postgres::NoTls)
            .await
            .is_err()
    );
}
