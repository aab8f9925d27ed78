//! Requests to AWS without an SDK client: signed here, sent by the providers' HTTP client, tried again as AWS
//! asks for. <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html>

use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation,
    SigningSettings, UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use switchboard_core::{Failure, Http, HttpError};
use switchboard_hosts::http::Client;

/// How often a request is sent that AWS could not take at the moment.
const ATTEMPTS: u32 = 3;

/// Signs with the function's own credentials.
#[derive(Debug, Clone)]
pub(crate) struct Signer {
    http: Client,
    credentials: Option<SharedCredentialsProvider>,
    region: String,
    endpoint: Option<String>,
}

impl Signer {
    pub(crate) fn new(config: &SdkConfig, http: Client) -> Self {
        Self {
            http,
            credentials: config.credentials_provider(),
            region: config.region().map(ToString::to_string).unwrap_or_default(),
            endpoint: config.endpoint_url().map(|url| url.trim_end_matches('/').to_owned()),
        }
    }

    /// Where a service is, without a slash at the end.
    pub(crate) fn endpoint(&self, service: &str) -> String {
        match &self.endpoint {
            Some(endpoint) => endpoint.clone(),
            None => format!("https://{service}.{}.amazonaws.com", self.region),
        }
    }

    /// Where everything is, when this is no AWS but an emulator of it.
    pub(crate) fn elsewhere(&self) -> Option<&str> {
        self.endpoint.as_deref()
    }

    /// Sends a request once, signed in its headers: for what must not be done twice. Any status is an answer.
    pub(crate) async fn send_once(
        &self,
        service: &str,
        mut request: http::Request<Bytes>,
    ) -> Result<http::Response<Bytes>, Failure> {
        self.sign(service, &mut request, None).await?;
        Ok(self.http.send(request).await?)
    }

    /// Asks a service that speaks JSON; gives the status and what it answers.
    pub(crate) async fn ask(
        &self,
        service: &str,
        target: &str,
        body: &serde_json::Value,
    ) -> Result<(u16, Bytes), Failure> {
        // https://smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html
        let version = if service == "sqs" { "1.0" } else { "1.1" };
        let request = http::Request::post(format!("{}/", self.endpoint(service)))
            .header("Content-Type", format!("application/x-amz-json-{version}"))
            .header("X-Amz-Target", target)
            .body(Bytes::from(body.to_string()))
            .map_err(|_| Failure::bug("the service has no address"))?;
        let answer = self.send(service, request).await?;
        Ok((answer.status().as_u16(), answer.into_body()))
    }

    /// Sends a request, signed in its headers, again where AWS could not take it. Any
    /// status that is not AWS's own trouble is an answer.
    pub(crate) async fn send(
        &self,
        service: &str,
        request: http::Request<Bytes>,
    ) -> Result<http::Response<Bytes>, Failure> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let mut signed = request.clone();
            self.sign(service, &mut signed, None).await?;
            let failure = match self.http.send(signed).await {
                Ok(answer) if is_not_now(&answer) => {
                    Failure::retry(format!("{service} answers {}", answer.status()))
                }
                Ok(answer) => return Ok(answer),
                Err(HttpError::TooLarge(_)) => return Err(Failure::refuse(502, "too large an answer")),
                Err(error) => Failure::retry(format!("{service}: {error}")),
            };
            if attempt == ATTEMPTS {
                return Err(failure);
            }
            tokio::time::sleep(Duration::from_millis(100 << attempt).mul_f64(rand::random())).await;
        }
    }

    /// The address of a request that is signed in its query: whoever has it may send it for this long.
    pub(crate) async fn link(
        &self,
        service: &str,
        method: http::Method,
        uri: &str,
        good_for: Duration,
    ) -> Result<String, Failure> {
        let mut request = http::Request::new(Bytes::new());
        *request.method_mut() = method;
        *request.uri_mut() = uri.parse().map_err(|_| Failure::bug("not an address"))?;
        self.sign(service, &mut request, Some(good_for)).await?;
        Ok(request.uri().to_string())
    }

    async fn sign(
        &self,
        service: &str,
        request: &mut http::Request<Bytes>,
        in_query_for: Option<Duration>,
    ) -> Result<(), Failure> {
        let provider = self.credentials.as_ref().ok_or_else(|| Failure::retry("no credentials of AWS"))?;
        let credentials = provider
            .provide_credentials()
            .await
            .map_err(|error| Failure::retry(format!("no credentials of AWS: {error}")))?;
        let identity = credentials.into();
        let mut settings = SigningSettings::default();
        if service == "s3" {
            // S3 takes paths as they are, and wants the body's hash in a header.
            settings.percent_encoding_mode = PercentEncodingMode::Single;
            settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        }
        let body = match in_query_for {
            Some(time) => {
                settings.signature_location = SignatureLocation::QueryParams;
                settings.expires_in = Some(time);
                settings.payload_checksum_kind = PayloadChecksumKind::NoHeader;
                SignableBody::UnsignedPayload
            }
            None => SignableBody::Bytes(request.body()),
        };
        let bug = |error: &dyn std::fmt::Display| Failure::bug(format!("cannot be signed: {error}"));
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(service)
            .time(SystemTime::now())
            .settings(settings)
            .build()
            .map_err(|error| bug(&error))?
            .into();
        let headers =
            request.headers().iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
        let uri = request.uri().to_string();
        let signable = SignableRequest::new(request.method().as_str(), &uri, headers, body)
            .map_err(|error| bug(&error))?;
        let (instructions, _) = sign(signable, &parameters).map_err(|error| bug(&error))?.into_parts();
        instructions.apply_to_request_http1x(request);
        Ok(())
    }
}

/// Whether AWS cannot take it at the moment: its own trouble, or too many requests, which services that speak JSON say
/// in a 400 or 403. <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/CommonErrors.html>
fn is_not_now(answer: &http::Response<Bytes>) -> bool {
    match answer.status().as_u16() {
        429 | 500.. => true,
        400 | 403 => beginning(answer.body()).contains("Throttl"),
        _ => false,
    }
}

/// The first words of an answer, for people.
pub(crate) fn beginning(answer: &[u8]) -> String {
    String::from_utf8_lossy(answer.get(..300).unwrap_or(answer)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_aws_cannot_take_now_is_sent_again_and_what_it_refuses_is_not() {
        let throttled = r#"{"__type":"com.amazonaws.sqs#RequestThrottled","message":"…"}"#;
        let refused = r#"{"__type":"com.amazonaws.sqs#QueueDoesNotExist"}"#;
        let cases = [(200, "", false), (400, throttled, true), (400, refused, false), (403, throttled, true)];
        for (status, body, expected) in cases.into_iter().chain([(429, "", true), (503, "", true)]) {
            let answer = http::Response::builder().status(status).body(Bytes::from(body)).unwrap();
            assert_eq!(is_not_now(&answer), expected, "{status} {body}");
        }
    }
}
