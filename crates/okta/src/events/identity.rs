//! The two hashes an event is told by. They are stored and compared for months: never change them.

use aws_lc_rs::digest::{Context, SHA256};
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64;

const UUID_TEXT: &[u8] = b"okta-collector identity 1 uuid text\0";
const EVENT_BYTES: &[u8] = b"okta-collector identity 1 event bytes\0";

/// The UUID itself; the hash of a text that is none in the usual form of 36 characters.
pub(super) fn of_uuid(text: &[u8]) -> [u8; 16] {
    match Uuid::try_parse_ascii(text) {
        Ok(uuid) if text.len() == 36 => uuid.into_bytes(),
        _ => sha256(UUID_TEXT, text),
    }
}

/// The hash of a whole event, for those without a `uuid`.
pub(super) fn of_event(event: &[u8]) -> [u8; 16] {
    sha256(EVENT_BYTES, event)
}

/// The hash that tells whether two events of one identity are the same, in big-endian order.
pub(super) fn content(event: &[u8]) -> [u8; 8] {
    xxh3_64(event).to_be_bytes()
}

/// The first half of a SHA-256; `domain` keeps texts and events apart.
fn sha256(domain: &[u8], bytes: &[u8]) -> [u8; 16] {
    let mut context = Context::new(&SHA256);
    context.update(domain);
    context.update(bytes);
    context
        .finish()
        .as_ref()
        .first_chunk()
        .copied()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_hashes_stay_what_they_are() {
        let uuid = *b"f1bb4a9f-54c8-4f20-9d6f-2d0c9e5a1d77";
        assert_eq!(of_uuid(&uuid)[..4], [0xf1, 0xbb, 0x4a, 0x9f]);
        assert_eq!(of_uuid(&uuid.to_ascii_uppercase()), of_uuid(&uuid));
        assert_ne!(of_uuid(b"f1bb4a9f54c84f209d6f2d0c9e5a1d77"), of_uuid(&uuid));
        assert_ne!(of_uuid(b"{}"), of_event(b"{}"));
        assert_eq!(content(b""), 0x2d06_8005_38d3_94c2_u64.to_be_bytes());
        assert_eq!(
            of_uuid(b"not a uuid"),
            0xe119_7ddf_6450_e2dc_503c_8d2c_e381_1ac0_u128.to_be_bytes()
        );
        assert_eq!(
            of_event(b"{}"),
            0xfe40_8264_2437_c5a4_7f39_5559_0f58_5b0d_u128.to_be_bytes()
        );
    }
}
