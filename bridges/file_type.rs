//! What a file is, by its first bytes: what is said about it by others is only a hint.

/// The type to show for a file's content. `declared` decides only between types that look alike from outside:
/// texts, and the many kinds of documents that are ZIP archives.
pub(crate) fn content_type(bytes: &[u8], declared: &str) -> String {
    let declared = declared.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let known = by_magic(bytes);
    if let Some(known) = known {
        let archive = known == "application/zip" && declared.starts_with("application/");
        return if archive { declared } else { known.to_owned() };
    }
    if is_html(bytes) {
        return "text/html".to_owned();
    }
    let text = std::str::from_utf8(bytes).is_ok_and(|text| !text.contains('\0'));
    match text {
        true if declared.starts_with("text/") || declared == "application/json" => declared,
        true => "text/plain".to_owned(),
        false => "application/octet-stream".to_owned(),
    }
}

/// Is it a page? Slack answers a file's address with its login page where the token does not reach.
pub(crate) fn is_html(bytes: &[u8]) -> bool {
    let start = &bytes[..bytes.len().min(512)];
    let start =
        String::from_utf8_lossy(start).trim_start_matches('\u{feff}').trim_start().to_ascii_lowercase();
    start.starts_with("<!doctype html") || start.starts_with("<html")
}

/// The first bytes of each type, from an offset. After <https://mimesniff.spec.whatwg.org/> and the formats' own
/// specifications.
const MAGIC: &[(usize, &[u8], &str)] = &[
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (8, b"WEBP", "image/webp"),
    (0, b"BM", "image/bmp"),
    (0, b"II*\0", "image/tiff"),
    (0, b"MM\0*", "image/tiff"),
    (4, b"ftypheic", "image/heic"),
    (4, b"ftypheix", "image/heic"),
    (4, b"ftypmif1", "image/heif"),
    (4, b"ftypavif", "image/avif"),
    (4, b"ftyp3g", "video/3gpp"),
    (4, b"ftypqt", "video/quicktime"),
    (4, b"ftypM4A", "audio/mp4"),
    (4, b"ftyp", "video/mp4"),
    (0, b"\x1aE\xdf\xa3", "video/webm"),
    (0, b"OggS", "audio/ogg"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"\xff\xfb", "audio/mpeg"),
    (8, b"WAVE", "audio/wav"),
    (0, b"#!AMR", "audio/amr"),
    (0, b"%PDF-", "application/pdf"),
    (0, b"PK\x03\x04", "application/zip"),
    (0, b"\x1f\x8b", "application/gzip"),
];

fn by_magic(bytes: &[u8]) -> Option<&'static str> {
    let (offset, _, name) = MAGIC
        .iter()
        .find(|(offset, magic, _)| bytes.get(*offset..).is_some_and(|rest| rest.starts_with(magic)))?;
    // RIFF's own mark stands before the two that are found at 8.
    (*offset != 8 || bytes.starts_with(b"RIFF")).then_some(*name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_what_its_bytes_say() {
        for (bytes, declared, expected) in [
            (&b"\x89PNG\r\n\x1a\n...."[..], "text/html", "image/png"),
            (b"\xff\xd8\xff\xe0", "image/png", "image/jpeg"),
            (b"RIFF\0\0\0\0WEBPVP8 ", "", "image/webp"),
            (b"\0\0\0\x18ftypmp42", "", "video/mp4"),
            (b"\0\0\0\x18ftypheic", "", "image/heic"),
            (
                b"PK\x03\x04",
                "application/vnd.oasis.opendocument.text",
                "application/vnd.oasis.opendocument.text",
            ),
            (b"PK\x03\x04", "image/png", "application/zip"),
            (b"<!DOCTYPE html><p>", "image/png", "text/html"),
            (b"a,b\n", "text/csv; charset=utf-8", "text/csv"),
            (b"a,b\n", "image/png", "text/plain"),
            (b"\0\x01\x02", "image/png", "application/octet-stream"),
            (b"", "text/plain", "text/plain"),
        ] {
            assert_eq!(content_type(bytes, declared), expected, "{bytes:?} {declared}");
        }
        assert!(is_html(b"\n  <HTML lang=en>") && !is_html(b"html"));
    }
}
