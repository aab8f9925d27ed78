//! The client keeps the port's contract against a server that does as it is told, byte by byte.

use std::sync::Arc;

use async_trait::async_trait;
use switchboard_core::Http;
use switchboard_core::contract::{Behaviour, HttpUnderTest, http_keeps_its_contract};
use switchboard_core::memory::SentRequest;
use switchboard_core::ports::MAX_ANSWER_BYTES;
use switchboard_hosts::http::Client;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

struct Provider {
    client: Client,
    port: u16,
    seen: Arc<Mutex<Vec<SentRequest>>>,
    serving: Mutex<Option<JoinHandle<()>>>,
}

impl Provider {
    async fn new() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let port =
            TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address").port();
        Self {
            client: Client::new().expect("a client"),
            port,
            seen: Arc::default(),
            serving: Mutex::default(),
        }
    }
}

#[async_trait]
impl HttpUnderTest for Provider {
    fn http(&self) -> &dyn Http {
        &self.client
    }

    fn base(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// One request, one connection: what a pooled one would do is the client's to find out.
    async fn next(&self, behaviour: Behaviour) {
        let mut serving = self.serving.lock().await;
        if let Some(before) = serving.take() {
            before.abort();
            let _ = before.await;
        }
        if matches!(behaviour, Behaviour::Refuse) {
            return;
        }
        let listener = TcpListener::bind(("127.0.0.1", self.port)).await.expect("its port");
        let seen = Arc::clone(&self.seen);
        *serving = Some(tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let request = read(&mut stream).await;
            seen.lock().await.push(request);
            write(&mut stream, behaviour).await;
        }));
    }

    async fn seen(&self) -> Vec<SentRequest> {
        self.seen.lock().await.clone()
    }
}

async fn read(stream: &mut TcpStream) -> SentRequest {
    let mut bytes = Vec::new();
    loop {
        let mut part = [0; 4096];
        let read = stream.read(&mut part).await.expect("a request");
        assert!(read > 0, "the client hung up");
        bytes.extend_from_slice(&part[..read]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let mut lines = head.lines().map(ToOwned::to_owned);
        let line = lines.next().expect("a line");
        let headers: Vec<String> = lines.collect();
        let request = SentRequest { line: line.replace(" HTTP/1.1", ""), headers, body: body.to_owned() };
        let length = request.header("content-length").map_or(0, |length| length.parse().expect("a length"));
        if body.len() >= length {
            return request;
        }
    }
}

async fn write(stream: &mut TcpStream, behaviour: Behaviour) {
    // The client may have heard enough: that is its contract, and no fault here.
    match behaviour {
        Behaviour::Answer(answer) => {
            let mut head =
                format!("HTTP/1.1 {}\r\ncontent-length: {}\r\n", answer.status(), answer.body().len());
            for (name, value) in answer.headers() {
                head.push_str(&format!("{name}: {}\r\n", value.to_str().expect("text")));
            }
            head.push_str("connection: close\r\n\r\n");
            let _ = stream.write_all(head.as_bytes()).await;
            let _ = stream.write_all(answer.body()).await;
        }
        Behaviour::Refuse | Behaviour::HangUp => {}
        Behaviour::HangUpInTheMiddle => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nfive.").await;
        }
        Behaviour::TooMuch => {
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", MAX_ANSWER_BYTES + 1);
            let _ = stream.write_all(head.as_bytes()).await;
            let _ = stream.write_all(&vec![b'x'; MAX_ANSWER_BYTES + 1]).await;
        }
    }
    let _ = stream.shutdown().await;
}

#[tokio::test]
async fn the_client_keeps_the_contract() {
    http_keeps_its_contract(&Provider::new().await).await;
}
