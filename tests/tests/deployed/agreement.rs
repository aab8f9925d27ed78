//! What is deployed agrees with the wiring and the bridges, and a function that is set up wrongly says so at once.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};
use switchboard_bridges::Settings;
use switchboard_bridges::settings::LINK_KEY;
use switchboard_core::{Bridge, Declaration, Door, DoorAccess};
use switchboard_rules::wiring::Wiring;
use switchboard_stories::aws::Emulator;
use switchboard_stories::{House, LOBBY, PROVIDERS, hub};

use crate::stack;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

#[tokio::test]
async fn what_is_deployed_agrees_with_the_wiring_and_the_bridges() {
    let house = House::open_deployed(LOBBY).await;
    let deployed = stack(&house).ask("describe").await;
    let mut missing = Vec::new();
    let wiring = Wiring::embedded().unwrap();
    for rule in wiring.rules() {
        let name = rule.listener.replace(['.', '_'], "-");
        let pattern: Value = serde_json::from_str(rule.pattern.get()).unwrap();
        if deployed["rules"][&name] != pattern {
            missing.push(format!("the pattern of {} differs: {}", rule.listener, deployed["rules"][&name]));
        }
        // A batch has up to ten messages.
        let batches = u64::from(rule.delivery.concurrency).div_ceil(10).max(2);
        if deployed["concurrency"][&rule.listener] != json!(batches) {
            missing.push(format!("MaximumConcurrency of {} is not {batches}", rule.listener));
        }
    }
    let settings = Settings::for_tests("[rooms.lobby]\nsms = \"open\"\n", &PROVIDERS);
    let handlers: BTreeSet<&str> =
        deployed["handlers"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let root = root();
    let bridges = switchboard_bridges::all(&settings).unwrap();
    for bridge in &bridges {
        let declared = bridge.declaration();
        for name in names_of(declared).filter(|name| !handlers.contains(name)) {
            missing.push(format!("template.yaml has no function with Handler: {name}"));
        }
        // Who sets timers needs the function that they wake.
        let folder = std::fs::read_dir(root.join("bridges").join(declared.name)).unwrap();
        let sets = folder.filter_map(|file| std::fs::read_to_string(file.unwrap().path()).ok());
        if sets.into_iter().any(|code| code.contains("TimerChange::Set {"))
            && !handlers.contains(declared.name)
        {
            missing.push(format!(
                "{} sets timers, and template.yaml has no Handler: {}",
                declared.name, declared.name
            ));
        }
    }
    for handler in &handlers {
        let (expected, given) = (secrets(handler, &bridges), given(&deployed["references"][handler]));
        if given != expected {
            missing.push(format!("{handler} uses the secrets {expected:?}, and is given {given:?}"));
        }
    }
    missing.extend(unwatched(&handlers, &deployed["watched"]));
    assert!(missing.is_empty(), "\n{}", missing.join("\n"));

    // The operator's program sees the same stack. Its public address is nobody's here.
    let (status, findings) = stack(&house).operate(&["doctor"]).await;
    let wrong: Vec<&str> = findings.lines().filter(|line| !line.starts_with("ok ")).collect();
    let nobodys = ["doors at ", "the chat's pages at ", "the chat's session at ", "the chat's socket at "];
    assert_eq!(wrong.len(), nobodys.len(), "{findings}");
    for (line, what) in wrong.iter().zip(nobodys) {
        assert!(line.starts_with(&format!("WRONG {what}https://hub.example")), "{findings}");
    }
    assert_eq!(status, 1);
    for expected in
        ["ok    function hub-sms-out", "ok    table hub-sms", "ok    parameter /switchboard/link-key"]
    {
        assert!(findings.contains(expected), "{findings}");
    }
    let (status, next) = stack(&house).operate(&["next"]).await;
    assert_eq!(status, 0, "{next}");
    assert!(
        next.contains("https://hub.example/twilio/messages") && next.contains("message_metadata_posted"),
        "{next}"
    );
    house.end().await;
}

/// A bridge's doors and listeners.
fn names_of(declared: &Declaration) -> impl Iterator<Item = &'static str> {
    declared.doors.iter().map(|door| door.name).chain(declared.listeners.iter().copied())
}

