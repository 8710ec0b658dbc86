//! Pseudo-random numbers that are the same on every machine and in every version.

use std::fmt::Write as _;

const BASE62: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// The `SplitMix64` generator: a fixed sequence per seed, which published crates do not promise.
#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `end`; 0 if `end` is 0.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    /// One of `items`, which must not be empty.
    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        let at = self.below(items.len() as u64);
        usize::try_from(at).ok().and_then(|at| items.get(at))
    }

    /// `digits` lowercase hexadecimal digits.
    pub(crate) fn hex(&mut self, digits: usize) -> String {
        let mut out = String::with_capacity(digits + 16);
        while out.len() < digits {
            let _written = write!(out, "{:016x}", self.next());
        }
        out.truncate(digits);
        out
    }

    /// `prefix` filled up to `len` characters with letters and digits.
    pub(crate) fn id(&mut self, prefix: &str, len: usize) -> String {
        let mut out = String::with_capacity(len);
        out.push_str(prefix);
        while out.len() < len {
            out.push(self.pick(BASE62).copied().map_or('A', char::from));
        }
        out
    }
}
