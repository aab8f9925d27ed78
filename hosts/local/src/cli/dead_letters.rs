//! `switchboard dead-letters`: what could not be delivered, and what to do with it.

use anyhow::{Result, bail};
use clap::Subcommand;
use reqwest::Method;
use serde_json::Value;
use switchboard_hosts::output;

use super::Reach;
use super::client::{request, send};

#[derive(Subcommand)]
pub(super) enum What {
    /// Lists them, oldest first
    List {
        #[command(flatten)]
        reach: Reach,
    },
    /// Shows one whole, with its event or effect
    Show {
        /// The dead letter's number
        id: i64,
        #[command(flatten)]
        reach: Reach,
    },
    /// Tries one again, or all
    Redrive {
        /// The dead letter's number
        #[arg(required_unless_present = "all")]
        id: Option<i64>,
        /// Every one that there is now
        #[arg(long, conflicts_with = "id")]
        all: bool,
        #[command(flatten)]
        reach: Reach,
    },
    /// Gives one up; its event stays in the archive
    Discard {
        /// The dead letter's number
        id: i64,
        #[command(flatten)]
        reach: Reach,
    },
}

pub(super) async fn run(what: What) -> Result<()> {
    match what {
        What::List { reach } => list(&reach).await,
        What::Show { id, reach } => {
            let path = format!("/api/dead-letters/{id}");
            let letter: Value = send(&reach, request(&reach, Method::GET, &path)?).await?.json().await?;
            Ok(output::line(format_args!("{letter:#}"))?)
        }
        What::Redrive { id, reach, .. } => {
            let ids = match id {
                Some(id) => vec![id],
                None => all(&reach).await?.iter().filter_map(|letter| letter["id"].as_i64()).collect(),
            };
            redrive(&reach, &ids).await
        }
        What::Discard { id, reach } => {
            let path = format!("/api/dead-letters/{id}");
            send(&reach, request(&reach, Method::DELETE, &path)?).await?;
            Ok(output::line("discarded")?)
        }
    }
}

/// Has each of them tried again, whatever becomes of the others.
async fn redrive(reach: &Reach, ids: &[i64]) -> Result<()> {
    let mut failed = Vec::new();
    for id in ids {
        let path = format!("/api/dead-letters/{id}/redrive");
        if let Err(error) = send(reach, request(reach, Method::POST, &path)?).await {
            failed.push(format!("{id}: {error:#}"));
        }
    }
    let told = output::line(format_args!("{} tried again", ids.len() - failed.len()));
    if !failed.is_empty() {
        bail!("not tried again:\n{}", failed.join("\n"));
    }
    Ok(told?)
}

async fn list(reach: &Reach) -> Result<()> {
    let letters = all(reach).await?;
    for letter in &letters {
        let text = |name: &str| letter[name].as_str().unwrap_or_default().to_owned();
        let about = match text("destination") {
            destination if destination.is_empty() => {
                let kind = letter["event"]["detail-type"].as_str();
                kind.or(letter["timer"]["key"].as_str()).unwrap_or_default().to_owned()
            }
            destination => destination,
        };
        let attempts = letter["attempts"].as_u64().unwrap_or_default();
        output::line(format_args!(
            "{}  {}  {}  {about}  {attempts} attempt{}  {}: {}",
            letter["id"],
            text("at"),
            text("listener"),
            if attempts == 1 { "" } else { "s" },
            text("kind"),
            text("reason")
        ))?;
    }
    if letters.is_empty() {
        output::complain("no dead letters");
    }
    Ok(())
}

/// Every dead letter, page by page.
async fn all(reach: &Reach) -> Result<Vec<Value>> {
    let mut letters: Vec<Value> = Vec::new();
    loop {
        let after = letters.last().and_then(|letter| letter["id"].as_i64()).unwrap_or(0);
        let path = format!("/api/dead-letters?after={after}");
        let page: Value = send(reach, request(reach, Method::GET, &path)?).await?.json().await?;
        match page["dead_letters"].as_array() {
            Some(found) if !found.is_empty() => letters.extend(found.iter().cloned()),
            _ => return Ok(letters),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::extract::Path;
    use axum::routing::post;
    use http::StatusCode;

    use super::*;

    #[tokio::test]
    async fn one_that_cannot_be_redriven_keeps_no_other_from_it() {
        // Another test of this process may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
        let answer = move |Path(id): Path<i64>| async move {
            tell.send(id).unwrap();
            if id == 2 { (StatusCode::CONFLICT, "{\"error\":\"no timer\"}") } else { (StatusCode::OK, "{}") }
        };
        let hub = Router::new().route("/api/dead-letters/{id}/redrive", post(answer));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let reach = Reach { hub: format!("http://{}", listener.local_addr().unwrap()), token: None };
        tokio::spawn(async { axum::serve(listener, hub).await });
        let error = redrive(&reach, &[1, 2, 3]).await.unwrap_err().to_string();
        assert_eq!([told.recv().await, told.recv().await, told.recv().await], [Some(1), Some(2), Some(3)]);
        assert!(error.contains("2: the hub says 409: no timer"), "{error}");
    }
}
