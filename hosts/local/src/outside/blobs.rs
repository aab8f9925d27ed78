//! Files under `blobs/` of the data directory: `blobs/ab/<id>` with the media type on the first line.
//!
//! A file is written beside its place, synced, and renamed into it, so a name never leads to half a file.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;
use switchboard_core::{Blob, BlobId, Blobs, Failure};
use tokio::io::AsyncWriteExt;

/// Files in a directory.
#[derive(Debug, Clone)]
pub(crate) struct FileBlobs {
    directory: PathBuf,
    /// Held while a name is given or taken away.
    naming: Arc<Mutex<()>>,
}

impl FileBlobs {
    /// Files below this directory.
    pub(crate) fn new(directory: PathBuf) -> Self {
        Self { directory, naming: Arc::default() }
    }

    /// Where a file is; `None` for an id that is not of our making, which is never a path.
    fn place(&self, id: &BlobId) -> Option<PathBuf> {
        let digits = id.as_str().strip_prefix("blob_")?;
        let plain = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        plain.then(|| self.directory.join(&digits[..2]).join(digits))
    }

    /// The files that were last stored before this time, with when that was. Files that were begun and never finished
    /// are removed.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub(crate) fn older_than(&self, before: SystemTime) -> std::io::Result<Vec<(BlobId, SystemTime)>> {
        let mut older = Vec::new();
        for directory in entries(&self.directory)? {
            for path in entries(&directory)? {
                let touched = std::fs::metadata(&path)?.modified()?;
                if touched >= before {
                    continue;
                }
                if path.extension().is_some_and(|extension| extension == "part") {
                    std::fs::remove_file(&path)?;
                    continue;
                }
                let digits = path.file_name().unwrap_or_default().to_string_lossy();
                let id = BlobId::from_text(format!("blob_{digits}"));
                if self.place(&id).is_some_and(|place| place == path) {
                    older.push((id, touched));
                }
            }
        }
        Ok(older)
    }

    /// Removes a file unless it was stored since; whether it did.
    ///
    /// # Errors
    /// When the file cannot be removed.
    pub(crate) fn remove_if_older(&self, id: &BlobId, before: SystemTime) -> std::io::Result<bool> {
        let Some(place) = self.place(id) else { return Ok(false) };
        let _naming = self.naming.lock().unwrap_or_else(PoisonError::into_inner);
        match std::fs::metadata(&place) {
            Ok(about) if about.modified()? < before => {}
            Ok(_) => return Ok(false),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        }
        std::fs::remove_file(&place)?;
        Ok(true)
    }

    async fn write(&self, place: &Path, blob: &Blob) -> std::io::Result<()> {
        let Some(directory) = place.parent() else { return Err(ErrorKind::InvalidInput.into()) };
        tokio::fs::create_dir_all(directory).await?;
        let beside = place.with_extension("part");
        let mut file = tokio::fs::File::create(&beside).await?;
        let content_type = blob.content_type.replace(['\n', '\r'], "");
        file.write_all(content_type.as_bytes()).await?;
        file.write_all(b"\n").await?;
        file.write_all(&blob.bytes).await?;
        file.sync_all().await?;
        {
            // Whoever removes old files sees this one as it was, or as it is.
            let _naming = self.naming.lock().unwrap_or_else(PoisonError::into_inner);
            std::fs::rename(&beside, place)?;
        }
        tokio::fs::File::open(directory).await?.sync_all().await
    }
}

#[async_trait]
impl Blobs for FileBlobs {
    async fn put(&self, id: &BlobId, blob: &Blob) -> Result<(), Failure> {
        let place = self.place(id).ok_or_else(|| Failure::bug("not the id of a file"))?;
        self.write(&place, blob)
            .await
            .map_err(|error| Failure::retry(format!("a file cannot be stored: {error}")))
    }

    async fn get(&self, id: &BlobId) -> Result<Option<Blob>, Failure> {
        let Some(place) = self.place(id) else { return Ok(None) };
        let content = match tokio::fs::read(&place).await {
            Ok(content) => Bytes::from(content),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
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

/// What is in a directory; nothing where there is none.
fn entries(directory: &Path) -> std::io::Result<Vec<PathBuf>> {
    match std::fs::read_dir(directory) {
        Ok(entries) => entries.map(|entry| entry.map(|entry| entry.path())).collect(),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(Vec::new())
        }
        Err(error) => Err(error),
    }
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
