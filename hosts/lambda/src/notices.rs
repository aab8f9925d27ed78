//! Topics of SNS. <https://docs.aws.amazon.com/sns/latest/api/API_Publish.html>

use async_trait::async_trait;
use aws_sdk_sns::Client;
use aws_sdk_sns::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_sns::operation::publish::PublishError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::ConnectorError;
use switchboard_core::{Failure, Notice, NoticeTopic, Notices};

use crate::{Clients, answers};

/// The topics that the function's role may publish to.
#[derive(Debug, Clone)]
pub(crate) struct Topics(Client);

impl Topics {
    pub(crate) fn new(clients: &Clients) -> Self {
        Self(clients.topics.clone())
    }
}

#[async_trait]
impl Notices for Topics {
    async fn publish(&self, topic: &NoticeTopic, notice: &Notice) -> Result<String, Failure> {
        let asked = self.0.publish().topic_arn(topic.as_str());
        let asked = asked.subject(notice.subject()).message(notice.message());
        let published = asked.send().await.map_err(|error| failed(topic, &error))?;
        // It has been taken; an id is only for the trace.
        Ok(published.message_id.unwrap_or_default())
    }
}

/// Whether it may have been published is told apart.
fn failed(topic: &NoticeTopic, error: &SdkError<PublishError, HttpResponse>) -> Failure {
    let context = || format!("SNS, for {topic}: {}", DisplayErrorContext(error));
    match error {
        SdkError::ServiceError(said) => {
            let code = said.err().code().unwrap_or_default();
            answers::refused("SNS", topic.as_str(), said.raw().status().as_u16(), code)
        }
        SdkError::ConstructionFailure(_) => Failure::bug(context()),
        SdkError::DispatchFailure(failure)
            if failure
                .as_connector_error()
                .is_some_and(|error| error.is_user() || never_connected(error)) =>
        {
            Failure::retry(context())
        }
        _ => Failure::unsure(context()),
    }
}

fn never_connected(error: &ConnectorError) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if error.downcast_ref::<reqwest::Error>().is_some_and(reqwest::Error::is_connect) {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests;
