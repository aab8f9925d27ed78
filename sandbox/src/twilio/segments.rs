//! How many segments a text takes: <https://www.twilio.com/docs/glossary/what-sms-character-limit>
//!
//! GSM-7 holds 160 in one segment and 153 in each of several, UCS-2 70 and 67. Twilio also keeps whole
//! grapheme clusters together, which is left out here: only surrogate pairs and escaped characters are.

const GSM_7: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?\
    ¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
const GSM_7_ESCAPED: &str = "\u{c}^{}\\[~]|€";

/// The number of segments; an empty text takes one.
pub(crate) fn count(text: &str) -> u32 {
    let septets = |c: char| match c {
        c if c.is_ascii_alphanumeric() || GSM_7.contains(c) => Some(1),
        c if GSM_7_ESCAPED.contains(c) => Some(2),
        _ => None,
    };
    match text.chars().map(septets).collect::<Option<Vec<usize>>>() {
        Some(sizes) => pack(&sizes, 160, 153),
        None => pack(&text.chars().map(char::len_utf16).collect::<Vec<_>>(), 70, 67),
    }
}

fn pack(sizes: &[usize], alone: usize, joined: usize) -> u32 {
    if sizes.iter().sum::<usize>() <= alone {
        return 1;
    }
    let (mut segments, mut used) = (1, 0);
    for size in sizes {
        if used + size > joined {
            segments += 1;
            used = 0;
        }
        used += size;
    }
    segments
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn texts_are_cut_where_twilio_cuts_them() {
        for (text, expected) in [
            (String::new(), 1),
            ("a".repeat(160), 1),
            ("a".repeat(161), 2),
            ("a".repeat(306), 2),
            ("a".repeat(307), 3),
            ("€".repeat(80), 1),
            ("€".repeat(81), 2),
            ("ж".repeat(70), 1),
            ("ж".repeat(71), 2),
            ("😀".repeat(35), 1),
            ("😀".repeat(67), 3),
            (format!("{}ç", "a".repeat(69)), 1),
            (format!("{}ç", "a".repeat(70)), 2),
        ] {
            assert_eq!(count(&text), expected, "{text}");
        }
    }
}
