//! Accepting connections: bounded in number, in header size and in the time a peer may take.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, watch};
use tower::Service;
use tracing::{debug, warn};

use super::access::Peer;

/// Most connections at once.
const MAX_CONNECTIONS: usize = 4096;
/// Most bytes of a request's line and headers; more is answered 431.
const MAX_HEADER_BYTES: usize = 32 * 1024;
/// Most headers; more is answered 431.
const MAX_HEADERS: usize = 100;
/// How long a peer may take to send its headers, and how long an idle connection is kept.
const HEADERS_WITHIN: Duration = Duration::from_secs(15);
/// How long open requests may take to end when the hub stops.
const DRAIN_WITHIN: Duration = Duration::from_secs(10);

/// Serves until `stopping` turns true, then lets open requests end.
pub(crate) async fn serve(listener: TcpListener, router: Router, mut stopping: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    // Each connection holds a sender: when none is left, the last has ended.
    let (alive, mut ended) = mpsc::channel::<()>(1);
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { break };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopping.wait_for(|stopping| *stopping) => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file handles, most likely: wait for some to be given back.
                warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        if let Err(error) = stream.set_nodelay(true) {
            debug!(%error, "a connection without TCP_NODELAY");
        }
        let router = router.clone();
        let service = service_fn(move |mut request: http::Request<Incoming>| {
            request.extensions_mut().insert(Peer(peer));
            let mut router = router.clone();
            async move { Ok::<_, Infallible>(infallible(router.call(request).await)) }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADERS_WITHIN)
            .max_buf_size(MAX_HEADER_BYTES)
            .max_headers(MAX_HEADERS)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let (alive, mut stopping) = (alive.clone(), stopping.clone());
        tokio::spawn(async move {
            let mut connection = pin!(connection);
            let result = tokio::select! {
                result = connection.as_mut() => result,
                () = async { drop(stopping.wait_for(|stopping| *stopping).await) } => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = result {
                debug!(%error, "a connection ended badly");
            }
            drop((place, alive));
        });
    }
    drop(listener);
    drop(alive);
    if tokio::time::timeout(DRAIN_WITHIN, ended.recv()).await.is_err() {
        warn!("some requests did not end in time");
    }
}

fn infallible<T>(result: Result<T, Infallible>) -> T {
    match result {
        Ok(value) => value,
        Err(never) => match never {},
    }
}
