//! The way from the root folder down to a file, without ever leaving the root.
//!
//! Every part is opened relative to the folder before it and no symbolic link is followed, so nobody who
//! may write below the root can lead a delivery elsewhere, not even by swapping parts under its feet.
//! Missing folders and the file are made. The root itself must exist: a missing one is a disk that is not
//! mounted rather than a folder to make.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, fstat, mkdirat, open, openat, statat};
use rustix::io::Errno;

use super::fault::Fault;
use super::path::RelativePath;

const FOLDER: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);

/// Readable too, to find a torn line; not blocking, should something else than a file lie there.
const FILE: OFlags = OFlags::RDWR
    .union(OFlags::APPEND)
    .union(OFlags::CREATE)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);

/// Where a file is.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) root: PathBuf,
    pub(super) path: RelativePath,
}

/// An open file with the folders that lead to it, from the root on.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) file: File,
    pub(super) folders: Vec<OwnedFd>,
}

impl Place {
    /// Opens the file for appending; makes what is missing.
    pub(super) fn open(&self) -> Result<Opened, Fault> {
        let (names, file_name) = self.path.split();
        let mut walked = PathBuf::new();
        let mut folders = Vec::new();
        let root = open(&self.root, FOLDER, Mode::empty());
        let mut folder = root.map_err(|errno| Fault::Root(errno.into()))?;
        for name in names {
            walked.push(name);
            let next = enter(&folder, name)
                .map_err(|errno| fault(&folder, name, &walked, FileType::Directory, errno))?;
            folders.push(std::mem::replace(&mut folder, next));
        }

        walked.push(file_name);
        let regular = FileType::RegularFile;
        let file = openat(&folder, file_name, FILE, Mode::from_raw_mode(0o640))
            .map_err(|errno| fault(&folder, file_name, &walked, regular, errno))?;
        let stat = fstat(&file).map_err(|errno| opening(&walked, errno))?;
        if FileType::from_raw_mode(stat.st_mode) != regular {
            return Err(Fault::NotAFile(walked));
        }
        folders.push(folder);
        Ok(Opened {
            file: file.into(),
            folders,
        })
    }
}

fn enter(folder: &OwnedFd, name: &str) -> Result<OwnedFd, Errno> {
    let enter = || openat(folder, name, FOLDER | OFlags::NOFOLLOW, Mode::empty());
    match enter() {
        Err(Errno::NOENT) => match mkdirat(folder, name, Mode::from_raw_mode(0o750)) {
            // Another writer may have been faster.
            Ok(()) | Err(Errno::EXIST) => enter(),
            Err(errno) => Err(errno),
        },
        entered => entered,
    }
}

/// What lies there says more than the system's error.
fn fault(folder: &OwnedFd, name: &str, walked: &Path, wanted: FileType, errno: Errno) -> Fault {
    let there = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)
        .map_or(wanted, |stat| FileType::from_raw_mode(stat.st_mode));
    if there == FileType::Symlink {
        Fault::SymbolicLink(walked.into())
    } else if there == wanted {
        opening(walked, errno)
    } else if wanted == FileType::Directory {
        Fault::NotAFolder(walked.into())
    } else {
        Fault::NotAFile(walked.into())
    }
}

fn opening(walked: &Path, errno: Errno) -> Fault {
    Fault::System {
        act: "open",
        name: walked.into(),
        error: errno.into(),
    }
}
