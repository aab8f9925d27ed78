//! Identifiers and times in the providers' forms.
//!
//! Twilio: two letters and 32 hexadecimal digits. Slack: a letter and upper-case base 36. All random, so
//! that nothing can be learned from their order.

use std::time::{SystemTime, UNIX_EPOCH};

/// A Twilio SID, such as `SM…`.
pub(crate) fn sid(prefix: &str) -> String {
    format!("{prefix}{:032x}", rand::random::<u128>())
}

/// A Slack id, such as `F…` or `Ev…`.
pub(crate) fn slack_id(prefix: &str) -> String {
    const DIGITS: &[u8; 36] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let mut left = rand::random::<u64>();
    let mut id = String::with_capacity(prefix.len() + 11);
    id.push_str(prefix);
    id.push('0');
    for _ in 0..10 {
        id.push(DIGITS[(left % 36) as usize] as char);
        left /= 36;
    }
    id
}

/// A version 4 UUID, as Slack's `client_msg_id` and Twilio's idempotency token are.
pub(crate) fn uuid() -> String {
    let bits = (rand::random::<u128>() & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// Microseconds since 1970.
pub(crate) fn now_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64)
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    now_us() / 1_000
}
