//! Processes and their signals.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::Duration;

use testkit::process::{Process, Signal};
use testkit::wait::until;
use tokio::process::Command;

const LIMIT: Duration = Duration::from_secs(30);

fn shell(script: &str) -> Process {
    let mut command = Command::new("sh");
    command.args(["-c", script]).env("GREETING", "good morning");
    Process::start(command)
}

#[tokio::test]
async fn lines_of_both_outputs_are_heard_also_those_already_past() {
    let mut process = shell("echo \"$GREETING\"; echo trouble >&2; printf unfinished");
    assert!(process.wait(LIMIT).await.success());

    assert_eq!(
        process.wait_for_line("morning", LIMIT).await,
        "good morning"
    );
    assert_eq!(process.wait_for_line("trouble", LIMIT).await, "trouble");
    assert_eq!(process.wait_for_line("unfin", LIMIT).await, "unfinished");
    assert_eq!(process.lines().len(), 3);
}

#[tokio::test]
#[should_panic(
    expected = "no line with \"never\" and its output has ended; it said:\n  good-bye\n"
)]
async fn waiting_for_a_line_ends_with_the_process() {
    shell("echo good-bye").wait_for_line("never", LIMIT).await;
}

#[tokio::test]
async fn a_process_may_tidy_up_on_term_but_not_on_kill() {
    let script = "trap 'echo tidy; exit 7' TERM; echo ready; while :; do sleep 0.1; done";

    let mut asked = shell(script);
    asked.wait_for_line("ready", LIMIT).await;
    asked.signal(Signal::TERM);
    assert_eq!(asked.wait(LIMIT).await.code(), Some(7));
    asked.wait_for_line("tidy", LIMIT).await;

    let mut killed = shell(script);
    killed.wait_for_line("ready", LIMIT).await;
    killed.kill().await;
    assert_eq!(killed.wait(LIMIT).await.signal(), Some(9));
    assert_eq!(killed.lines(), ["ready"]);
}

#[tokio::test]
async fn a_stopped_process_waits_to_be_continued() {
    let process = shell("echo ready; while :; do sleep 0.1; echo tick; done");
    process.wait_for_line("tick", LIMIT).await;

    process.signal(Signal::STOP);
    let stat = format!("/proc/{}/stat", process.id());
    if Path::new(&stat).exists() {
        until("it is stopped", LIMIT, async || {
            let stat = std::fs::read_to_string(&stat).unwrap();
            if stat.contains(") T ") {
                Ok(())
            } else {
                Err(stat)
            }
        })
        .await;
    }
    let heard = process.lines().len();

    process.signal(Signal::CONT);
    until("it ticks again", LIMIT, async || {
        process.lines().len() > heard + 1
    })
    .await;
}

#[tokio::test]
async fn a_dropped_process_is_killed() {
    let process = shell("echo ready; while :; do sleep 0.1; done");
    process.wait_for_line("ready", LIMIT).await;
    let pid = rustix::process::Pid::from_raw(process.id().cast_signed()).unwrap();

    drop(process);

    until("it is gone", LIMIT, async || {
        rustix::process::test_kill_process(pid).is_err()
    })
    .await;
}
