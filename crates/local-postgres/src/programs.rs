//! Finds the PostgreSQL programs of this machine.
//!
//! Packages put them in many places, often outside `PATH` (Debian keeps several versions side by
//! side). The first place that holds version 15 or newer wins.

use std::cmp::Reverse;
use std::fmt;
use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::error::Error;

/// The oldest major version that the collector supports.
pub const OLDEST_MAJOR: u32 = 15;

/// A PostgreSQL version such as 15.18; the minor part of a preview (`18beta1`) is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// The part that decides about compatibility.
    pub major: u32,
    /// The part that counts fixes.
    pub minor: u32,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// The programs that were found.
#[derive(Debug, Clone)]
pub struct Programs {
    /// The folder that holds `initdb` and `postgres`.
    pub bin_dir: PathBuf,
    /// The version of `postgres`.
    pub version: Version,
}

impl Programs {
    /// Finds the programs: in `bin_dir` alone if given, else in `PATH`, then where packages put
    /// them.
    ///
    /// # Errors
    /// [`Error::ProgramsNotFound`], [`Error::NotInBinDir`], or [`Error::TooOld`] when there are
    /// none but old ones.
    pub async fn find(bin_dir: Option<&Path>) -> Result<Self, Error> {
        let places = match bin_dir {
            Some(dir) => vec![dir.to_path_buf()],
            None => usual_places(),
        };
        Self::first_in(places)
            .await
            .map_err(|error| match (error, bin_dir) {
                (Error::ProgramsNotFound, Some(dir)) => Error::NotInBinDir(dir.to_path_buf()),
                (error, _) => error,
            })
    }

    async fn first_in(places: Vec<PathBuf>) -> Result<Self, Error> {
        let mut too_old = None;
        for bin_dir in places {
            if !bin_dir.join("initdb").is_file() {
                continue;
            }
            let Some(version) = ask_version(&bin_dir.join("postgres")).await else {
                continue;
            };
            if version.major >= OLDEST_MAJOR {
                return Ok(Self { bin_dir, version });
            }
            too_old.get_or_insert(Error::TooOld { bin_dir, version });
        }
        Err(too_old.unwrap_or(Error::ProgramsNotFound))
    }

    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.bin_dir.join(name)
    }
}

/// Lists the folders to look in, best first.
fn usual_places() -> Vec<PathBuf> {
    // The search path is how programs are found, not a setting of ours.
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<_> = std::env::split_paths(&path).collect();
    places.extend(highest_first("/usr/lib/postgresql", "", "bin"));
    places.extend(highest_first("/usr", "pgsql-", "bin"));
    places.push("/usr/local/pgsql/bin".into());
    for homebrew in ["/opt/homebrew/opt", "/usr/local/opt"] {
        places.extend(highest_first(homebrew, "postgresql@", "bin"));
        places.push(Path::new(homebrew).join("postgresql/bin"));
    }
    places
}

/// Lists `<parent>/<prefix><number>/<below>`, the highest number first.
fn highest_first(parent: &str, prefix: &str, below: &str) -> Vec<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = std::fs::read_dir(parent)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name();
            let major = name.to_str()?.strip_prefix(prefix)?.parse().ok()?;
            Some((major, entry.path().join(below)))
        })
        .collect();
    found.sort_unstable_by_key(|(major, _)| Reverse(*major));
    found.into_iter().map(|(_, path)| path).collect()
}

async fn ask_version(postgres: &Path) -> Option<Version> {
    let output = Command::new(postgres)
        .arg("--version")
        .output()
        .await
        .ok()?;
    parse_version(std::str::from_utf8(&output.stdout).ok()?)
}

/// Reads `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`.
fn parse_version(text: &str) -> Option<Version> {
    let number = text
        .split_once("(PostgreSQL) ")?
        .1
        .split_whitespace()
        .next()?;
    let mut parts = number.split(|c: char| !c.is_ascii_digit());
    let major = parts.next()?.parse().ok()?;
    let minor = if number.contains('.') {
        parts.next()?.parse().ok()?
    } else {
        0
    };
    Some(Version { major, minor })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn versions_of_releases_and_previews_are_read() {
        let read = |text| parse_version(text).map(|v| (v.major, v.minor));
        assert_eq!(
            read("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"),
            Some((15, 18))
        );
        assert_eq!(read("postgres (PostgreSQL) 17.2"), Some((17, 2)));
        assert_eq!(read("postgres (PostgreSQL) 19beta1"), Some((19, 0)));
        assert_eq!(read("postgres (EnterpriseThing) 12"), None);
        assert_eq!(read(""), None);
    }

    #[test]
    fn folders_are_ordered_by_number_not_by_letter() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["9", "15", "100", "current"] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
        }
        let found = highest_first(dir.path().to_str().unwrap(), "", "bin");
        let expected = ["100/bin", "15/bin", "9/bin"].map(|name| dir.path().join(name));
        assert_eq!(found, expected);
    }

    fn fake_programs(dir: &Path, version: &str) {
        std::fs::create_dir(dir).unwrap();
        for name in ["initdb", "postgres"] {
            let script = format!("#!/bin/sh\necho 'postgres (PostgreSQL) {version}'\n");
            std::fs::write(dir.join(name), script).unwrap();
            std::fs::set_permissions(dir.join(name), PermissionsExt::from_mode(0o755)).unwrap();
        }
    }

    #[tokio::test]
    async fn an_old_version_is_passed_over_for_a_newer_one_further_on() {
        let dir = tempfile::tempdir().unwrap();
        let (old, new) = (dir.path().join("old"), dir.path().join("new"));
        fake_programs(&old, "13.4");
        fake_programs(&new, "16.1");

        let found = Programs::first_in(vec![dir.path().into(), old.clone(), new.clone()]).await;
        assert_eq!(found.unwrap().bin_dir, new);

        let error = Programs::find(Some(&old)).await.unwrap_err().to_string();
        assert!(
            error.contains("are version 13.4, but 15 or newer is needed"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn missing_programs_say_what_to_install_or_which_folder_is_wrong() {
        let dir = tempfile::tempdir().unwrap();
        let error = Programs::first_in(vec![dir.path().into()])
            .await
            .unwrap_err();
        assert!(
            error.to_string().contains("apt-get install postgresql"),
            "{error}"
        );

        let error = Programs::find(Some(dir.path())).await.unwrap_err();
        assert!(matches!(error, Error::NotInBinDir(path) if path == dir.path()));
    }
}
