//! What processes cost: CPU time and memory, as the kernel counts them.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;

/// The unit of `/proc/<pid>/stat`, fixed by the kernel's interface: 100 a second.
const TICK: Duration = Duration::from_millis(10);

/// CPU time of a process; with `ended`, of its children that have ended and were waited for too.
pub(super) fn cpu(pid: u32, ended: bool) -> anyhow::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).context("a process that runs")?;
    // The name of the program, in parentheses, may hold blanks.
    let (_, numbers) = stat.rsplit_once(')').context("an unknown form of stat")?;
    let field = |number: usize| -> u32 {
        let text = numbers.split_whitespace().nth(number - 3);
        text.and_then(|text| text.parse().ok()).unwrap_or(0)
    };
    let mut ticks = field(14) + field(15);
    if ended {
        ticks += field(16) + field(17);
    }
    Ok(TICK * ticks)
}

/// The most memory a process ever had, in MiB.
pub(super) fn peak_memory(pid: u32) -> anyhow::Result<f64> {
    let status =
        fs::read_to_string(format!("/proc/{pid}/status")).context("a process that runs")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: f64 = line
        .and_then(|text| text.split_whitespace().next())
        .and_then(|text| text.parse().ok())
        .context("no VmHWM in /proc")?;
    Ok(kib / 1024.0)
}

/// CPU time of a cluster: the postmaster, its living children, and those that have ended.
pub(super) fn cluster_cpu(folder: &Path) -> anyhow::Result<Duration> {
    let pid = postmaster(folder)?;
    let mut total = cpu(pid, true)?;
    for entry in fs::read_dir("/proc")?.flatten() {
        let Some(child) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        if parent(child) == Some(pid) {
            // One that ends just now is counted by its parent at the next look.
            total += cpu(child, false).unwrap_or_default();
        }
    }
    Ok(total)
}

fn postmaster(folder: &Path) -> anyhow::Result<u32> {
    let candidates = [
        folder.join("postmaster.pid"),
        folder.join("data/postmaster.pid"),
    ];
    let text = candidates
        .iter()
        .find_map(|path| fs::read_to_string(path).ok());
    let text = text.context("the cluster has no postmaster.pid")?;
    Ok(text
        .lines()
        .next()
        .context("an empty postmaster.pid")?
        .trim()
        .parse()?)
}

fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, numbers) = stat.rsplit_once(')')?;
    numbers.split_whitespace().nth(1)?.parse().ok()
}
