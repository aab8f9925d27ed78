//! The clients of AWS's services, built once at init and shared.
//!
//! DynamoDB, EventBridge and SQS are asked through their SDK clients. S3 and Systems Manager are asked through
//! [`crate::signed`]: two requests each, whose clients would add a third to the artifact.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use switchboard_hosts::http::Client;

use crate::connector::Connector;
use crate::signed::Signer;

/// Long enough for any service in the same region; a door has to answer within three seconds in all.
const ONE_ATTEMPT: Duration = Duration::from_secs(3);
/// The first try and two more, within [`ONE_ATTEMPT`] each.
const ATTEMPTS: u32 = 3;

/// All of them.
#[derive(Debug, Clone)]
pub struct Clients {
    /// The region, the credentials, the endpoint.
    pub config: SdkConfig,
    /// Tables.
    pub tables: aws_sdk_dynamodb::Client,
    pub(crate) events: aws_sdk_eventbridge::Client,
    pub(crate) queues: aws_sdk_sqs::Client,
    pub(crate) signer: Signer,
    /// The providers.
    pub(crate) http: Client,
}

impl Clients {
    /// Reads region, credentials and `AWS_ENDPOINT_URL` from the environment.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub async fn new() -> anyhow::Result<Self> {
        let loader = loader()
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
            .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(ONE_ATTEMPT).build());
        Self::with(loader).await
    }

    /// The same for an emulator at this address.
    #[cfg(test)]
    pub(crate) async fn for_tests(endpoint: &str) -> Self {
        let credentials = aws_credential_types::Credentials::new("test", "test", None, None, "test");
        let loader = loader()
            .region(aws_config::Region::new("us-east-1"))
            .credentials_provider(credentials)
            .endpoint_url(endpoint);
        Self::with(loader).await.expect("clients")
    }

    async fn with(loader: aws_config::ConfigLoader) -> anyhow::Result<Self> {
        // A test of this process may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = Client::new()?;
        let config = loader.http_client(Connector(http.inner())).load().await;
        Ok(Self {
            tables: aws_sdk_dynamodb::Client::new(&config),
            events: aws_sdk_eventbridge::Client::new(&config),
            queues: aws_sdk_sqs::Client::new(&config),
            signer: Signer::new(&config, http.clone()),
            http,
            config,
        })
    }
}

fn loader() -> aws_config::ConfigLoader {
    aws_config::defaults(BehaviorVersion::latest())
}