/// The secrets that a function uses: what its bridge says, and at a private door the token. Of the host's own
/// functions one opens links.
fn secrets(function: &str, bridges: &[Arc<dyn Bridge>]) -> BTreeSet<String> {
    let private = |door: &Door| door.name == function && door.access == DoorAccess::Private;
    let token = bridges.iter().any(|bridge| bridge.declaration().doors.iter().any(private));
    let own =
        token.then_some("SWITCHBOARD_TOKEN").into_iter().chain((function == "media").then_some(LINK_KEY));
    switchboard_bridges::secrets_of(function).chain(own).map(str::to_owned).collect()
}

/// The secrets that a function is given.
fn given(references: &Value) -> BTreeSet<String> {
    let names = references.as_object().into_iter().flatten().map(|(name, _)| name.clone());
    names.filter(|name| name != "SWITCHBOARD_CONFIGURATION").collect()
}

/// What of a function can go wrong without anybody being woken: it crashes, is throttled, or says that somebody has to
/// act; a socket is answered 5xx.
fn unwatched(handlers: &BTreeSet<&str>, watched: &Value) -> Vec<String> {
    let listed = |list: &str, entry: &Value| watched[list].as_array().expect("a list").contains(entry);
    let mut missing = Vec::new();
    for handler in handlers {
        let function = format!("hub-{}", handler.replace(['.', '_'], "-"));
        for metric in ["Errors", "Throttles"] {
            if !listed("alarms", &json!([metric, function])) {
                missing.push(format!("no alarm watches the {metric} of {handler}"));
            }
        }
        let lines = json!([format!("/aws/lambda/{function}"), "{ $.level = \"ERROR\" }", "hub-error-lines"]);
        if !listed("lines", &lines) {
            missing.push(format!("nobody reads the ERRORs of {handler}"));
        }
    }
    let failures = "{ ($.fields.status >= 500) || ($.fields.message = \"a frame could not be handled\") }";
    let sockets = json!(["/aws/lambda/hub-web-chat-socket", failures, "hub-socket-failures"]);
    if !listed("lines", &sockets) {
        missing.push("nobody reads what sockets are refused".to_owned());
    }
    for metric in ["hub-error-lines", "hub-socket-failures"] {
        if !listed("alarms", &json!([metric])) {
            missing.push(format!("no alarm watches {metric}"));
        }
    }
    missing
}

/// Where a name is not written out, what stands for the rest; docs/aws.md gives the reason of each.
const OPEN_NAMES: [&str; 8] = [
    "Log.Arn}:*\"",
    "Parameter}-??????\"",
    "Bucket.Arn}/*\"",
    "Media.Arn}/*\"",
    "schedule/default/${AWS::StackName}-*\"",
    "/@connections/*\"",
    "HttpApi}/*\"",
    "SocketApi}/*\"",
];
/// Said of the buckets: nobody may do anything over an unencrypted line.
const DENIED: [&str; 2] = ["Principal: \"*\"", "Action: \"s3:*\""];

