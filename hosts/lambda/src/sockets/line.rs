//! The management API of a WebSocket API: say something to one connection, or let it go.
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-how-to-call-websocket-api-connections.html>
//!
//! Two kinds of request, asked through [`crate::signed`] like S3's: a client would add to the artifact what it does
//! not give in return.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tracing::{debug, warn};

use crate::signed::{Signer, beginning};

/// How long API Gateway may take for what is said to one connection, trying again included: it answers in
/// milliseconds, whatever the connection itself does.
const WITHIN: Duration = Duration::from_secs(5);

/// Whatever is not unreserved (RFC 3986, 2.3): a signature is over the path with these as they are
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// One stage of a WebSocket API.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    signer: Signer,
    stage: String,
    /// How long a round may last before somebody else takes its caster for dead.
    pub(super) lease: Duration,
    /// Until when nothing more of a kind is passed on. Of this process: another one may pass on one more.
    rests: Arc<Mutex<HashMap<String, Instant>>>,
}

/// See [`Line::lease`]: a round of a thousand connections lasts a second, and longer where API Gateway is slow.
const LEASE: Duration = Duration::from_secs(15);
/// That a role may speak to nobody is said so often.
const COMPLAINS_EVERY: Duration = Duration::from_secs(60);
/// Rests that are over are forgotten when there are so many.
const SWEEP_AT: usize = 1024;

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// API Gateway has it.
    Yes,
    /// There is no such connection any more.
    Gone,
    /// It was not taken in time, or not at all.
    No,
}

impl Line {
    /// The stage at this address: `https://{api}.execute-api.{region}.amazonaws.com/{stage}`.
    pub(crate) fn new(signer: Signer, stage: &str) -> Self {
        Self { signer, stage: stage.trim_end_matches('/').to_owned(), lease: LEASE, rests: Arc::default() }
    }

    /// Whether the first of this kind for so long.
    pub(super) fn is_first(&self, kind: &str, every: Duration) -> bool {
        let now = Instant::now();
        let mut rests = self.rests.lock().unwrap_or_else(PoisonError::into_inner);
        if rests.len() >= SWEEP_AT {
            rests.retain(|_, until| *until > now);
        }
        if rests.get(kind).is_some_and(|until| *until > now) {
            return false;
        }
        rests.insert(kind.to_owned(), now + every);
        true
    }

    /// Says something to a connection.
    pub(super) async fn tell(&self, connection: &str, frame: &str) -> Told {
        self.ask(Method::POST, connection, Bytes::from(frame.to_owned())).await
    }

    /// Lets a connection go. With which close code API Gateway decides.
    pub(super) async fn let_go(&self, connection: &str) -> Told {
        self.ask(Method::DELETE, connection, Bytes::new()).await
    }

    async fn ask(&self, method: Method, connection: &str, body: Bytes) -> Told {
        let mut request = http::Request::new(body);
        *request.method_mut() = method;
        match format!("{}/@connections/{}", self.stage, escaped(connection)).parse() {
            Ok(uri) => *request.uri_mut() = uri,
            Err(_) => return Told::Gone,
        }
        match tokio::time::timeout(WITHIN, self.signer.send("execute-api", request)).await {
            Ok(Ok(answer)) if answer.status().is_success() => Told::Yes,
            Ok(Ok(answer)) if answer.status() == StatusCode::GONE => Told::Gone,
            Ok(Ok(answer)) => {
                if answer.status() == StatusCode::FORBIDDEN && self.is_first("forbidden", COMPLAINS_EVERY) {
                    warn!(why = beginning(answer.body()), "nobody can be told");
                }
                debug!(status = answer.status().as_u16(), "a connection was not told");
                Told::No
            }
            Ok(Err(failure)) => {
                debug!(reason = %failure, "a connection was not told");
                Told::No
            }
            Err(_) => Told::No,
        }
    }
}

/// A connection's id as part of a path: there is `=` in it, and there may be `-` and `_`.
fn escaped(connection: &str) -> String {
    utf8_percent_encode(connection, RESERVED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_connections_id_only_what_is_reserved_is_escaped() {
        for (id, expected) in
            [("L0SM9cOFvHcCIhw=", "L0SM9cOFvHcCIhw%3D"), ("a-b_c.d~e", "a-b_c.d~e"), ("a/b c", "a%2Fb%20c")]
        {
            assert_eq!(escaped(id), expected);
        }
    }
}
