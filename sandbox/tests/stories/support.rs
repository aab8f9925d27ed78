//! A hub that records what it is sent and answers as it is told, and a sandbox for it.
//!
//! It checks the signature of everything it receives, with code of its own.

use std::collections::{HashMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::HeaderMap;
use serde_json::{Value, json};
use switchboard_sandbox::{Sandbox, Settings};

/// The number that phones text.
pub(crate) const HUB_NUMBER: &str = "+15550100100";
/// A phone.
pub(crate) const PHONE: &str = "+15550100177";
/// What providers believe to be the hub's address; nothing listens there.
pub(crate) const PUBLIC: &str = "https://hub.example.com";

/// Something the hub was sent.
#[derive(Clone)]
pub(crate) struct Received {
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) at: Instant,
}

impl Received {
    pub(crate) fn form(&self) -> HashMap<String, String> {
        form_urlencoded::parse(&self.body).into_owned().collect()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn event(&self) -> Value {
        self.json()["event"].clone()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// What the hub answers next.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) after: Duration,
    pub(crate) media_type: &'static str,
    pub(crate) body: &'static str,
    pub(crate) no_retry: bool,
}

impl Reply {
    pub(crate) fn status(status: u16) -> Reply {
        Reply { status, after: Duration::ZERO, media_type: "text/plain", body: "", no_retry: false }
    }
}

#[derive(Default)]
pub(crate) struct Hub {
    pub(crate) received: Mutex<Vec<Received>>,
    pub(crate) replies: Mutex<VecDeque<Reply>>,
    /// What GET answers, by path: media type and length.
    pub(crate) media: Mutex<HashMap<String, (&'static str, usize)>>,
    pub(crate) asked_for_media: Mutex<Vec<(String, String)>>,
}

/// A sandbox, its hub, and a client.
pub(crate) struct Town {
    pub(crate) hub: Arc<Hub>,
    pub(crate) base: String,
    pub(crate) http: reqwest::Client,
    pub(crate) settings: Settings,
    pub(crate) sandbox: Sandbox,
    server: tokio::task::JoinHandle<()>,
}

impl Town {
    pub(crate) async fn new() -> Town {
        Town::with(|_| {}).await
    }

    pub(crate) async fn with(adjust: impl FnOnce(&mut Settings)) -> Town {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let hub = Arc::new(Hub::default());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let hub_base = format!("http://{}", listener.local_addr().unwrap());
        let app = axum::Router::new().fallback(receive).with_state(Arc::clone(&hub));
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        let mut settings = Settings::for_hub(&hub_base);
        settings.public_base = PUBLIC.into();
        settings.behaviour.twilio_status_ms = 10;
        settings.behaviour.slack_share_ms = 10;
        settings.behaviour.slack_retry_after_ms = vec![0, 20, 40];
        adjust(&mut settings);
        Town::open(hub, settings).await
    }

    async fn open(hub: Arc<Hub>, mut settings: Settings) -> Town {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}/sandbox", listener.local_addr().unwrap());
        settings.own_base.clone_from(&base);
        let sandbox = Sandbox::new(settings.clone()).unwrap();
        let app = axum::Router::new().nest("/sandbox", sandbox.router());
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(10))
            .build()
            .unwrap();
        Town { hub, base, http, settings, sandbox, server }
    }

    /// Stops the sandbox and starts another with the same settings; the hub stays.
    pub(crate) async fn restart(self) -> Town {
        self.sandbox.stop().await;
        self.server.abort();
        Town::open(self.hub, self.settings).await
    }

    /// A call to a control path.
    pub(crate) async fn tell(&self, path: &str, order: Value) -> Value {
        let (status, answer) = self.try_tell(path, order).await;
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }

    pub(crate) async fn try_tell(&self, path: &str, order: Value) -> (u16, Value) {
        let response =
            self.http.post(format!("{}{path}", self.base)).body(order.to_string()).send().await.unwrap();
        (response.status().as_u16(), serde_json::from_str(&response.text().await.unwrap()).unwrap())
    }

    pub(crate) async fn look(&self, path: &str) -> Value {
        let response = self.http.get(format!("{}{path}", self.base)).send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        serde_json::from_str(&response.text().await.unwrap()).unwrap()
    }

    /// A call of Slack's Web API, as JSON.
    pub(crate) async fn slack(&self, method: &str, body: Value) -> Value {
        let response = self.try_slack(method, body).await.unwrap();
        assert_eq!(response.status(), 200, "{method}");
        serde_json::from_str(&response.text().await.unwrap()).unwrap()
    }

    pub(crate) async fn try_slack(
        &self,
        method: &str,
        body: Value,
    ) -> Result<reqwest::Response, reqwest::Error> {
        self.http
            .post(format!("{}/slack/api/{method}", self.base))
            .bearer_auth(&self.settings.slack.bot_token)
            .header("content-type", "application/json; charset=utf-8")
            .body(body.to_string())
            .send()
            .await
    }

    pub(crate) fn twilio_url(&self, rest: &str) -> String {
        format!("{}/twilio/2010-04-01/Accounts/{}{rest}", self.base, self.settings.twilio.account_sid)
    }

    /// `POST Messages.json`
    pub(crate) async fn send_text(&self, fields: &[(&str, &str)]) -> (u16, Value) {
        let response = self.try_send_text(fields).await.unwrap();
        let status = response.status().as_u16();
        (status, serde_json::from_str(&response.text().await.unwrap()).unwrap())
    }

    pub(crate) async fn try_send_text(
        &self,
        fields: &[(&str, &str)],
    ) -> Result<reqwest::Response, reqwest::Error> {
        let account = &self.settings.twilio;
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.http
            .post(self.twilio_url("/Messages.json"))
            .basic_auth(&account.account_sid, Some(&account.auth_token))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body)
            .send()
            .await
    }

