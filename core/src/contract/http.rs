//! What every way to a provider must do.

use async_trait::async_trait;
use bytes::Bytes;

use crate::memory::SentRequest;
use crate::ports::{Http, HttpError, MAX_ANSWER_BYTES};

/// A provider whose next answer the suite chooses, and a port that leads to it.
#[async_trait]
pub trait HttpUnderTest: Send + Sync {
    /// The port.
    fn http(&self) -> &dyn Http;
    /// What stands before a path there, such as `http://127.0.0.1:8080`.
    fn base(&self) -> String;
    /// What the provider will do with the next request.
    async fn next(&self, behaviour: Behaviour);
    /// The requests that reached it, in order; headers of the transport's own are left out.
    async fn seen(&self) -> Vec<SentRequest>;
}

/// What a provider does with a request.
#[derive(Debug, Clone)]
pub enum Behaviour {
    /// Answers.
    Answer(http::Response<Bytes>),
    /// Nobody listens.
    Refuse,
    /// Reads the request and hangs up.
    HangUp,
    /// Begins an answer and hangs up in the middle of its body.
    HangUpInTheMiddle,
    /// Answers with one byte more than may be.
    TooMuch,
}

/// Runs the suite.
///
/// # Panics
/// Where the contract is broken.
pub async fn http_keeps_its_contract(under_test: &dyn HttpUnderTest) {
    let ask = |method: &str, path: &str, body: Bytes| {
        http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", under_test.base()))
            .header("x-asked", "yes")
            .body(body)
            .expect("a request")
    };
    let answer = |status: u16, headers: &[(&str, &str)], body: &'static [u8]| {
        let mut builder = http::Response::builder().status(status);
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        Behaviour::Answer(builder.body(Bytes::from_static(body)).expect("an answer"))
    };

    // What is sent arrives, and what is answered comes back, byte for byte.
    under_test.next(answer(200, &[("x-kept", "one"), ("x-kept", "two")], b"\0\xff answer")).await;
    let given = under_test.http().send(ask("POST", "/a?b=c%20d", "to send".into())).await.expect("an answer");
    assert_eq!((given.status().as_u16(), &given.body()[..]), (200, &b"\0\xff answer"[..]));
    assert_eq!(given.headers().get_all("x-kept").iter().count(), 2, "every header is kept");
    let seen = under_test.seen().await;
    assert!(seen[0].line.starts_with("POST ") && seen[0].line.ends_with("/a?b=c%20d"), "{}", seen[0].line);
    assert_eq!((seen[0].body.as_str(), seen[0].header("x-asked")), ("to send", Some("yes")));

    // Any status is an answer, and a redirect is the bridge's to follow.
    let redirect = ("location", "/elsewhere");
    for (status, header) in [(302, redirect), (404, redirect), (429, ("retry-after", "7")), (503, redirect)] {
        let before = under_test.seen().await.len();
        under_test.next(answer(status, &[header], b"")).await;
        let given = under_test.http().send(ask("GET", "/status", Bytes::new())).await.expect("an answer");
        assert_eq!(given.status().as_u16(), status);
        assert_eq!(given.headers()[header.0], header.1);
        assert_eq!(under_test.seen().await.len(), before + 1, "one request, one answer");
    }

    // Whether the provider may have acted is told apart.
    let before = under_test.seen().await.len();
    under_test.next(Behaviour::Refuse).await;
    let refused = under_test.http().send(ask("POST", "/refused", "x".into())).await;
    assert!(matches!(refused, Err(HttpError::NotSent(_))), "{refused:?}");
    assert_eq!(under_test.seen().await.len(), before, "it never arrived");
    for behaviour in [Behaviour::HangUp, Behaviour::HangUpInTheMiddle] {
        under_test.next(behaviour.clone()).await;
        let cut = under_test.http().send(ask("POST", "/cut", "x".into())).await;
        assert!(matches!(cut, Err(HttpError::Unanswered(_))), "{behaviour:?}: {cut:?}");
    }
    under_test.next(Behaviour::TooMuch).await;
    let too_much = under_test.http().send(ask("GET", "/much", Bytes::new())).await;
    assert_eq!(too_much.err(), Some(HttpError::TooLarge(MAX_ANSWER_BYTES)));

    // After all that, the next one is as good as the first.
    under_test.next(answer(200, &[], b"still there")).await;
    let given = under_test.http().send(ask("GET", "/after", Bytes::new())).await.expect("an answer");
    assert_eq!(&given.body()[..], b"still there");
}
