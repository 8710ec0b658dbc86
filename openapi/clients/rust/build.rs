//! Prepares the document for progenitor, which types bodies of `application/json` only: problems are JSON too.

use std::path::Path;
use std::{env, fs, io};

const DOCUMENT: &str = "../../openapi-3.0.json";

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed={DOCUMENT}");
    let document =
        fs::read_to_string(DOCUMENT)?.replace("application/problem+json", "application/json");
    let folder = env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?;
    fs::write(Path::new(&folder).join("openapi.json"), document)
}
