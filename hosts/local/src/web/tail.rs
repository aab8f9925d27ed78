//! `GET /api/tail?pattern=…`: events as they happen, one JSON envelope a line, without a gap.
//!
//! Who reads too slowly for the stream from the writer is served from the archive until it has caught up.

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream;
use http::{StatusCode, header};
use switchboard_rules::Pattern;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};

use super::{Hub, refusal};
use crate::bus::archive::Archive;

const CATCH_UP: usize = 256;

struct Tail {
    archive: Archive,
    shown: broadcast::Receiver<(i64, Arc<[u8]>)>,
    stopping: watch::Receiver<bool>,
    pattern: Option<Pattern>,
    /// The last position that was looked at.
    last: i64,
    behind: bool,
}

pub(super) async fn tail(
    State(hub): State<Arc<Hub>>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let pattern = match query.get("pattern").map(|text| Pattern::parse(text)).transpose() {
        Ok(pattern) => pattern,
        Err(error) => return refusal(StatusCode::BAD_REQUEST, &format!("not a pattern: {error}")),
    };
    // Listen first, then look where the archive ends: nothing between the two is lost.
    let shown = hub.shown.subscribe();
    let archive = hub.archive.clone();
    let last = match query.get("after").map(|text| text.parse::<i64>()) {
        Some(Ok(after)) => Ok(after),
        Some(Err(_)) => return refusal(StatusCode::BAD_REQUEST, "after is a position"),
        None => super::api::blocking(move || archive.last_position()).await,
    };
    let last = match last {
        Ok(last) => last,
        Err(error) => return refusal(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
    };
    let tail = Tail {
        archive: hub.archive.clone(),
        shown,
        stopping: hub.stopping.clone(),
        pattern,
        last,
        behind: true,
    };
    let lines = stream::unfold(tail, |mut tail| async move {
        let lines = tail.next().await?;
        Some((Ok::<_, std::convert::Infallible>(lines), tail))
    });
    ([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response()
}

impl Tail {
    /// The next lines; `None` when the hub stops.
    async fn next(&mut self) -> Option<Bytes> {
        let mut lines = Vec::new();
        while lines.is_empty() {
            if self.behind {
                let (archive, last) = (self.archive.clone(), self.last);
                let found = super::api::blocking(move || archive.events_after(last, CATCH_UP)).await.ok()?;
                self.behind = found.len() == CATCH_UP;
                for (position, body) in found {
                    self.take(position, &body, &mut lines);
                }
                continue;
            }
            let shown = tokio::select! {
                shown = self.shown.recv() => shown,
                _ = self.stopping.wait_for(|stopping| *stopping) => return None,
            };
            match shown {
                Ok((position, body)) => self.take(position, &body, &mut lines),
                Err(RecvError::Lagged(_)) => self.behind = true,
                Err(RecvError::Closed) => return None,
            }
        }
        Some(lines.into())
    }

    fn take(&mut self, position: i64, body: &[u8], lines: &mut Vec<u8>) {
        if position <= self.last {
            return;
        }
        self.last = position;
        if self.pattern.as_ref().is_none_or(|pattern| pattern.matches(body).unwrap_or(false)) {
            lines.extend_from_slice(body);
            lines.push(b'\n');
        }
    }
}
