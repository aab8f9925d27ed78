//! What every store of files must do.

use bytes::Bytes;

use crate::id::BlobId;
use crate::ports::{Blob, Blobs};

/// Runs the suite on `blobs`.
///
/// # Panics
/// Where the contract is broken.
pub async fn blobs_keep_their_contract(blobs: &dyn Blobs) {
    let id = BlobId::from_cause(&["contract", "1"]);
    assert_eq!(blobs.get(&id).await.expect("read"), None, "nothing is there before it is put");

    let blob = Blob { content_type: "image/png".into(), bytes: Bytes::from_static(b"\x89PNG\0\xff") };
    blobs.put(&id, &blob).await.expect("put");
    assert_eq!(blobs.get(&id).await.expect("read"), Some(blob.clone()), "it comes back as it was put");

    blobs.put(&id, &blob).await.expect("put again");
    assert_eq!(blobs.get(&id).await.expect("read"), Some(blob), "putting it again changes nothing");

    let empty = Blob { content_type: "text/plain".into(), bytes: Bytes::new() };
    let other = BlobId::from_cause(&["contract", "2"]);
    blobs.put(&other, &empty).await.expect("put");
    assert_eq!(blobs.get(&other).await.expect("read"), Some(empty), "an empty file is a file");

    let hostile = BlobId::from_text("../../etc/passwd");
    assert_eq!(blobs.get(&hostile).await.ok().flatten(), None, "an id is never a path");
}
