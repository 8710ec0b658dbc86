//! `init`: makes the secrets of an installation in a folder, where they are missing.
//!
//! A file is written whole under another name and then given its own, which fails if the name is taken:
//! nothing is ever overwritten, runs at the same time end with the same files, and a crash leaves none half
//! written. What is there is read, because an empty or cut file would be found out too late.

use std::fs::{DirBuilder, File};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use anyhow::{Context, ensure};
use api::keys::ApiKey;
use rand::distr::{Alphanumeric, SampleString};
use secrecy::{ExposeSecret, SecretString};
use store::sealing::KeyRing;

use crate::cli::Init;
use crate::output;

/// Characters of a password; each carries almost six random bits.
const PASSWORD: usize = 40;

/// One secret of an installation.
struct Secret {
    file: &'static str,
    what: &'static str,
    make: fn() -> anyhow::Result<SecretString>,
    check: fn(&str) -> anyhow::Result<()>,
}

const SECRETS: [Secret; 3] = [
    Secret {
        file: "sealing.keys",
        what: "the key that seals stored secrets; keep a copy apart from the database",
        make: || Ok(KeyRing::generate()?),
        check: |text| Ok(KeyRing::parse(text).map(drop)?),
    },
    Secret {
        file: "database.password",
        what: "the password of the database user",
        make: || {
            Ok(Alphanumeric
                .sample_string(&mut rand::rng(), PASSWORD)
                .into())
        },
        check: |text| {
            ensure!(!text.is_empty(), "it is empty");
            Ok(())
        },
    },
    Secret {
        file: "api.key",
        what: "the first API key; `migrate` registers it",
        make: || Ok(ApiKey::generate()?.whole().clone()),
        check: |text| Ok(ApiKey::parse(text).map(drop)?),
    },
];

pub(super) fn run(options: &Init) -> anyhow::Result<()> {
    let folder = &options.folder;
    let mut builder = DirBuilder::new();
    let made = builder.recursive(true).mode(0o700).create(folder);
    made.with_context(|| format!("cannot make the folder {}", folder.display()))?;
    for secret in &SECRETS {
        let path = folder.join(secret.file);
        let made = secret.make_if_missing(folder, &path);
        let made = made.with_context(|| format!("cannot make {}", path.display()))?;
        if !made {
            secret.read(&path).with_context(|| {
                format!(
                    "{} is there but of no use; put a copy in its place, or remove it to get a new one",
                    path.display()
                )
            })?;
        }
        let did = if made { "made" } else { "kept" };
        output::print(&format!("{did} {}: {}\n", path.display(), secret.what))?;
    }
    Ok(())
}

impl Secret {
    /// Whether it was missing and is there now.
    fn make_if_missing(&self, folder: &Path, path: &Path) -> anyhow::Result<bool> {
        if path.symlink_metadata().is_ok() {
            return Ok(false);
        }
        // Readable by its owner only from the start; removed if this ends early.
        let mut file = tempfile::Builder::new()
            .prefix(".unfinished-")
            .tempfile_in(folder)?;
        let secret = (self.make)()?;
        file.write_all(secret.expose_secret().as_bytes())?;
        file.write_all(b"\n")?;
        file.as_file().sync_all()?;
        match file.persist_noclobber(path) {
            Ok(_file) => {}
            Err(error) if error.error.kind() == ErrorKind::AlreadyExists => return Ok(false),
            Err(error) => return Err(error.error.into()),
        }
        // The name must survive a loss of power as well: others are about to rely on it.
        File::open(folder)?.sync_all()?;
        Ok(true)
    }

    /// Reads it as the service will, and judges it.
    fn read(&self, path: &Path) -> anyhow::Result<()> {
        (self.check)(std::fs::read_to_string(path)?.trim_end_matches(['\r', '\n']))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn init(folder: &Path) -> anyhow::Result<()> {
        let folder = folder.to_path_buf();
        run(&Init { folder })
    }

    fn contents(folder: &Path) -> BTreeMap<String, String> {
        let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
        let read = |path| std::fs::read_to_string(path).unwrap();
        let named = entries.map(|it| (it.file_name().into_string().unwrap(), read(it.path())));
        named.collect()
    }

    #[test]
    fn three_private_files_are_made_once_and_never_changed() {
        let folder = tempfile::tempdir().unwrap();
        let secrets = folder.path().join("new/secrets");
        init(&secrets).unwrap();
        let made = contents(&secrets);
        assert_eq!(
            made.keys().collect::<Vec<_>>(),
            ["api.key", "database.password", "sealing.keys"]
        );
        for name in made.keys() {
            let file = std::fs::metadata(secrets.join(name)).unwrap();
            assert_eq!(file.permissions().mode() & 0o777, 0o600, "{name}");
        }
        assert_eq!(made["database.password"].trim().len(), PASSWORD);

        init(&secrets).unwrap();
        assert_eq!(contents(&secrets), made);

        std::fs::remove_file(secrets.join("api.key")).unwrap();
        init(&secrets).unwrap();
        let again = contents(&secrets);
        assert_eq!(again["sealing.keys"], made["sealing.keys"]);
        assert_ne!(again["api.key"], made["api.key"]);
    }

    #[test]
    fn runs_at_the_same_time_leave_one_whole_set() {
        let folder = tempfile::tempdir().unwrap();
        let start = std::sync::Barrier::new(8);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    start.wait();
                    init(folder.path()).unwrap();
                });
            }
        });
        let made = contents(folder.path());
        assert_eq!(made.len(), 3, "{:?}", made.keys());
        for secret in &SECRETS {
            (secret.check)(made[secret.file].trim()).unwrap();
        }
    }

    #[test]
    fn a_damaged_secret_is_named_and_left_as_it_is() {
        for (name, damaged, why) in [
            ("sealing.keys", "", "cannot be read"),
            ("database.password", "\n", "it is empty"),
            ("api.key", "okc_cut", "looks like okc_"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join(name), damaged).unwrap();
            let error = format!("{:#}", init(folder.path()).unwrap_err());
            assert!(error.contains(name) && error.contains(why), "{error}");
            assert_eq!(contents(folder.path())[name], damaged);
        }
    }
}
