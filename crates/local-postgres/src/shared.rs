//! A cluster that all processes of a user share, for tests.
//!
//! The first process starts it, the others join, and the guard tears it down some seconds after
//! the last has gone, however it went. A folder of a fixed name announces where it is; a file lock
//! in it lets one process at a time start or join.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::account::Account;
use crate::cluster::{Cluster, write_private};
use crate::error::Error;
use crate::folder::{Folder, announcement, is_own_folder};
use crate::guard::{Hold, non_blocking};
use crate::options::Options;
use crate::ready;

/// A place among the users of a shared cluster; given up when dropped.
#[derive(Debug)]
pub struct SharedCluster {
    /// The URL up to the database's name.
    base: Url,
    /// Keeps the guard from tearing the cluster down.
    _rope: OwnedFd,
    /// Keeps sweeps away even if the guard is killed.
    _folder: Folder,
}

/// A URL with a password, which stays out of logs.
struct Url(String);

impl std::fmt::Debug for Url {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("..")
    }
}

impl SharedCluster {
    /// Joins the cluster of this user in `options.parent`, or starts it; the first user's other
    /// options count. It goes when nobody has used it for `linger` (whole seconds, at least one).
    ///
    /// # Errors
    /// As for [`Cluster::start`].
    pub async fn join(options: Options, linger: Duration) -> Result<Self, Error> {
        let parent = match &options.parent {
            Some(parent) => parent.clone(),
            None => Account::choose()?.default_parent(),
        };
        let announcement = announcement(&parent);
        let place = announcement.clone();
        let lock = tokio::task::spawn_blocking(move || lock(&place))
            .await
            .map_err(io::Error::other)
            .flatten()
            .map_err(Error::io("lock", &announcement))?;

        let joined = match join_announced(&announcement).await {
            Some(joined) => joined,
            None => start(options, linger, &announcement).await?,
        };
        drop(lock);
        Ok(joined)
    }

    /// Returns the URL of a database of this server; the database `postgres` exists from the start.
    pub fn url(&self, database: &str) -> String {
        format!("{}{database}", self.base.0)
    }
}

async fn start(
    options: Options,
    linger: Duration,
    announcement: &Path,
) -> Result<SharedCluster, Error> {
    let linger = linger.max(Duration::from_secs(1));
    let cluster = Cluster::start_held(options, Hold::Shared { linger }).await?;
    let base = cluster.url("");
    let (rope, folder) = cluster.into_shared();
    write_private(&folder.url_file(), &base)?;
    // The guard of a dead cluster may have removed the folder meanwhile.
    make(announcement).map_err(Error::io("make", announcement))?;
    write_private(&current(announcement), &folder.path().to_string_lossy())?;
    Ok(SharedCluster {
        base: Url(base),
        _rope: rope,
        _folder: folder,
    })
}

/// Joins the cluster that is announced; none if there is none, or it is dead or on its way out.
async fn join_announced(announcement: &Path) -> Option<SharedCluster> {
    let announced = std::fs::read_to_string(current(announcement)).ok()?;
    let folder = Folder::join(announced.clone().into())?;
    let rope = OpenOptions::new()
        .write(true)
        .custom_flags(non_blocking())
        .open(folder.users());
    let mut rope = rope.ok()?;
    rope.write_all(b".").ok()?;
    // The guard takes the announcement back before it looks for users the last time, so if it
    // still stands now, the guard has seen us.
    if std::fs::read_to_string(current(announcement)).ok()? != announced {
        return None;
    }
    let base = std::fs::read_to_string(folder.url_file()).ok()?;
    let alive = ready::is_alive(&format!("{base}postgres")).await;
    alive.then(|| SharedCluster {
        base: Url(base),
        _rope: rope.into(),
        _folder: folder,
    })
}

fn current(announcement: &Path) -> PathBuf {
    announcement.join("current")
}

fn make(announcement: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(announcement)
}

/// Takes the lock of the announcement, making its folder if need be.
///
/// A guard removes the folder with the lock in it, so the lock counts only if it is still there.
fn lock(announcement: &Path) -> io::Result<File> {
    let path = announcement.join("lock");
    loop {
        make(announcement)?;
        if !is_own_folder(announcement) {
            return Err(io::Error::new(
                ErrorKind::PermissionDenied,
                "it belongs to another user",
            ));
        }
        std::fs::set_permissions(announcement, Permissions::from_mode(0o700))?;
        let file = match OpenOptions::new().create(true).append(true).open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            file => file?,
        };
        file.lock()?;
        let inode = file.metadata()?.ino();
        if std::fs::metadata(&path).is_ok_and(|there| there.ino() == inode) {
            return Ok(file);
        }
    }
}
