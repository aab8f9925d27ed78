//! Files in an S3 bucket, under the id of each; and links by which a provider fetches one.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html>

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{StatusCode, header};
use switchboard_core::{Blob, BlobId, Blobs, Failure};

use crate::Clients;
use crate::signed::{Signer, beginning};

/// How long a link to a file's storage is good: the provider follows it at once.
const LINK_GOOD_FOR: Duration = Duration::from_secs(300);

/// Files in a bucket.
#[derive(Debug, Clone)]
pub struct Bucket {
    signer: Signer,
    name: String,
}

impl Bucket {
    /// The bucket of this name.
    pub fn new(clients: &Clients, name: &str) -> Self {
        Self { signer: clients.signer.clone(), name: name.to_owned() }
    }

    /// Where a file is; `None` for an id that is not of our making, which is never a path.
    fn place(&self, id: &BlobId) -> Option<String> {
        let digits = id.as_str().strip_prefix("blob_")?;
        let plain = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        plain.then(|| format!("{}/{}/{}", self.signer.endpoint("s3"), self.name, id))
    }

    /// A link to a file's storage for a GET or a HEAD, for a few minutes; `None` where the id is not one of ours.
    ///
    /// # Errors
    /// [`Failure::Retry`] without credentials.
    pub(crate) async fn link(&self, method: http::Method, id: &BlobId) -> Result<Option<String>, Failure> {
        match self.place(id) {
            Some(place) => self.signer.link("s3", method, &place, LINK_GOOD_FOR).await.map(Some),
            None => Ok(None),
        }
    }
}

fn refused(answer: &http::Response<Bytes>) -> Failure {
    let why = beginning(answer.body());
    Failure::retry(format!("the store of files answers {}: {why}", answer.status()))
}

#[async_trait]
impl Blobs for Bucket {
    async fn put(&self, id: &BlobId, blob: &Blob) -> Result<(), Failure> {
        let place = self.place(id).ok_or_else(|| Failure::bug("not the id of a file"))?;
        let content_type = blob.content_type.replace(['\n', '\r'], "");
        let request = http::Request::put(place).header(header::CONTENT_TYPE, content_type);
        let request =
            request.body(blob.bytes.clone()).map_err(|_| Failure::bug("a file's type is not a header"))?;
        let answer = self.signer.send("s3", request).await?;
        if answer.status().is_success() { Ok(()) } else { Err(refused(&answer)) }
    }

    async fn get(&self, id: &BlobId) -> Result<Option<Blob>, Failure> {
        let Some(place) = self.place(id) else { return Ok(None) };
        let request = http::Request::get(place).body(Bytes::new());
        let request = request.map_err(|_| Failure::bug("a file's place is not an address"))?;
        let answer = self.signer.send("s3", request).await?;
        match answer.status() {
            StatusCode::OK => {
                let content_type = answer.headers().get(header::CONTENT_TYPE);
                let content_type =
                    content_type.and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
                Ok(Some(Blob { content_type, bytes: answer.into_body() }))
            }
            StatusCode::NOT_FOUND => Ok(None),
            _ => Err(refused(&answer)),
        }
    }
}
