//! `clear`: deletes the files of a stack that is to keep nothing, so that it can be removed: CloudFormation deletes no
//! bucket with files in it.
//!
//! CloudFormation is asked, and not the functions: when a removal stopped half-way, they may be gone already.

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use sha2::{Digest, Sha256};
use url::form_urlencoded::Serializer;

use crate::Clients;
use crate::signed::beginning;

/// The buckets of `template.yaml`, by their names there.
const BUCKETS: [&str; 2] = ["Media", "PagesBucket"];

/// Whether the stack keeps what people have said when it is removed, as it was deployed.
///
/// # Errors
/// When there is no such stack, or CloudFormation does not say.
pub async fn keeps_data(clients: &Clients, stack: &str) -> Result<bool> {
    // https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DescribeStacks.html
    let said = ask(clients, "DescribeStacks", stack, None).await?;
    let said = said.with_context(|| {
        format!("there is no stack {stack} here — to mend it: name another with STACK, or another region")
    })?;
    Ok(parameter(&said, "KeepDataOnDelete") != Some("no"))
}

/// Deletes every file of the stack's buckets, in all its versions; gives how many.
///
/// # Errors
/// When AWS refuses. What is deleted by then is deleted; the same again goes on.
pub async fn clear(clients: &Clients, stack: &str) -> Result<usize> {
    let mut deleted = 0;
    for name in BUCKETS {
        // https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DescribeStackResource.html
        let Some(said) = ask(clients, "DescribeStackResource", stack, Some(name)).await? else { continue };
        let gone = element(&said, "ResourceStatus") == Some("DELETE_COMPLETE");
        let bucket = element(&said, "PhysicalResourceId").filter(|bucket| !gone && !bucket.is_empty());
        if let Some(bucket) = bucket {
            deleted += empty(clients, bucket).await?;
        }
    }
    Ok(deleted)
}

/// What CloudFormation answers; `None` where it knows nothing of that name.
async fn ask(clients: &Clients, action: &str, stack: &str, resource: Option<&str>) -> Result<Option<String>> {
    let mut form = Serializer::new(String::new());
    form.append_pair("Action", action).append_pair("Version", "2010-05-15").append_pair("StackName", stack);
    if let Some(resource) = resource {
        form.append_pair("LogicalResourceId", resource);
    }
    let request = http::Request::post(format!("{}/", clients.signer.endpoint("cloudformation")))
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body(Bytes::from(form.finish()))?;
    let answer = clients.signer.send("cloudformation", request).await?;
    let said = String::from_utf8_lossy(answer.body()).into_owned();
    match answer.status().as_u16() {
        200 => Ok(Some(said)),
        400 if said.contains("does not exist") => Ok(None),
        status => bail!("CloudFormation does not answer {action}: {status} {}", beginning(answer.body())),
    }
}

/// Deletes every version of every file of a bucket, a thousand at a time.
async fn empty(clients: &Clients, bucket: &str) -> Result<usize> {
    let place = format!("{}/{bucket}", clients.signer.endpoint("s3"));
    let mut deleted = 0;
    loop {
        // https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html
        let listing = http::Request::get(format!("{place}?versions")).body(Bytes::new())?;
        let listing = clients.signer.send("s3", listing).await?;
        match listing.status().as_u16() {
            200 => {}
            404 => return Ok(deleted),
            status => bail!("the files of {bucket} cannot be listed: {status} {}", beginning(listing.body())),
        }
        let (order, count) = order(&String::from_utf8_lossy(listing.body()));
        if count == 0 {
            return Ok(deleted);
        }
        // https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html wants a checksum.
        let request = http::Request::post(format!("{place}?delete"))
            .header("Content-Type", "application/xml")
            .header("x-amz-checksum-sha256", STANDARD.encode(Sha256::digest(order.as_bytes())))
            .body(Bytes::from(order))?;
        let answer = clients.signer.send("s3", request).await?;
        let said = String::from_utf8_lossy(answer.body());
        if !answer.status().is_success() || said.contains("<Error>") {
            bail!(
                "S3 does not delete the files of {bucket}: {} {}",
                answer.status(),
                beginning(answer.body())
            );
        }
        deleted += count;
    }
}

