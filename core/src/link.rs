//! Links that carry their own permission: `…?until=<unix seconds>&signature=<hex>`, our HMAC-SHA-256.
//!
//! Two uses: a provider fetches media (`/media/{id}`), and Twilio's status callback names our delivery. The
//! signature covers the purpose and the subject, so that one kind of link never opens the other's door.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use url::Url;

use crate::id::BlobId;
use crate::secret::Secret;
use crate::time::Timestamp;

/// Makes and checks links below the public base URL.
#[derive(Clone, Debug)]
pub struct Links {
    base: Url,
    key: Secret,
}

impl Links {
    /// Links below `base` (what providers see), signed with `key`.
    pub fn new(base: Url, key: Secret) -> Self {
        Self { base, key }
    }

    /// What providers see, without a slash at the end.
    pub fn base(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// The public link to a file, good until `until`.
    pub fn media(&self, blob: &BlobId, until: Timestamp) -> String {
        let seconds = until.secs().to_string();
        let signature = self.sign("media", &[blob.as_str(), &seconds]);
        format!("{}/media/{blob}?until={seconds}&signature={signature}", self.base())
    }

    /// Is this a link of ours to `blob` that is still good?
    pub fn media_allowed(&self, blob: &BlobId, until: &str, signature: &str, now: Timestamp) -> bool {
        let good = until.parse::<i64>().is_ok_and(|seconds| now.secs() <= seconds);
        self.verify("media", &[blob.as_str(), until], signature) && good
    }

    /// The signature over a purpose and its parts, in hexadecimal.
    pub fn sign(&self, purpose: &str, parts: &[&str]) -> String {
        hex::encode(self.mac(purpose, parts).finalize().into_bytes())
    }

    /// Compares in constant time.
    pub fn verify(&self, purpose: &str, parts: &[&str], signature: &str) -> bool {
        hex::decode(signature).is_ok_and(|bytes| self.mac(purpose, parts).verify_slice(&bytes).is_ok())
    }

    fn mac(&self, purpose: &str, parts: &[&str]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.key.expose().as_bytes())
            .expect("HMAC takes a key of any length");
        for part in std::iter::once(&purpose).chain(parts) {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_opens_only_its_own_file_and_only_in_time() {
        let links = Links::new("https://hub.example/".parse().unwrap(), Secret::new("key"));
        let blob = BlobId::from_cause(&["a"]);
        let link = Url::parse(&links.media(&blob, Timestamp::from_secs(1000))).unwrap();
        assert_eq!(link.path(), format!("/media/{blob}"));
        let query: std::collections::HashMap<_, _> = link.query_pairs().into_owned().collect();
        let (until, signature) = (&query["until"], &query["signature"]);
        let at = Timestamp::from_secs;
        assert!(links.media_allowed(&blob, until, signature, at(1000)));
        assert!(!links.media_allowed(&blob, until, signature, at(1001)), "too late");
        assert!(!links.media_allowed(&blob, "2000", signature, at(1000)), "another time");
        assert!(
            !links.media_allowed(&BlobId::from_cause(&["b"]), until, signature, at(1000)),
            "another file"
        );
        assert!(!links.verify("status", &[blob.as_str(), until], signature), "another purpose");
        assert!(!links.media_allowed(&blob, until, "zz", at(1000)), "not hexadecimal");
    }
}