    pub(crate) async fn get_twilio(&self, rest: &str) -> (u16, Value) {
        let account = &self.settings.twilio;
        let response = self
            .http
            .get(self.twilio_url(rest))
            .basic_auth(&account.account_sid, Some(&account.auth_token))
            .send()
            .await
            .unwrap();
        let status = response.status().as_u16();
        (status, serde_json::from_str(&response.text().await.unwrap()).unwrap_or_default())
    }

    /// Waits until the hub has received `count` requests on `path`, and a little for one too many.
    pub(crate) async fn hub_receives(&self, path: &str, count: usize) -> Vec<Received> {
        let deadline = Instant::now() + Duration::from_secs(5);
        let found = || -> Vec<Received> {
            self.hub
                .received
                .lock()
                .unwrap()
                .iter()
                .filter(|received| received.path == path)
                .cloned()
                .collect()
        };
        while found().len() < count && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(60)).await;
        let found = found();
        assert_eq!(found.len(), count, "requests on {path}");
        for received in &found {
            check_signature(&self.settings, received);
        }
        found
    }

    pub(crate) fn hub_answers(&self, reply: Reply) {
        self.hub.replies.lock().unwrap().push_back(reply);
    }
}

async fn receive(State(hub): State<Arc<Hub>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    if head.method != "POST" {
        hub.asked_for_media.lock().unwrap().push((head.method.to_string(), head.uri.path().to_owned()));
        let media = hub.media.lock().unwrap().get(head.uri.path()).copied();
        let (status, (media_type, length)) =
            (if media.is_some() { 200 } else { 404 }, media.unwrap_or(("text/plain", 0)));
        let response = Response::builder().status(status).header("content-type", media_type);
        return response.body(vec![0; length].into()).unwrap();
    }
    hub.received.lock().unwrap().push(Received {
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: head.headers,
        body: body.clone(),
        at: Instant::now(),
    });
    let reply = hub.replies.lock().unwrap().pop_front();
    let Some(reply) = reply else {
        let challenge = serde_json::from_slice::<Value>(&body)
            .ok()
            .and_then(|json| Some(json["challenge"].as_str()?.to_owned()));
        return Response::new(challenge.unwrap_or_default().into());
    };
    tokio::time::sleep(reply.after).await;
    let mut response = Response::builder().status(reply.status).header("content-type", reply.media_type);
    if reply.no_retry {
        response = response.header("x-slack-no-retry", "1");
    }
    response.body(reply.body.into()).unwrap()
}

fn check_signature(settings: &Settings, received: &Received) {
    if let Some(signature) = received.header("x-twilio-signature") {
        let mut url = format!("{PUBLIC}{}", received.path);
        if !received.query.is_empty() {
            url = format!("{url}?{}", received.query);
        }
        let mut fields: Vec<(String, String)> = form_urlencoded::parse(&received.body).into_owned().collect();
        fields.sort();
        let mut mac = Hmac::<sha1::Sha1>::new_from_slice(settings.twilio.auth_token.as_bytes()).unwrap();
        mac.update(url.as_bytes());
        fields.iter().for_each(|(name, value)| mac.update(format!("{name}{value}").as_bytes()));
        assert_eq!(signature, STANDARD.encode(mac.finalize().into_bytes()), "Twilio's signature");
        return;
    }
    let timestamp = received.header("x-slack-request-timestamp").expect("no signature at all");
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(settings.slack.signing_secret.as_bytes()).unwrap();
    mac.update(format!("v0:{timestamp}:").as_bytes());
    mac.update(&received.body);
    let expected = format!("v0={}", hex::encode(mac.finalize().into_bytes()));
    assert_eq!(received.header("x-slack-signature"), Some(expected.as_str()), "Slack's signature");
}

/// A store's place for one test.
pub(crate) fn store_in(folder: &Path) -> std::path::PathBuf {
    folder.join("deeper").join("sandbox.jsonl")
}

/// An empty order.
pub(crate) fn nothing() -> Value {
    json!({})
}
