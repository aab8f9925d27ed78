//! Files under `blobs/` of the data directory: `blobs/ab/<id>` with the media type on the first line.
//!
//! A file is written beside its place, synced, and renamed into it, so a name never leads to half a file.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use switchboard_core::{Blob, BlobId, Blobs, Failure};
use tokio::io::AsyncWriteExt;

/// Files in a directory.
#[derive(Debug, Clone)]
pub(crate) struct FileBlobs {
    directory: PathBuf,
}

impl FileBlobs {
    /// Files below this directory.
    pub(crate) fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// Where a file is; `None` for an id that is not of our making, which is never a path.
    fn place(&self, id: &BlobId) -> Option<PathBuf> {
        let digits = id.as_str().strip_prefix("blob_")?;
        let plain = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        plain.then(|| self.directory.join(&digits[..2]).join(digits))
    }
}

#[async_trait]
impl Blobs for FileBlobs {
    async fn put(&self, id: &BlobId, blob: &Blob) -> Result<(), Failure> {
        let place = self.place(id).ok_or_else(|| Failure::bug("not the id of a file"))?;
        write(&place, blob).await.map_err(|error| Failure::retry(format!("a file cannot be stored: {error}")))
    }

    async fn get(&self, id: &BlobId) -> Result<Option<Blob>, Failure> {
        let Some(place) = self.place(id) else { return Ok(None) };
        let content = match tokio::fs::read(&place).await {
            Ok(content) => Bytes::from(content),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Failure::retry(format!("a file cannot be read: {error}"))),
        };
        let end = content
            .iter()
            .position(|byte| *byte == b'\n')
            .ok_or_else(|| Failure::bug("a file has no type"))?;
        let content_type = String::from_utf8_lossy(&content[..end]).into_owned();
        Ok(Some(Blob { content_type, bytes: content.slice(end + 1..) }))
    }
}

async fn write(place: &Path, blob: &Blob) -> std::io::Result<()> {
    let Some(directory) = place.parent() else { return Err(std::io::ErrorKind::InvalidInput.into()) };
    tokio::fs::create_dir_all(directory).await?;
    let beside = place.with_extension("part");
    let mut file = tokio::fs::File::create(&beside).await?;
    let content_type = blob.content_type.replace(['\n', '\r'], "");
    file.write_all(content_type.as_bytes()).await?;
    file.write_all(b"\n").await?;
    file.write_all(&blob.bytes).await?;
    file.sync_all().await?;
    tokio::fs::rename(&beside, place).await?;
    tokio::fs::File::open(directory).await?.sync_all().await
}

#[cfg(test)]
mod tests {
    use switchboard_core::contract::blobs_keep_their_contract;

    use super::*;

    #[tokio::test]
    async fn files_keep_the_contract() {
        let directory = tempfile::tempdir().unwrap();
        blobs_keep_their_contract(&FileBlobs::new(directory.path().to_owned())).await;
    }
}
