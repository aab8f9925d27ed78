//! Whether a text is JSON that we read, and nothing more: what an event is asked once, at the door.
//!
//! It answers as `read` does and builds nothing. Where it says no, `read` is asked for the reason; that the two agree
//! is a property in the tests.

use super::{MAX_BYTES, MAX_DEPTH, MAX_NUMBER_LENGTH};
use wide::u8x16;

const STACK: usize = MAX_DEPTH.div_ceil(64);

/// The text, if it is one JSON object.
pub(crate) fn checked_object(bytes: &[u8]) -> Option<&str> {
    if bytes.len() > MAX_BYTES {
        return None;
    }
    let text = std::str::from_utf8(bytes).ok()?;
    let end = object(bytes, space(bytes, 0))?;
    (space(bytes, end) == bytes.len()).then_some(text)
}

/// Whether this is one JSON number.
#[cfg(test)]
pub(crate) fn is_number(bytes: &[u8]) -> bool {
    number_end(bytes, 0) == Some(bytes.len())
}

/// Reads the object at `at`; the byte after it.
fn object(bytes: &[u8], mut at: usize) -> Option<usize> {
    if *bytes.get(at)? != b'{' {
        return None;
    }
    // A bit for each array or object around, set for objects.
    let (mut around, mut depth, mut in_object) = ([0_u64; STACK], 0, true);
    let mut is_first = true;
    at = space(bytes, at + 1);
    loop {
        match *bytes.get(at)? {
            close @ (b'}' | b']') => {
                if in_object != (close == b'}') {
                    return None;
                }
                at += 1;
                if depth == 0 {
                    return Some(at);
                }
                depth -= 1;
                in_object = around[depth / 64] >> (depth % 64) & 1 != 0;
                is_first = false;
                at = space(bytes, at);
                continue;
            }
            b',' if !is_first => at = space(bytes, at + 1),
            _ if is_first => {}
            _ => return None,
        }
        if in_object {
            at = space(bytes, string(bytes, at)?);
            if *bytes.get(at)? != b':' {
                return None;
            }
            at = space(bytes, at + 1);
        }
        is_first = false;
        at = match *bytes.get(at)? {
            b'"' => string(bytes, at)?,
            b'-' | b'0'..=b'9' => number_end(bytes, at)?,
            open @ (b'{' | b'[') => {
                if depth + 1 == MAX_DEPTH {
                    return None;
                }
                let bit = 1 << (depth % 64);
                let word = &mut around[depth / 64];
                *word = if in_object { *word | bit } else { *word & !bit };
                depth += 1;
                in_object = open == b'{';
                is_first = true;
                at + 1
            }
            b'n' => word(bytes, at, b"null")?,
            b't' => word(bytes, at, b"true")?,
            b'f' => word(bytes, at, b"false")?,
            _ => return None,
        };
        at = space(bytes, at);
    }
}

fn word(bytes: &[u8], at: usize, word: &[u8]) -> Option<usize> {
    bytes.get(at..)?.starts_with(word).then_some(at + word.len())
}

#[inline]
fn space(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\r' | b'\t') = bytes.get(at) {
        at += 1;
    }
    at
}

/// Reads the number at `start`; the byte after it.
#[inline]
pub(crate) fn number_end(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start + usize::from(*bytes.get(start)? == b'-');
    let whole = at;
    at = digits(bytes, at);
    if at == whole || at > whole + 1 && bytes[whole] == b'0' {
        return None;
    }
    if bytes.get(at) == Some(&b'.') {
        let fraction = at + 1;
        at = digits(bytes, fraction);
        if at == fraction {
            return None;
        }
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        at += 1;
        at += usize::from(matches!(bytes.get(at), Some(b'+' | b'-')));
        let exponent = at;
        at = digits(bytes, exponent);
        if at == exponent {
            return None;
        }
    }
    (at - start <= MAX_NUMBER_LENGTH).then_some(at)
}

/// The byte after the digits at `at`, eight at a time.
#[inline]
fn digits(bytes: &[u8], mut at: usize) -> usize {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    while let Some(chunk) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        // A digit's byte becomes 0 to 9, every other one more, and 0x76 more than that has the top bit set.
        let values = u64::from_le_bytes(*chunk) ^ (ONES * u64::from(b'0'));
        let others = (values.wrapping_add(ONES * 0x76) | values) & (ONES << 7);
        if others != 0 {
            return at + (others.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    while let Some(b'0'..=b'9') = bytes.get(at) {
        at += 1;
    }
    at
}

/// Reads the string whose opening quote is at `at`; the byte after it.
#[inline]
fn string(bytes: &[u8], at: usize) -> Option<usize> {
    if *bytes.get(at)? != b'"' {
        return None;
    }
    let mut at = at + 1;
    loop {
        at = plain(bytes, at);
        match *bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at = escape(bytes, at)?,
            _ => return None,
        }
    }
}

/// The first byte from `at` on that means something in a string: a quote, a backslash or a control character.
#[inline]
fn plain(bytes: &[u8], mut at: usize) -> usize {
    while let Some(chunk) = bytes.get(at..).and_then(|rest| rest.first_chunk::<16>()) {
        let chunk = u8x16::new(*chunk);
        let controls = chunk.min(u8x16::splat(0x1F)).simd_eq(chunk);
        let special = chunk.simd_eq(u8x16::splat(b'"')) | chunk.simd_eq(u8x16::splat(b'\\')) | controls;
        let mask = special.to_bitmask();
        if mask != 0 {
            return at + mask.trailing_zeros() as usize;
        }
        at += 16;
    }
    while bytes.get(at).is_some_and(|byte| !matches!(byte, b'"' | b'\\' | 0..0x20)) {
        at += 1;
    }
    at
}

/// Reads the escape at `at`; the byte after it.
fn escape(bytes: &[u8], at: usize) -> Option<usize> {
    match *bytes.get(at + 1)? {
        b'n' | b't' | b'r' | b'b' | b'f' | b'"' | b'\\' | b'/' => Some(at + 2),
        b'u' => match unit(bytes, at)? {
            // Half a pair; the other half has to follow.
            0xD800..0xDC00 => matches!(unit(bytes, at + 6)?, 0xDC00..0xE000).then_some(at + 12),
            0xDC00..0xE000 => None,
            _ => Some(at + 6),
        },
        _ => None,
    }
}

/// The value of the `\uXXXX` at `at`.
fn unit(bytes: &[u8], at: usize) -> Option<u32> {
    let digits = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
    digits.iter().try_fold(0, |unit, digit| Some(unit * 16 + char::from(*digit).to_digit(16)?))
}
