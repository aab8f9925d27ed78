//! The names of the files in a bucket.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html>

use anyhow::{Result, bail};
use bytes::Bytes;
use switchboard_core::BlobId;

use crate::Clients;

/// One page: ids of files of ours, and where the next begins.
pub(super) async fn page(
    clients: &Clients,
    bucket: &str,
    after: Option<&str>,
) -> Result<(Vec<BlobId>, Option<String>)> {
    // Our names need no escaping, and a page begins after the last name of the one before.
    let after = after.map(|name| format!("&start-after={name}")).unwrap_or_default();
    let address = format!("{}/{bucket}?list-type=2&prefix=blob_{after}", clients.signer.endpoint("s3"));
    let answer = clients.signer.send("s3", http::Request::get(address).body(Bytes::new())?).await?;
    if !answer.status().is_success() {
        bail!("the files of {bucket} cannot be listed: {}", answer.status());
    }
    let (ids, more) = read(&String::from_utf8_lossy(answer.body()));
    let next = if more { ids.last().map(|id| id.as_str().to_owned()) } else { None };
    Ok((ids, next))
}

/// The names of a listing, and whether there are more. They consist of letters, digits and `_`, so that nothing in them
/// is escaped, and of the document only two elements matter.
fn read(listing: &str) -> (Vec<BlobId>, bool) {
    let names = listing.split("<Key>").skip(1).filter_map(|rest| rest.split_once("</Key>"));
    let ids = names.map(|(name, _)| BlobId::from_text(name)).collect();
    (ids, listing.contains("<IsTruncated>true</IsTruncated>"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_is_its_names() {
        let listing = "<?xml version=\"1.0\"?><ListBucketResult><Name>b</Name><IsTruncated>true</IsTruncated>\
                       <Contents><Key>blob_01</Key><Size>1</Size></Contents><Contents><Key>blob_02</Key></Contents>\
                       </ListBucketResult>";
        let (ids, more) = read(listing);
        assert_eq!(ids, [BlobId::from_text("blob_01"), BlobId::from_text("blob_02")]);
        assert!(more);
        assert_eq!(
            read("<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"),
            (vec![], false)
        );
    }
}
