//! `pages`: uploads what `web/` was built into, from where the stack's distribution serves it.
//!
//! Files that others name go first and the page itself last, so that no page names a file that is not there. What was
//! uploaded before stays: somebody may have the page of then open.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use serde_json::Value;

use super::Deployed;
use crate::Clients;

/// Names of hashed files change with their content.
const FOREVER: &str = "public, max-age=31536000, immutable";

/// What of the description is not on AWS: the operators' interface, for which CloudWatch and the queues stand there.
const NOT_THERE: [&str; 3] = ["/api/tail", "/api/trace", "/api/dead-letters"];

/// One file of the pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its path below the root, without a slash at the beginning.
    pub name: String,
    /// What is in it.
    content: Content,
}

/// What is in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Content {
    /// What is in this file here.
    Of(PathBuf),
    /// This.
    Is(String),
}

impl File {
    fn content_type(&self) -> &'static str {
        switchboard_hosts::pages::content_type(&self.name)
    }

    fn kept(&self) -> &'static str {
        if self.name.starts_with("assets/") { FOREVER } else { "no-cache" }
    }
}

/// The files of a built `web/dist`, in the order in which they are uploaded. The distribution compresses by itself, and
/// the pretend providers are not on AWS.
///
/// # Errors
/// When it is not built, with the mend.
pub fn files(dist: &Path) -> Result<Vec<File>> {
    if !dist.join("index.html").is_file() {
        bail!("{} has no index.html — to mend it: make pages", dist.display());
    }
    let mut files = Vec::new();
    let mut directories = vec![dist.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).with_context(|| directory.display().to_string())? {
            let path = entry?.path();
            let name = path.strip_prefix(dist)?.to_str().context("a file's name is not UTF-8")?.to_owned();
            let hidden = name.split('/').any(|part| part.starts_with('.'));
            let left_out = name.ends_with(".br")
                || name.ends_with(".gz")
                || ["sandbox.html", "trouble.html"].contains(&name.as_str());
            if path.is_dir() {
                directories.push(path);
            } else if !hidden && !left_out {
                files.push(File { name, content: Content::Of(path) });
            }
        }
    }
    for (name, text) in [
        ("api/openapi.json", described()?),
        ("api/asyncapi.json", switchboard_bridges::web_chat::ASYNCAPI.to_owned()),
    ] {
        files.push(File { name: name.to_owned(), content: Content::Is(text) });
    }
    files.sort_by_key(|file| {
        (file.name == "index.html", !file.name.starts_with("assets/"), file.name.clone())
    });
    Ok(files)
}

/// The OpenAPI document of what is on AWS.
fn described() -> Result<String> {
    let mut document: Value = serde_json::from_str(switchboard_hosts::pages::OPENAPI)?;
    let paths = document["paths"].as_object_mut().context("the description has no paths")?;
    paths.retain(|path, _| !NOT_THERE.iter().any(|left_out| path.starts_with(left_out)));
    document["info"]["description"] = "By the session's cookie, or with the hub's token.".into();
    Ok(document.to_string())
}

/// Uploads them into a bucket.
///
/// # Errors
/// When a file cannot be read, or S3 does not take it.
pub async fn upload(clients: &Clients, bucket: &str, files: &[File]) -> Result<()> {
    let place = format!("{}/{bucket}", clients.signer.endpoint("s3"));
    for file in files {
        let bytes = match &file.content {
            Content::Of(path) => Bytes::from(fs::read(path).with_context(|| path.display().to_string())?),
            Content::Is(text) => Bytes::from(text.clone()),
        };
        let request = http::Request::put(format!("{place}/{}", file.name))
            .header(CONTENT_TYPE, file.content_type())
            .header(CACHE_CONTROL, file.kept())
            .body(bytes)?;
        let answer = clients.signer.send("s3", request).await?;
        if !answer.status().is_success() {
            let why: String = String::from_utf8_lossy(answer.body()).chars().take(300).collect();
            bail!("S3 does not take {}: {} {why}", file.name, answer.status());
        }
    }
    Ok(())
}

/// The bucket of a stack's pages.
///
/// # Errors
/// When no function knows it.
pub fn bucket(functions: &[Deployed]) -> Result<&str> {
    let known = functions.iter().find_map(|function| function.value("SWITCHBOARD_PAGES"));
    known.context("no function knows SWITCHBOARD_PAGES — to mend it: make deploy")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_comes_last_and_only_what_is_served_is_uploaded() {
        let dist = std::env::temp_dir().join(format!("switchboard-pages-{}", std::process::id()));
        for name in
            ["index.html", "index.html.br", "sandbox.html", "worker.js", "assets/a-1.js", "assets/a-1.js.gz"]
        {
            let path = dist.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        }
        let files = files(&dist).unwrap();
        fs::remove_dir_all(&dist).unwrap();
        let said: Vec<_> = files.iter().map(|file| (&*file.name, file.content_type(), file.kept())).collect();
        let script = "text/javascript; charset=utf-8";
        let expected = [
            ("assets/a-1.js", script, FOREVER),
            ("api/asyncapi.json", "application/json", "no-cache"),
            ("api/openapi.json", "application/json", "no-cache"),
            ("worker.js", script, "no-cache"),
            ("index.html", "text/html; charset=utf-8", "no-cache"),
        ];
        assert_eq!(said, expected);
        assert!(super::files(&dist).unwrap_err().to_string().contains("make pages"));
    }

    #[test]
    fn what_is_described_there_is_what_is_there() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let template = fs::read_to_string(root.join("template.yaml")).unwrap();
        let routes = template.lines().filter_map(|line| line.split_once("RouteKey: \"")?.1.split_once('"'));
        let routes: Vec<&str> = routes.filter_map(|(key, _)| Some(key.split_once(' ')?.1)).collect();
        let document: Value = serde_json::from_str(&described().unwrap()).unwrap();
        // The socket is of the WebSocket API.
        for path in document["paths"].as_object().unwrap().keys().filter(|path| *path != "/api/socket") {
            assert!(
                routes.contains(&path.as_str()),
                "{path} is described, and no route of the template leads to it"
            );
        }
    }

    #[test]
    fn the_policy_of_the_pages_is_that_of_one_machine_and_the_place_of_files() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let read = |name: &str| fs::read_to_string(root.join(name)).unwrap();
        let between = |text: &str, from: &str, to: &str| -> String {
            let text = text.split_once(from).unwrap().1.split_once(to).unwrap().0.replace("\\\n", "");
            text.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        let here = between(&read("hosts/local/src/web/pages.rs"), "const POLICY: &str = \"", "\";");
        let there = between(&read("template.yaml"), "ContentSecurityPolicy: !Sub \"", "\"");
        assert_eq!(there.replace(" https://s3.${AWS::Region}.${AWS::URLSuffix}", ""), here);
    }
}
