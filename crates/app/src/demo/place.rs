//! The file where the demo's events land.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use tempfile::TempDir;

const NAME: &str = "okta-events.ndjson";

/// A file of one event a line, below a folder that becomes the root of file destinations.
#[derive(Debug)]
pub(super) struct Place {
    folder: PathBuf,
    name: String,
    /// The folder, if it is ours; removed unless events came into it.
    temporary: Option<TempDir>,
}

impl Place {
    /// The file that was asked for, which must be new or empty; else one in a temporary folder.
    pub(super) fn choose(asked: Option<&Path>) -> anyhow::Result<Self> {
        let Some(path) = asked else {
            let temporary = tempfile::Builder::new()
                .prefix("okta-collector-demo-")
                .tempdir();
            let temporary = temporary.context("cannot make a temporary folder for the output")?;
            let folder = temporary.path().to_path_buf();
            return Ok(Self {
                folder,
                name: NAME.to_owned(),
                temporary: Some(temporary),
            });
        };
        let shown = path.display();
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.with_context(|| format!("--output {shown} names no file"))?;
        let folder = match path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        let folder = folder
            .canonicalize()
            .with_context(|| format!("the folder of --output {shown} cannot be used"))?;
        let place = Self {
            name: name.to_owned(),
            folder,
            temporary: None,
        };
        place
            .refuse_used()
            .with_context(|| format!("--output {shown} cannot be used"))?;
        Ok(place)
    }

    fn refuse_used(&self) -> anyhow::Result<()> {
        match std::fs::symlink_metadata(self.path()) {
            Ok(there) if !there.is_file() => bail!("it is not a plain file"),
            Ok(there) if there.len() > 0 => bail!("it is not empty"),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
        // Better now than at the first delivery.
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.path())?;
        Ok(())
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn path(&self) -> PathBuf {
        self.folder.join(&self.name)
    }

    /// Reads the file back: how many whole lines it holds.
    pub(super) fn count_events(&self) -> anyhow::Result<u64> {
        let read = || -> std::io::Result<u64> {
            let mut file = match File::open(self.path()) {
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
                file => file?,
            };
            let (mut buffer, mut lines) = (vec![0; 1 << 20], 0);
            loop {
                let read = file.read(&mut buffer)?;
                let bytes = buffer.get(..read).unwrap_or_default();
                lines += bytes.split(|byte| *byte == b'\n').count() as u64 - 1;
                if read == 0 {
                    return Ok(lines);
                }
            }
        };
        read().with_context(|| format!("cannot read the output {} back", self.path().display()))
    }

    /// Keeps the file if there is something in it or it was asked for; gives its path then.
    pub(super) fn keep_or_remove(&mut self) -> Option<PathBuf> {
        let empty = std::fs::metadata(self.path()).map_or(true, |file| file.len() == 0);
        match self.temporary.take() {
            // Dropped, and with it the folder.
            Some(_) if empty => None,
            Some(temporary) => Some(temporary.keep().join(&self.name)),
            None => Some(self.path()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_new_or_empty_plain_file_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("empty"), "").unwrap();
        std::fs::write(path("full"), "x").unwrap();
        std::os::unix::fs::symlink(path("empty"), path("link")).unwrap();
        for name in ["new", "empty"] {
            assert!(Place::choose(Some(&path(name))).is_ok(), "{name}");
        }
        for (name, why) in [
            ("full", "not empty"),
            ("link", "plain file"),
            ("no/such", "folder"),
        ] {
            let error = format!("{:#}", Place::choose(Some(&path(name))).unwrap_err());
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn whole_lines_are_counted() {
        let place = Place::choose(None).unwrap();
        assert_eq!(place.count_events().unwrap(), 0);
        std::fs::write(place.path(), "{}\n{}\n{\"torn\"").unwrap();
        assert_eq!(place.count_events().unwrap(), 2);
    }

    #[test]
    fn a_temporary_folder_stays_only_with_events_in_it() {
        let mut place = Place::choose(None).unwrap();
        assert_eq!(place.keep_or_remove(), None);
        assert!(!place.folder().exists());

        let mut place = Place::choose(None).unwrap();
        std::fs::write(place.path(), "{}\n").unwrap();
        assert_eq!(place.keep_or_remove(), Some(place.path()));
        std::fs::remove_dir_all(place.folder()).unwrap();
    }
}
