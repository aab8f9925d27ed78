//! A file that a person sends, from a phone or in Slack, as a control call describes it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;

/// A file that a person sends: its bytes in base64, or its text, or a tiny picture.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SentMedia {
    #[serde(default = "png")]
    pub(crate) content_type: String,
    pub(crate) name: Option<String>,
    pub(crate) base64: Option<String>,
    pub(crate) text: Option<String>,
}

fn png() -> String {
    "image/png".into()
}

/// A PNG of one pixel.
const PIXEL: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

impl SentMedia {
    /// The bytes, or a sentence about why there are none.
    pub(crate) fn bytes(&self) -> Result<Bytes, String> {
        match (&self.base64, &self.text) {
            (None, Some(text)) => Ok(Bytes::copy_from_slice(text.as_bytes())),
            (encoded, _) => STANDARD
                .decode(encoded.as_deref().unwrap_or(PIXEL))
                .map(Bytes::from)
                .map_err(|_| "a file's base64 cannot be decoded".to_owned()),
        }
    }
}
