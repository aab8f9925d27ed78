//! The words of a text as a phone shows them.

use switchboard_core::message::{MAX_ATTACHMENTS, MAX_NAME_CHARS};
use switchboard_core::{Attachment, PhoneNumber};
use unicode_segmentation::UnicodeSegmentation;

use super::media;
use super::segments;

/// Longest `Body` of the Messages API. Counted in UTF-16 units, so that no way of counting exceeds it.
pub(super) const MAX_BODY_UNITS: usize = 1600;
/// What follows a text that was cut.
const CUT_NOTE: &str = " [cut]";

/// Without control characters but line feeds and tabs.
pub(super) fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect()
}

/// What others are shown of a phone without a name.
pub(super) fn phone_name(phone: &PhoneNumber) -> String {
    let digits = phone.as_str();
    format!("phone …{}", &digits[digits.len().saturating_sub(4)..])
}

/// Units of a deleted message that are named, so that its readers know which one it was.
const NAMED_UNITS: usize = 40;

/// `Ann took back: hello`. A text cannot be taken back from a phone; its reader can be told.
pub(super) fn taken_back(name: &str, text: &str) -> String {
    let (name, text) = (short_name(name), plain(text).replace(['\t', '\n'], " "));
    match text.trim() {
        "" => format!("{name} took a file back."),
        text if utf16(text) <= NAMED_UNITS => format!("{name} took back: {text}"),
        text => {
            format!("{name} took back: {}...", beginning(text, NAMED_UNITS / 2).trim_end())
        }
    }
}

fn short_name(name: &str) -> String {
    let name: String = plain(name).split_whitespace().collect::<Vec<_>>().join(" ");
    let name: String = name.chars().take(MAX_NAME_CHARS).collect();
    // The ellipsis of an unnamed phone would take every text of that phone out of GSM-7, at twice the price.
    name.replace('…', "...")
}

/// `Ann: hello`, or `Correction, Ann: hello`.
pub(super) fn said(name: &str, text: &str, correction: bool, files: usize) -> String {
    let name = short_name(name);
    let text = plain(text).replace('\t', " ");
    let text = text.trim();
    let correction = if correction { "Correction, " } else { "" };
    let whole = match (text, files) {
        ("", 0) => format!("{correction}{name}:"),
        ("", 1) => format!("{correction}{name} sent a file."),
        ("", _) => format!("{correction}{name} sent {files} files."),
        _ => format!("{correction}{name}: {text}"),
    };
    fit(&whole, MAX_BODY_UNITS)
}

/// At most `units` UTF-16 units: cut after a whole grapheme, with an ellipsis and a note. The ellipsis is three
/// dots where the text is GSM-7: the character would make the whole text cost twice.
pub(super) fn fit(text: &str, units: usize) -> String {
    if text.len() <= units || utf16(text) <= units {
        return text.to_owned();
    }
    let ellipsis = if segments::is_gsm7(text) { "..." } else { "…" };
    let room = units.saturating_sub(utf16(ellipsis) + utf16(CUT_NOTE));
    format!("{}{ellipsis}{CUT_NOTE}", beginning(text, room).trim_end())
}

/// Its first whole graphemes, of at most `units` UTF-16 units together: one grapheme may be as long as a text.
fn beginning(text: &str, units: usize) -> &str {
    let mut used = 0;
    let mut end = 0;
    for (start, grapheme) in text.grapheme_indices(true) {
        used += utf16(grapheme);
        if used > units {
            break;
        }
        end = start + grapheme.len();
    }
    &text[..end]
}

fn utf16(text: &str) -> usize {
    text.encode_utf16().count()
}

/// The body and the files of one request: what cannot go as a file is named in the text.
pub(super) fn with_files<'a>(
    text: &str,
    files: &'a [Attachment],
    links: bool,
) -> (String, Vec<&'a Attachment>) {
    let mut sendable = Vec::new();
    let mut notes = String::new();
    let mut bytes = 0;
    for file in files.iter().take(MAX_ATTACHMENTS) {
        let why_not = match &file.blob {
            None => Some(file.note.as_deref().unwrap_or("not available")),
            Some(_) if !links => Some("only in the other apps"),
            Some(_) if !media::can_be_sent(&file.content_type) => {
                Some("a kind of file that phones do not take")
            }
            Some(_) if bytes + file.size > media::MAX_SENT_BYTES => Some("too large for phones"),
            Some(_) => {
                bytes += file.size;
                sendable.push(file);
                None
            }
        };
        if let Some(why) = why_not {
            let name: String = plain(&file.name).chars().take(60).collect();
            let why: String = plain(why).chars().take(100).collect();
            notes.push_str(&format!("\n[{}: {}]", name.replace('\n', " "), why.replace('\n', " ")));
        }
    }
    let notes = fit(&notes, MAX_BODY_UNITS / 2);
    let body = fit(text, MAX_BODY_UNITS - utf16(&notes)) + &notes;
    (body, sendable)
}
