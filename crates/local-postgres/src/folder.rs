//! The folder of a cluster, and sweeping those that were left over.
//!
//! A folder is ours if it bears our name, belongs to our user and holds the marker file `owner`.
//! Its users and its guard hold a shared lock on the marker, which the kernel drops when the last
//! of them is gone; unlike a process number, that can not be taken over by somebody else. So a
//! marker that can be locked exclusively belongs to nobody, and what is in its folder may be
//! stopped and removed. Nothing else is ever touched.

use std::fs::{DirBuilder, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::account::Account;
use crate::error::Error;
use crate::{guard, random};

const PREFIX: &str = "okta-collector-postgres-";

/// A cluster's folder with its marker, whose lock this process shares.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    marker: File,
}

impl Folder {
    /// Makes a folder that the server's user can enter and nobody else can list.
    pub(crate) fn create(parent: &Path, account: Account) -> Result<Self, Error> {
        let name = format!("{PREFIX}{}", random::hex::<8>()?);
        Self::create_named(parent, name, account).map_err(Error::io("make a folder in", parent))
    }

    fn create_named(parent: &Path, name: String, account: Account) -> io::Result<Self> {
        // A sweep must never see our name without the lock, so the name comes last.
        let unnamed = parent.join(format!(".{name}"));
        DirBuilder::new().mode(0o700).create(&unnamed)?;
        let mut marker = File::create_new(unnamed.join("owner"))?;
        writeln!(marker, "process {}", std::process::id())?;
        marker.lock_shared()?;
        if account != Account::Own {
            std::fs::set_permissions(&unnamed, Permissions::from_mode(0o711))?;
        }
        let path = parent.join(name);
        std::fs::rename(unnamed, &path)?;
        Ok(Self { path, marker })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn marker(&self) -> &File {
        &self.marker
    }

    /// Returns the data directory of the server.
    pub(crate) fn data(&self) -> PathBuf {
        self.path.join("data")
    }

    /// Returns the server's log file.
    pub(crate) fn log(&self) -> PathBuf {
        self.path.join("log")
    }

    /// Returns the named pipe by which processes hold a shared cluster.
    pub(crate) fn users(&self) -> PathBuf {
        self.path.join("users")
    }

    /// Returns the file that tells the URL of a shared cluster.
    pub(crate) fn url_file(&self) -> PathBuf {
        self.path.join("url")
    }

    /// Returns the folder in which a shared cluster beside this one is announced.
    pub(crate) fn announcement(&self) -> PathBuf {
        announcement(self.path.parent().unwrap_or(Path::new("/")))
    }

    /// Joins the users of a folder; none if it is gone or being removed.
    pub(crate) fn join(path: PathBuf) -> Option<Self> {
        let marker = File::open(path.join("owner")).ok()?;
        marker.try_lock_shared().ok()?;
        Some(Self { path, marker })
    }

    /// Takes over a folder without users; none if it has users or is not ours.
    fn claim(path: PathBuf) -> Option<Self> {
        if !path.file_name()?.to_str()?.starts_with(PREFIX) || !is_own_folder(&path) {
            return None;
        }
        let marker = File::open(path.join("owner")).ok()?;
        marker.try_lock().ok()?;
        Some(Self { path, marker })
    }
}

/// Returns the folder in which this user's shared cluster is announced.
pub(crate) fn announcement(parent: &Path) -> PathBuf {
    parent.join(format!(
        "okta-collector-shared-{}",
        rustix::process::geteuid().as_raw()
    ))
}

/// Says whether a path is a folder, not a link, of this user.
pub(crate) fn is_own_folder(path: &Path) -> bool {
    std::fs::symlink_metadata(path)
        .is_ok_and(|it| it.is_dir() && it.uid() == rustix::process::geteuid().as_raw())
}

/// Stops and removes what killed runs of this user left in `parent`, by default the folder in
/// which clusters are made; returns the folders that are gone.
///
/// [`Cluster::start`](crate::Cluster::start) does this first.
///
/// # Errors
/// [`Error::Io`] if the folder cannot be read, [`Error::NotStopped`] if a leftover stays.
pub async fn sweep_leftovers(parent: Option<&Path>) -> Result<Vec<PathBuf>, Error> {
    let parent = match parent {
        Some(parent) => parent.to_path_buf(),
        None => Account::choose()?.default_parent(),
    };
    let entries = std::fs::read_dir(&parent).map_err(Error::io("list", &parent))?;
    let mut swept = Vec::new();
    for leftover in entries
        .flatten()
        .filter_map(|entry| Folder::claim(entry.path()))
    {
        tracing::info!(folder = %leftover.path.display(), "removing the cluster of a killed run");
        let gone = guard::tear_down(&leftover)
            .await
            .map_err(Error::io("run", "sh"))?;
        if !gone {
            return Err(Error::NotStopped(leftover.path));
        }
        swept.push(leftover.path);
    }
    Ok(swept)
}
