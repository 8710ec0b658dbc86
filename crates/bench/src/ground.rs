//! What every command stands on: a durable cluster of its own, and this program as the product.

use anyhow::Context;
use local_postgres::{Cluster, Options};
use testkit::fleet::Program;

/// A cluster with `fsync` and `synchronous_commit` as in production.
pub(crate) async fn durable() -> anyhow::Result<Cluster> {
    let options = Options {
        durable: true,
        ..Options::default()
    };
    Ok(Cluster::start(options).await?)
}

/// How to run the product: this program's hidden command.
pub(crate) fn program() -> anyhow::Result<Program> {
    Ok(Program {
        path: std::env::current_exe().context("the path of this program")?,
        prefix: vec!["collector".to_owned()],
    })
}
