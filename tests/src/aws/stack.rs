//! The house as it is deployed: `template.yaml` on an emulator that enforces IAM, with the program that was built.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Mutex;

use super::Emulator;
use crate::clients::{scripts, tools};
use crate::{HUB_NUMBER, PATIENCE, PUBLIC, SLACK_SECRET, TWILIO_ACCOUNT, TWILIO_TOKEN};

/// The bearer token of private doors.
pub const TOKEN: &str = "a-token-of-the-stories";

/// A deployed house.
pub struct Stack {
    emulator: Emulator,
    asked: Mutex<Asked>,
    base: String,
    sockets: String,
}

/// The process that asks the emulator with the official client.
struct Asked {
    _child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    questions: u64,
}

impl Asked {
    /// Whoever asked before may have gone without waiting for the answer, which is passed over then.
    async fn ask(&mut self, mut question: Value) -> Value {
        self.questions += 1;
        question["number"] = json!(self.questions);
        let line = format!("{question}\n");
        self.input.write_all(line.as_bytes()).await.expect("the client takes questions");
        let mut answer = Value::Null;
        while answer["number"] != question["number"] {
            let line = tokio::time::timeout(PATIENCE * 2, self.output.next_line()).await;
            let line = line.expect("an answer in time").expect("an answer").expect("the client runs");
            answer = serde_json::from_str(&line).expect("JSON");
        }
        assert!(answer["error"].is_null(), "{question}: {}", answer["error"]);
        answer["ok"].take()
    }
}

/// The program that is deployed: the one beside this test's own, or that which `SWITCHBOARD_ARTIFACT` names, to measure it.
fn artifact() -> PathBuf {
    std::env::var_os("SWITCHBOARD_ARTIFACT").map_or_else(|| crate::hub::beside("bootstrap"), PathBuf::from)
}

impl Stack {
    /// Deploys the house into an emulator of its own. `wiring` replaces the embedded one; `secrets_in` is what the
    /// template's parameter of that name says.
    pub async fn deploy(configuration: &str, sandbox: &str, wiring: Option<&Path>, secrets_in: &str) -> Self {
        let emulator = Emulator::start(true).await;
        let mut child = Command::new(tools().join("aws/bin/python"))
            .arg(scripts().join("aws.py"))
            .arg(emulator.endpoint())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the client starts");
        let input = child.stdin.take().expect("its input");
        let output = BufReader::new(child.stdout.take().expect("its output")).lines();
        let mut asked = Asked { _child: child, input, output, questions: 0 };
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository");
        let outputs = asked
            .ask(json!({
                "do": "deploy",
                "artifact_path": artifact(),
                "template": root.join("template.yaml"),
                "wiring": wiring,
                "parameters": {
                    "Emulator": "yes",
                    "KeepDataOnDelete": "no",
                    "SecretsIn": secrets_in,
                    "RoomsAndPolicy": configuration,
                    "PublicBaseUrl": PUBLIC,
                    "PagesAddress": PUBLIC,
                    "PeopleEndpoint": emulator.endpoint(),
                    "SocketsEndpoint": format!("{}/_aws/execute-api", emulator.endpoint()),
                    "TwilioAccountSid": TWILIO_ACCOUNT,
                    "TwilioFrom": HUB_NUMBER,
                    "TwilioApiBase": format!("{sandbox}/twilio"),
                    "OidcClientSecretParameter": "/switchboard/oidc-client-secret",
                    "SlackApiBase": format!("{sandbox}/slack/api"),
                    "ListenerTimeout": "40",
                    "VisibilityTimeout": "40",
                },
                "secrets": {
                    "/switchboard/twilio-auth-token": format!("{TWILIO_TOKEN},the-secondary-token"),
                    "/switchboard/slack-signing-secret": SLACK_SECRET,
                    "/switchboard/slack-bot-token": "xoxb-sandbox",
                    "/switchboard/link-key": "a-key-of-the-stories",
                    "/switchboard/token": TOKEN,
                    "/switchboard/oidc-client-secret": crate::issuer::SECRET,
                },
            }))
            .await;
        let api = outputs["HttpApiId"].as_str().expect("an API");
        let base = format!("{}/_aws/execute-api/{api}/$default", emulator.endpoint());
        let (api, stage) = (&outputs["SocketApiId"], &outputs["SocketStageName"]);
        let (api, stage) = (api.as_str().expect("a WebSocket API"), stage.as_str().expect("its stage"));
        let sockets = format!("{}/_aws/execute-api/{api}/{stage}", emulator.endpoint());
        Self { emulator, asked: Mutex::new(asked), base, sockets }
    }

    /// What stands before the doors' paths.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Where sockets are opened.
    pub fn sockets(&self) -> &str {
        &self.sockets
    }

    /// Where its services are asked.
    pub fn endpoint(&self) -> String {
        self.emulator.endpoint()
    }

    /// A directory that ends with it; `state` in it has what the emulator keeps.
    pub fn directory(&self) -> std::path::PathBuf {
        self.emulator.directory()
    }

    /// Asks the emulator something that `tests/clients/aws.py` knows to ask.
    pub async fn ask(&self, deed: &str) -> Value {
        self.ask_with(json!({ "do": deed })).await
    }

    /// The same with more words.
    pub async fn ask_with(&self, question: Value) -> Value {
        self.asked.lock().await.ask(question).await
    }

    /// Runs a command of `switchboard-aws` against it; gives (exit status, standard output and error).
    pub async fn operate(&self, arguments: &[&str]) -> (i32, String) {
        let output = Command::new(crate::hub::beside("switchboard-aws"))
            .args(arguments)
            .args(["--stack", "hub"])
            .env_clear()
            .env("AWS_ENDPOINT_URL", self.emulator.endpoint())
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .output()
            .await
            .expect("switchboard-aws runs");
        let said = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&said).into_owned())
    }

    /// Waits until nothing is under way: no message in a queue, nothing open in a table.
    pub async fn quiet(&self) {
        let began = std::time::Instant::now();
        let mut still = 0;
        while still < 3 {
            let open = self.ask("open").await;
            let busy = open.as_object().expect("counts").values().any(|count| *count != json!(0));
            still = if busy { 0 } else { still + 1 };
            assert!(
                began.elapsed() < PATIENCE * 3,
                "the stack does not come to rest: {open:#}\n{:#}",
                self.ask("logs").await
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

impl Drop for Stack {
    /// Who looks into a failed story wants to know what the functions have logged.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let asked = std::process::Command::new(tools().join("aws/bin/python"))
            .arg(scripts().join("aws.py"))
            .args([&self.emulator.endpoint(), "logs"])
            .output();
        if let Ok(output) = asked {
            eprintln!("{}", String::from_utf8_lossy(&output.stdout));
        }
    }
}
