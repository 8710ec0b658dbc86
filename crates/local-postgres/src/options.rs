//! What a server should be like, the same for programs and containers.

use std::path::PathBuf;

/// What a server should be like.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The folder with `initdb` and `postgres`; by default they are looked for.
    pub bin_dir: Option<PathBuf>,
    /// The folder in which the cluster's folder is made; by default the temporary folder.
    pub parent: Option<PathBuf>,
    /// Whether a commit survives the loss of power. Without it a server is fast, and a crash of
    /// its own may lose the last commits: for tests.
    pub durable: bool,
    /// More server settings, name and value; they win over the ones made here.
    pub settings: Vec<(String, String)>,
}

impl Options {
    /// Returns the settings as arguments of `postgres`.
    pub fn arguments(&self) -> Vec<String> {
        let careless = ["fsync", "synchronous_commit", "full_page_writes"];
        let careless = careless.map(|name| (name, "off"));
        let careless = if self.durable { &[][..] } else { &careless };
        let fixed = [("timezone", "UTC")];
        let extra = self
            .settings
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        fixed
            .into_iter()
            .chain(careless.iter().copied())
            .chain(extra)
            .flat_map(|(name, value)| ["-c".into(), format!("{name}={value}")])
            .collect()
    }
}
