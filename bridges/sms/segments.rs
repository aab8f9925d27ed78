//! How many segments a text takes: what Twilio charges and paces by.
//!
//! A text in GSM-7 has 160 septets, or 153 in each segment of several; any other is UCS-2 with 70 or 67 UTF-16
//! units. What belongs together is never split between segments: the two septets of an escaped character, a
//! surrogate pair, a whole grapheme cluster that a segment can hold. Checked against Twilio's own calculator
//! (`fixtures/twilio/segments.jsonl`).

use unicode_segmentation::UnicodeSegmentation;

use super::smart;

/// UTF-16 units in each segment of several.
const JOINED_UNITS: u32 = 67;

/// How a text is encoded and what it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Segments {
    /// Whether it is GSM-7; otherwise UCS-2.
    pub(super) gsm7: bool,
    /// How many; at least one.
    pub(super) count: u32,
}

/// Septets of a character in GSM-7; `None` for one that is not in it. Twilio's table: Ç is in it, ç and the
/// backtick are not.
fn septets(character: char) -> Option<u32> {
    match character {
        '\u{c}' | '^' | '{' | '}' | '\\' | '[' | '~' | ']' | '|' | '€' => Some(2),
        '`' => None,
        '\n' | '\r' | ' '..='~' => Some(1),
        '¡' | '£' | '¤' | '¥' | '§' | '¿' | 'Ä' | 'Å' | 'Æ' | 'Ç' | 'É' | 'Ñ' | 'Ö' | 'Ø' | 'Ü' | 'ß'
        | 'à' | 'ä' | 'å' | 'æ' | 'è' | 'é' | 'ì' | 'ñ' | 'ò' | 'ö' | 'ø' | 'ù' | 'ü' | 'Γ' | 'Δ' | 'Θ'
        | 'Λ' | 'Ξ' | 'Π' | 'Σ' | 'Φ' | 'Ψ' | 'Ω' => Some(1),
        _ => None,
    }
}

/// Can it go as GSM-7?
pub(super) fn is_gsm7(text: &str) -> bool {
    text.chars().all(|character| septets(character).is_some())
}

/// Counts the segments of a text, as it is or after Twilio's smart encoding.
pub(super) fn count(text: &str, smart_encoding: bool) -> Segments {
    if smart_encoding && !is_gsm7(text) {
        return count_exactly(&smart::encode(text));
    }
    count_exactly(text)
}

fn count_exactly(text: &str) -> Segments {
    if is_gsm7(text) {
        // No cluster of GSM-7 characters is longer than one, but for CR LF, which counts as two that may part.
        let sizes = text.chars().filter_map(septets);
        return Segments { gsm7: true, count: pack(sizes, 160, 153) };
    }
    let size = |units: usize| u32::try_from(units).unwrap_or(u32::MAX);
    let mut sizes = Vec::new();
    for grapheme in text.graphemes(true) {
        let units = size(grapheme.encode_utf16().count());
        // A cluster has no longest: one that no segment can hold is parted, or it would cost more than it counts.
        if grapheme == "\r\n" || units > JOINED_UNITS {
            sizes.extend(grapheme.chars().map(|character| size(character.len_utf16())));
        } else {
            sizes.push(units);
        }
    }
    Segments { gsm7: false, count: pack(sizes.into_iter(), 70, JOINED_UNITS) }
}

/// Fills segments of `joined` units one after the other, unless `alone` units hold everything.
fn pack(sizes: impl Iterator<Item = u32>, alone: u32, joined: u32) -> u32 {
    let (mut total, mut segments, mut used) = (0_u32, 1_u32, 0_u32);
    for size in sizes {
        total = total.saturating_add(size);
        if used.saturating_add(size) > joined {
            segments += 1;
            used = 0;
        }
        used = used.saturating_add(size);
    }
    if total <= alone { 1 } else { segments }
}
