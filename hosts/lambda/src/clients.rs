//! The clients of AWS's services, built once at init and shared.
//!
//! DynamoDB, EventBridge and SNS are asked through their SDK clients. The other services are asked through
//! [`crate::signed`]: a request or two each, whose clients would add a third to the artifact.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
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
    /// Topics; each request is sent once.
    pub(crate) topics: aws_sdk_sns::Client,
    pub(crate) signer: Signer,
    /// The providers.
    pub(crate) http: Client,
}

impl Clients {
    /// For a function: Lambda puts its region and its credentials into the environment of the process, and they hold
    /// as long as the process does. So the chain that an operator's machine needs is not in the artifact.
    ///
    /// # Errors
    /// When one of them is missing, or TLS cannot be set up.
    pub fn of_function(environment: &BTreeMap<String, String>) -> anyhow::Result<Self> {
        let get = |name: &str| environment.get(name).filter(|value| !value.is_empty()).cloned();
        let require = |name: &str| {
            get(name).with_context(|| format!("{name} is not set: this is no function of Lambda's"))
        };
        let credentials = Credentials::new(
            require("AWS_ACCESS_KEY_ID")?,
            require("AWS_SECRET_ACCESS_KEY")?,
            get("AWS_SESSION_TOKEN"),
            None,
            "the function's environment",
        );
        let mut config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(require("AWS_REGION")?))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .retry_config(retries())
            .timeout_config(timeouts());
        config.set_endpoint_url(get("AWS_ENDPOINT_URL"));
        let http = client()?;
        Ok(Self::with(config.http_client(Connector(http.inner())).build(), http))
    }

    /// For an operator's machine, with its profile and its environment.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub async fn of_operator() -> anyhow::Result<Self> {
        let http = client()?;
        let config = aws_config::defaults(BehaviorVersion::latest())
            .http_client(Connector(http.inner()))
            .retry_config(retries())
            .timeout_config(timeouts());
        Ok(Self::with(config.load().await, http))
    }

    /// The same for an emulator at this address.
    #[cfg(test)]
    pub(crate) fn for_tests(endpoint: &str) -> Self {
        let pairs = [
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ENDPOINT_URL", endpoint),
        ];
        let environment = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        Self::of_function(&environment).expect("clients")
    }

    fn with(config: SdkConfig, http: Client) -> Self {
        // A notice that was published twice was sent to everybody twice.
        let once = aws_sdk_sns::config::Builder::from(&config).retry_config(RetryConfig::disabled());
        Self {
            topics: aws_sdk_sns::Client::from_conf(once.build()),
            tables: aws_sdk_dynamodb::Client::new(&config),
            events: aws_sdk_eventbridge::Client::new(&config),
            signer: Signer::new(&config, http.clone()),
            http,
            config,
        }
    }
}

/// One HTTP client for the services and the providers.
fn client() -> anyhow::Result<Client> {
    // A test of this process may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Ok(Client::new()?)
}

fn retries() -> RetryConfig {
    RetryConfig::standard().with_max_attempts(ATTEMPTS)
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder().operation_attempt_timeout(ONE_ATTEMPT).build()
}