#[test]
fn a_star_stands_in_the_template_only_where_the_documentation_says_why() {
    let template = std::fs::read_to_string(root().join("template.yaml")).unwrap();
    let documentation = std::fs::read_to_string(root().join("docs/aws.md")).unwrap();
    let lines: Vec<&str> = template.lines().map(str::trim).filter(|line| !line.starts_with('#')).collect();
    let mut complaints = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        // Paths at the distribution.
        let mut rest = if line.contains("PathPattern: ") { String::new() } else { (*line).to_owned() };
        for open in OPEN_NAMES {
            rest = rest.replace(open, "");
        }
        if lines[..number].iter().rev().take(3).any(|before| before.ends_with("Effect: Deny")) {
            rest = DENIED.iter().fold(rest, |rest, denied| rest.replace(denied, ""));
        }
        if rest.contains('*') || rest.contains("??") {
            complaints.push(format!("template.yaml: {line}"));
        }
    }
    for open in OPEN_NAMES.iter().filter(|open| !template.contains(*open)) {
        complaints.push(format!("{open} stands nowhere any more"));
    }
    for ending in [":*", "-??????", "/*", "-*", "@connections/*", "s3:*"] {
        if !documentation.contains(&format!("{ending}`")) {
            complaints.push(format!("docs/aws.md gives no reason for {ending}"));
        }
    }
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[tokio::test]
async fn a_wrong_function_ends_at_init_with_one_clear_line() {
    for (handler, environment, expected) in [
        ("echo.door", vec![], "there is no handler \"echo.door\""),
        ("web_chat.window", vec![], "set Handler to one of web_chat.door"),
        ("web_chat.door", vec![], "SWITCHBOARD_TABLE is not set — to mend it"),
        ("sms.out", vec![("SWITCHBOARD_LINK_KEY", "k")], "is not set — to mend it: set"),
        ("sms.out", vec![], "SWITCHBOARD_LINK_KEY is not set — to mend it: deploy template.yaml as it is"),
        ("web_chat.door", vec![("SWITCHBOARD_PARAMETERS", "TOKEN")], "write NAME=/path"),
        ("web_chat.door", vec![("SWITCHBOARD_LOG", "a=loud")], "write targets and levels"),
        (
            "web_chat.door",
            vec![("SWITCHBOARD_CONFIGURATION", "[rooms.x]\n")],
            "the configuration:1: [rooms.x]: wired to nothing",
        ),
    ] {
        let mut command = bootstrap(handler);
        command.envs(environment);
        let line = ends_at_init(command).await;
        assert!(line.contains(expected), "{handler}: {line}");
    }
}

#[tokio::test]
async fn a_function_of_a_wrong_table_ends_at_init() {
    let emulator = Emulator::start(false).await;
    for handler in ["web_chat.deliveries", "journal"] {
        let mut command = bootstrap(handler);
        command.env("AWS_ENDPOINT_URL", emulator.endpoint()).env("SWITCHBOARD_TABLE", "nowhere");
        command.env("SWITCHBOARD_LINK_KEY", "a key");
        command.envs(["BUS", "QUEUE", "DEAD_LETTERS"].map(|name| (format!("SWITCHBOARD_{name}"), "there")));
        assert_eq!(
            ends_at_init(command).await,
            "there is no table nowhere — to mend it: make deploy, which sets SWITCHBOARD_TABLE"
        );
    }
    emulator.stop().await;
}

/// The program as Lambda starts it, in an environment of its own.
fn bootstrap(handler: &str) -> tokio::process::Command {
    let mut command = tokio::process::Command::new(hub::beside("bootstrap"));
    command.env_clear().env("_HANDLER", handler).env("AWS_REGION", "us-east-1");
    command.envs(["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"].map(|name| (name, "test")));
    command
}

/// The one line that it says.
async fn ends_at_init(mut command: tokio::process::Command) -> String {
    let output = command.output().await.unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    let lines: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 1, "{said}");
    lines[0]["fields"]["message"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_artifact_runs_on_amazon_linux_2023() {
    let version = |symbol: &str| -> Option<(u32, u32)> {
        let (major, minor) = symbol.split("GLIBC_").nth(1)?.split(')').next()?.split_once('.')?;
        Some((major.parse().ok()?, minor.split('.').next()?.parse().ok()?))
    };
    // What is deployed in the stories; and what `make package` has made, where it has.
    let packaged = root().join("target/lambda/bootstrap");
    for artifact in
        [Some(hub::beside("bootstrap")), packaged.is_file().then_some(packaged)].into_iter().flatten()
    {
        let output = tokio::process::Command::new("objdump").arg("-T").arg(&artifact).output().await;
        let symbols = String::from_utf8(output.expect("objdump is there").stdout).unwrap();
        let newest = symbols.lines().filter_map(version).max().expect("it needs glibc");
        assert!(newest <= (2, 34), "{artifact:?} needs glibc {newest:?}, and Amazon Linux 2023 has 2.34");
    }
}