/// The order to delete what a listing names, and how many that are. Names are taken over as they are escaped there.
fn order(listing: &str) -> (String, usize) {
    let mut order =
        "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>true</Quiet>".to_owned();
    let mut count = 0;
    for entry in listing.split("<Key>").skip(1) {
        let Some((key, rest)) = entry.split_once("</Key>") else { continue };
        let version = element(rest, "VersionId").unwrap_or("null");
        order += &format!("<Object><Key>{key}</Key><VersionId>{version}</VersionId></Object>");
        count += 1;
    }
    (order + "</Delete>", count)
}

/// A parameter's value in what DescribeStacks says.
fn parameter<'a>(said: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = said.split_once(&format!("<ParameterKey>{name}</ParameterKey>"))?;
    element(rest, "ParameterValue")
}

/// The text of the first element of this name.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    Some(rest.split_once(&format!("</{name}>"))?.0.trim())
}

#[cfg(test)]
mod tests {
    use switchboard_stories::aws::Emulator;

    use super::*;

    #[test]
    fn what_a_listing_names_is_deleted_in_all_its_versions() {
        let listing = "<ListVersionsResult><Name>b</Name><KeyMarker></KeyMarker>\
                       <Version><Key>a &amp; b.png</Key><VersionId>2</VersionId><IsLatest>true</IsLatest></Version>\
                       <DeleteMarker><Key>c</Key><VersionId>null</VersionId></DeleteMarker></ListVersionsResult>";
        let (order, count) = order(listing);
        assert_eq!(count, 2);
        assert!(
            order.contains("<Object><Key>a &amp; b.png</Key><VersionId>2</VersionId></Object>"),
            "{order}"
        );
        assert!(order.contains("<Object><Key>c</Key><VersionId>null</VersionId></Object>"), "{order}");
    }

    #[test]
    fn a_stack_keeps_its_data_unless_it_was_deployed_not_to() {
        let said = "<Parameters><member><ParameterKey>Other</ParameterKey><ParameterValue>no</ParameterValue></member>\
                    <member><ParameterKey>KeepDataOnDelete</ParameterKey><ParameterValue>yes</ParameterValue></member>";
        assert_eq!(parameter(said, "KeepDataOnDelete"), Some("yes"));
        assert_eq!(parameter("<Parameters/>", "KeepDataOnDelete"), None);
    }

    #[tokio::test]
    async fn a_bucket_with_versions_is_emptied_and_one_that_is_gone_is_empty() {
        let emulator = Emulator::start(false).await;
        let clients = Clients::for_tests(&emulator.endpoint());
        let send = async |method: &str, path: &str, body: &str| {
            let request = http::Request::builder()
                .method(method)
                .uri(format!("{}/files{path}", emulator.endpoint()))
                .body(Bytes::from(body.to_owned()))
                .unwrap();
            let answer = clients.signer.send("s3", request).await.unwrap();
            assert!(answer.status().is_success(), "{method} {path}: {answer:?}");
            String::from_utf8_lossy(answer.body()).into_owned()
        };
        send("PUT", "", "").await;
        send("PUT", "/before%20versions%20%26%20more", "one").await;
        let on = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
        send("PUT", "?versioning", on).await;
        for text in ["one", "two"] {
            send("PUT", "/blob_1", text).await;
        }
        send("DELETE", "/blob_1", "").await;
        assert!(send("GET", "?versions", "").await.contains("<DeleteMarker>"));
        assert_eq!(empty(&clients, "files").await.unwrap(), 4);
        assert!(!send("GET", "?versions", "").await.contains("<Key>"));
        assert_eq!(empty(&clients, "files").await.unwrap(), 0);
        assert_eq!(empty(&clients, "gone").await.unwrap(), 0);
        let error = keeps_data(&clients, "nobody").await.unwrap_err().to_string();
        assert!(error.contains("there is no stack nobody here"), "{error}");
        emulator.stop().await;
    }
}
