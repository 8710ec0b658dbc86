//! Random names, passwords and ports from the kernel's generator.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::net::{Ipv4Addr, TcpListener};

use crate::error::Error;

const SOURCE: &str = "/dev/urandom";

/// Returns `N` random bytes as lower case hexadecimal digits.
pub(crate) fn hex<const N: usize>() -> Result<String, Error> {
    let digits = bytes::<N>()?
        .into_iter()
        .flat_map(|byte| [byte >> 4, byte & 15]);
    Ok(digits
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect())
}

/// Returns a free port of the loopback address, from the range that no system hands out by itself.
///
/// Ports from 32768 upwards are given to outgoing connections; while a server is down, one of
/// them could take its port, and the server could not come back to the same URL.
pub(crate) fn free_port() -> Result<u16, Error> {
    const FIRST: u16 = 15_433;
    const END: u16 = 32_768;
    loop {
        let port = FIRST + u16::from_ne_bytes(bytes()?) % (END - FIRST);
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(_) => return Ok(port),
            Err(error) if error.kind() == ErrorKind::AddrInUse => {}
            Err(error) => return Err(Error::io("listen on", "127.0.0.1")(error)),
        }
    }
}

fn bytes<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    File::open(SOURCE)
        .and_then(|mut source| source.read_exact(&mut bytes))
        .map_err(Error::io("read", SOURCE))?;
    Ok(bytes)
}
