//! Requests to the providers, by reqwest with rustls.

use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use switchboard_core::ports::MAX_ANSWER_BYTES;
use switchboard_core::{Http, HttpError};

/// Long enough for a slow link, short enough that an attempt of a few requests ends within its time.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// Twilio and Slack answer within seconds; uploads of a few megabytes need more.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);

/// Requests to the providers.
#[derive(Debug, Clone)]
pub struct Client(reqwest::Client);

impl Client {
    /// A client that follows no redirect and keeps its connections.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new() -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_WITHIN)
            .timeout(ANSWER_WITHIN)
            .pool_idle_timeout(Duration::from_secs(30))
            .user_agent(concat!("switchboard/", env!("CARGO_PKG_VERSION")))
            .no_proxy()
            .build()?;
        Ok(Self(client))
    }

    /// The client itself, for who has limits of their own.
    pub fn inner(&self) -> reqwest::Client {
        self.0.clone()
    }
}

#[async_trait]
impl Http for Client {
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError> {
        let request = reqwest::Request::try_from(request.map(reqwest::Body::from))
            .map_err(|error| HttpError::NotSent(plain(&error)))?;
        let mut response = self.0.execute(request).await.map_err(|error| {
            if error.is_connect() || error.is_builder() {
                HttpError::NotSent(plain(&error))
            } else {
                HttpError::Unanswered(plain(&error))
            }
        })?;
        let mut answer = http::Response::builder().status(response.status());
        if let Some(headers) = answer.headers_mut() {
            *headers = std::mem::take(response.headers_mut());
        }
        let mut body = BytesMut::new();
        while let Some(chunk) =
            response.chunk().await.map_err(|error| HttpError::Unanswered(plain(&error)))?
        {
            if body.len() + chunk.len() > MAX_ANSWER_BYTES {
                return Err(HttpError::TooLarge(MAX_ANSWER_BYTES));
            }
            body.extend_from_slice(&chunk);
        }
        answer.body(body.freeze()).map_err(|error| HttpError::Unanswered(error.to_string()))
    }
}

/// What went wrong, without the address: it may hold a number.
fn plain(error: &reqwest::Error) -> String {
    let kind = if error.is_timeout() {
        "time-out"
    } else if error.is_connect() {
        "cannot connect"
    } else if error.is_builder() {
        "not a request"
    } else {
        "the connection broke"
    };
    let mut deepest = None;
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        deepest = Some(cause);
        next = cause.source();
    }
    let cause = deepest.map(|cause| format!(" ({cause})")).unwrap_or_default();
    format!("{kind}{cause}")
}
