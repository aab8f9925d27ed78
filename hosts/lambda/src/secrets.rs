//! Secrets by reference: by their names, in the Parameter Store or in the Secrets Manager. A function's role may read
//! those that its environment names, one by one.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};
use switchboard_core::Failure;

use crate::signed::{Signer, beginning};

/// How long AWS is asked again that cannot answer now. A start may take ten seconds.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where a secret is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept<'a> {
    /// The Parameter Store.
    Parameter(&'a str),
    /// The Secrets Manager.
    Secret(&'a str),
}

impl<'a> Kept<'a> {
    /// Where what the environment calls `name` is kept, by this reference: the rooms and the policy are no secret, and
    /// always a parameter.
    pub(crate) fn at(name: &str, reference: &'a str, secrets_in: Option<&str>) -> Self {
        match secrets_in {
            Some("SecretsManager") if name != "SWITCHBOARD_CONFIGURATION" => Self::Secret(reference),
            _ => Self::Parameter(reference),
        }
    }

    /// What it is called in what a person reads.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Parameter(path) => format!("parameter {path}"),
            Self::Secret(name) => format!("secret {name}"),
        }
    }

    /// How it is made.
    fn made(self) -> String {
        match self {
            Self::Parameter(path) => {
                format!("aws ssm put-parameter --type SecureString --name {path} --value …")
            }
            Self::Secret(name) => {
                format!("aws secretsmanager create-secret --name {name} --secret-string …")
            }
        }
    }

    /// Its value.
    ///
    /// # Errors
    /// That it is not there, or may not be read, with the mend.
    pub(crate) async fn read(self, signer: &Signer) -> Result<String> {
        match self.found(self.ask_patiently(signer).await?, "let the function's role read it")? {
            Value::String(text) if self.is_plain(&text) => Ok(text),
            Value::String(_) => {
                bail!("the {} is a JSON object — to mend it: keep the plain text in it", self.name())
            }
            _ => bail!("the {} is no text — to mend it: keep a text in it, not bytes", self.name()),
        }
    }

    /// Whether it is there and may be looked at. Its value is not asked for in the clear.
    ///
    /// # Errors
    /// What is wrong, with the mend.
    pub(crate) async fn look(self, signer: &Signer) -> Result<()> {
        self.found(self.ask(signer, false).await?, "use credentials that may look at it").map(|_| ())
    }

    /// Asks again for some seconds where AWS has too much to do: the Parameter Store takes forty requests a second of an
    /// account, and each of many functions that start at once asks for its three.
    /// <https://docs.aws.amazon.com/general/latest/gr/ssm.html>
    async fn ask_patiently(self, signer: &Signer) -> Result<(u16, Bytes), Failure> {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.ask(signer, true).await {
                Err(Failure::Retry { .. }) if Instant::now() < until => {
                    tokio::time::sleep(Duration::from_secs(1).mul_f64(rand::random())).await;
                }
                answered => return answered,
            }
        }
    }

    /// Asks for it, in the clear or only whether it is there.
    async fn ask(self, signer: &Signer, in_the_clear: bool) -> Result<(u16, Bytes), Failure> {
        // https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameter.html
        // https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html
        match self {
            Self::Parameter(path) => {
                let body = json!({ "Name": path, "WithDecryption": in_the_clear });
                signer.ask("ssm", "AmazonSSM.GetParameter", &body).await
            }
            Self::Secret(name) => {
                let what = if in_the_clear { "GetSecretValue" } else { "DescribeSecret" };
                let target = format!("secretsmanager.{what}");
                signer.ask("secretsmanager", &target, &json!({ "SecretId": name })).await
            }
        }
    }

    /// The value in an answer; null where the answer has none.
    fn found(self, (status, body): (u16, Bytes), allow: &str) -> Result<Value> {
        #[derive(Deserialize, Default)]
        #[serde(rename_all = "PascalCase", default)]
        struct Answer {
            parameter: Parameter,
            secret_string: Value,
        }
        #[derive(Deserialize, Default)]
        #[serde(rename_all = "PascalCase", default)]
        struct Parameter {
            value: Value,
        }
        if status == 200 {
            let answer: Answer = serde_json::from_slice(&body)
                .with_context(|| format!("the answer about the {}", self.name()))?;
            return Ok(match self {
                Self::Parameter(_) => answer.parameter.value,
                Self::Secret(_) => answer.secret_string,
            });
        }
        let why = beginning(&body);
        if why.contains("ParameterNotFound") || why.contains("ResourceNotFoundException") {
            bail!("there is no {} — to mend it: {}", self.name(), self.made());
        }
        bail!("the {} cannot be read: {status} {why} — to mend it: {allow}", self.name());
    }

    /// The console of the Secrets Manager makes objects of names and values; a parameter is what it is.
    fn is_plain(self, text: &str) -> bool {
        matches!(self, Self::Parameter(_))
            || !serde_json::from_str(text).is_ok_and(|it: Value| it.is_object())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::Router;
    use axum::extract::State;
    use axum::http::StatusCode;
    use switchboard_stories::aws::Emulator;

    use super::*;
    use crate::Clients;

    #[test]
    fn secrets_are_where_the_stack_says_and_the_rooms_are_a_parameter() {
        let at = |name, place| Kept::at(name, "/x", place);
        assert_eq!(at("SLACK_BOT_TOKEN", Some("SecretsManager")), Kept::Secret("/x"));
        assert_eq!(at("SWITCHBOARD_CONFIGURATION", Some("SecretsManager")), Kept::Parameter("/x"));
        assert_eq!(at("SLACK_BOT_TOKEN", Some("ParameterStore")), Kept::Parameter("/x"));
        assert_eq!(at("SLACK_BOT_TOKEN", None), Kept::Parameter("/x"));
    }

    #[tokio::test]
    async fn a_store_that_has_too_much_to_do_is_asked_again() {
        let asked = Arc::new(AtomicUsize::new(0));
        let answer = |State(asked): State<Arc<AtomicUsize>>| async move {
            // Three times the signer's own attempts.
            match asked.fetch_add(1, Ordering::Relaxed) {
                0..9 => (StatusCode::BAD_REQUEST, json!({ "__type": "ThrottlingException" }).to_string()),
                _ => (StatusCode::OK, json!({ "Parameter": { "Value": "a secret" } }).to_string()),
            }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let signer = Clients::for_tests(&format!("http://{}", listener.local_addr().unwrap())).signer;
        let app = Router::new().fallback(answer).with_state(asked);
        tokio::spawn(async move { axum::serve(listener, app).await });
        assert_eq!(Kept::Parameter("/x").read(&signer).await.unwrap(), "a secret");
    }

    #[tokio::test]
    async fn secrets_are_read_where_they_are_kept_and_what_is_wrong_with_one_names_its_mend() {
        let emulator = Emulator::start(false).await;
        let signer = Clients::for_tests(&emulator.endpoint()).signer;
        let put = async |service: &str, target: &str, body: Value| -> Value {
            let (status, body) = signer.ask(service, target, &body).await.unwrap();
            assert_eq!(status, 200, "{body:?}");
            serde_json::from_slice(&body).unwrap()
        };
        let plain = json!({ "Name": "/x/token", "Value": "{\"a\": 1}", "Type": "SecureString" });
        put("ssm", "AmazonSSM.PutParameter", plain).await;
        for (name, text) in [("/x/slack", "xoxb-1,xoxb-2"), ("/x/pairs", "{\"token\": \"x\"}")] {
            let made = json!({ "Name": name, "SecretString": text });
            put("secretsmanager", "secretsmanager.CreateSecret", made).await;
        }
        for (kept, expected) in [
            (Kept::Parameter("/x/token"), Ok("{\"a\": 1}")),
            (Kept::Secret("/x/slack"), Ok("xoxb-1,xoxb-2")),
            (Kept::Secret("/x/pairs"), Err("is a JSON object — to mend it: keep the plain text in it")),
            (
                Kept::Parameter("/x/gone"),
                Err("there is no parameter /x/gone — to mend it: aws ssm put-parameter"),
            ),
            (
                Kept::Secret("/x/gone"),
                Err(
                    "there is no secret /x/gone — to mend it: aws secretsmanager create-secret --name /x/gone",
                ),
            ),
        ] {
            match (kept.read(&signer).await, expected) {
                (Ok(value), Ok(expected)) => assert_eq!(value, expected),
                (Err(error), Err(words)) => assert!(format!("{error:#}").contains(words), "{error:#}"),
                (read, _) => panic!("{kept:?}: {read:?}"),
            }
            let there = !matches!(expected, Err(words) if words.contains("aws "));
            assert_eq!(kept.look(&signer).await.is_ok(), there, "{kept:?}");
        }
        emulator.stop().await;
    }
}
