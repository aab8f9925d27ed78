//! A provider that answers from a script and keeps what it was asked.

use std::collections::VecDeque;
use std::sync::Mutex;

use async_trait::async_trait;
use bytes::Bytes;

use crate::ports::{Http, HttpError};

/// A request as it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentRequest {
    /// `POST https://host/path?query`.
    pub line: String,
    /// All headers, `name: value`, by name.
    pub headers: Vec<String>,
    /// The body, as text where it is text.
    pub body: String,
}

impl SentRequest {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// What the script says comes next.
pub type Answer = Result<http::Response<Bytes>, HttpError>;

/// Answers in the order of its script, then with `NotSent`.
#[derive(Debug, Default)]
pub struct ScriptedHttp {
    answers: Mutex<VecDeque<Answer>>,
    /// With whether it reached the provider.
    sent: Mutex<Vec<(SentRequest, bool)>>,
}

impl ScriptedHttp {
    /// A provider with these answers.
    pub fn new(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self { answers: Mutex::new(answers.into_iter().collect()), sent: Mutex::default() }
    }

    /// Puts another answer at the end of the script.
    ///
    /// # Panics
    /// When a test panicked while it asked.
    pub fn then(&self, answer: Answer) {
        self.answers.lock().expect("no test panics while it holds this").push_back(answer);
    }

    /// An answer with a JSON body.
    pub fn json(status: u16, body: &str) -> Answer {
        Self::answer(status, &[("content-type", "application/json")], body.as_bytes().to_vec())
    }

    /// An answer.
    ///
    /// # Panics
    /// When the status or a header cannot be one.
    pub fn answer(status: u16, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
        let mut builder = http::Response::builder().status(status);
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        Ok(builder.body(body.into()).expect("a test's answer is well formed"))
    }

    /// What was asked, in order.
    ///
    /// # Panics
    /// When a test panicked while it asked.
    pub fn sent(&self) -> Vec<SentRequest> {
        let sent = self.sent.lock().expect("no test panics while it holds this");
        sent.iter().map(|(request, _)| request.clone()).collect()
    }

    /// What reached the provider, in order.
    ///
    /// # Panics
    /// When a test panicked while it asked.
    pub fn arrived(&self) -> Vec<SentRequest> {
        let sent = self.sent.lock().expect("no test panics while it holds this");
        sent.iter().filter(|(_, arrived)| *arrived).map(|(request, _)| request.clone()).collect()
    }
}

#[async_trait]
impl Http for ScriptedHttp {
    async fn send(&self, request: http::Request<Bytes>) -> Answer {
        let mut headers: Vec<String> = request
            .headers()
            .iter()
            .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())))
            .collect();
        headers.sort();
        let next = self.answers.lock().expect("no test panics while it holds this").pop_front();
        let next = next.unwrap_or_else(|| Err(HttpError::NotSent("the script has ended".into())));
        let arrived = !matches!(next, Err(HttpError::NotSent(_)));
        self.sent.lock().expect("no test panics while it holds this").push((
            SentRequest {
                line: format!("{} {}", request.method(), request.uri()),
                headers,
                body: String::from_utf8_lossy(request.body()).into_owned(),
            },
            arrived,
        ));
        next
    }
}
