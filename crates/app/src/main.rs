//! Collects the Okta System Log and hands it on; no event lost.

use std::process::ExitCode;

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => runtime.block_on(okta_collector::run(std::env::args_os())),
        Err(error) => {
            eprintln!("okta-collector: cannot start: {error}");
            ExitCode::FAILURE
        }
    }
}
