//! An AWS where something goes wrong, for the contracts of what is published.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::response::IntoResponse;
use switchboard_core::contract::Trouble;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpSocket};

use crate::Clients;

/// One of them, on a free port until the test's runtime ends.
pub(crate) struct Troubled {
    pub(crate) clients: Clients,
    asked: Arc<AtomicUsize>,
}

impl Troubled {
    /// The one where this happens to each request. `named` writes an error of this code as the service does.
    pub(crate) async fn by<R: IntoResponse>(
        trouble: Trouble,
        named: impl Fn(u16, &'static str) -> R + Clone + Send + Sync + 'static,
    ) -> Self {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let (status, code) = match trouble {
            Trouble::NobodyThere => {
                // A port that is taken, and that nobody listens on.
                let socket = TcpSocket::new_v4().unwrap();
                socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
                let address = socket.local_addr().unwrap();
                tokio::spawn(async move {
                    let _taken = socket;
                    std::future::pending::<()>().await;
                });
                return Self { clients: Clients::for_tests(&format!("http://{address}")), asked };
            }
            Trouble::NoAnswer => (0, ""),
            Trouble::TooMuch => (429, "Throttled"),
            Trouble::Credentials => (403, "InvalidClientTokenId"),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let clients = Clients::for_tests(&format!("http://{}", listener.local_addr().unwrap()));
        if trouble == Trouble::NoAnswer {
            tokio::spawn(async move {
                loop {
                    let (mut stream, _) = listener.accept().await.unwrap();
                    let _ = stream.read(&mut [0; 16 * 1024]).await;
                    count.fetch_add(1, Ordering::SeqCst);
                }
            });
        } else {
            let answer = move || async move {
                count.fetch_add(1, Ordering::SeqCst);
                named(status, code)
            };
            let answers = Router::new().fallback(answer);
            tokio::spawn(async move { axum::serve(listener, answers).await });
        }
        Self { clients, asked }
    }

    /// How often it was asked.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}
