//! Stories of the deployed house alone: what AWS does to it that one machine does not, and what it may do there.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};
use switchboard_bridges::Settings;
use switchboard_core::{Door, DoorAccess};
use switchboard_rules::wiring::Wiring;
use switchboard_stories::aws::Stack;
use switchboard_stories::{House, LOBBY, PUBLIC, hub, sign, until};

#[path = "aws/chat.rs"]
mod chat;

const ANN: &str = "+14155550123";
const BOB: &str = "+14155550124";
const CHANNEL: &str = "C0LOBBY";

fn stack(house: &House) -> &Stack {
    house.hub.stack().expect("these stories are told of the deployed house")
}

/// An event of the room as the gate would publish it, made from one that it has published.
fn another(like: &Value, seq: u64, text: &str) -> Value {
    let mut event = like.clone();
    let id = format!("ev_{seq:032x}");
    event["id"] = json!(id);
    event["detail"]["event_id"] = json!(id);
    event["detail"]["seq"] = json!(seq);
    event["detail"]["message"]["id"] = json!(format!("msg_{seq:032x}"));
    event["detail"]["message"]["text"] = json!(text);
    event
}

async fn events_of_the_room(house: &House) -> Vec<Value> {
    let journal = stack(house).ask("journal").await;
    let events = journal.as_array().expect("events").iter();
    events.filter(|event| event["detail-type"] == "RoomChanged").cloned().collect()
}

async fn to_slack(house: &House, body: &str) {
    stack(house).ask_with(json!({ "do": "send", "queue": "SlackOutQueue", "body": body })).await;
}

#[tokio::test]
async fn what_is_stored_and_not_published_is_published_when_it_comes_again() {
    let house = House::open_deployed(LOBBY).await;
    house.join("lobby", &[(ANN, "Ann")]).await;
    let deny = |function: &str| json!({ "do": "deny", "function": function, "action": "events:PutEvents" });
    let allow = |function: &str| json!({ "do": "allow", "function": function });

    // A door is not answered 2xx before every event is acknowledged; the provider sends again.
    stack(&house).ask_with(deny("SmsDoor")).await;
    let webhook =
        sign::twilio("/twilio/messages", &sign::text_form("SM00000000000000000000000000000001", ANN, "one"));
    let client = reqwest::Client::new();
    assert_eq!(webhook.send(&client, &house.hub.base()).await.0, 503);
    stack(&house).ask_with(allow("SmsDoor")).await;
    for _ in 0..2 {
        assert_eq!(webhook.send(&client, &house.hub.base()).await.0, 200);
    }
    house.expect_shown(CHANNEL, &["Ann (SMS): one"]).await;

    // A listener's message comes again; what was numbered keeps its number.
    stack(&house).ask_with(deny("ModerationGate")).await;
    assert_eq!(house.text(ANN, "two").await, 200);
    until("the gate has tried", || async {
        let logs = stack(&house).ask("logs").await;
        logs["/aws/lambda/hub-moderation-gate"].to_string().contains("the bus does not answer")
    })
    .await;
    stack(&house).ask_with(allow("ModerationGate")).await;
    house.expect_shown(CHANNEL, &["Ann (SMS): one", "Ann (SMS): two"]).await;
    house.hub.quiet().await;
    house.expect_shown(CHANNEL, &["Ann (SMS): one", "Ann (SMS): two"]).await;
    house.close().await;
}

#[tokio::test]
async fn poison_is_a_dead_letter_and_its_batch_goes_on_in_order_and_once() {
    let house = House::open_deployed(LOBBY).await;
    house.join("lobby", &[(ANN, "Ann")]).await;
    assert_eq!(house.text(ANN, "1").await, 200);
    house.expect_shown(CHANNEL, &["Ann (SMS): 1"]).await;
    house.hub.quiet().await;
    let first = events_of_the_room(&house).await.remove(0);

    // Backwards, each twice, with what is no event between them.
    for seq in [4, 3, 2] {
        let event = another(&first, seq, &seq.to_string()).to_string();
        to_slack(&house, &event).await;
        to_slack(&house, "{\"not\": \"an event\"}").await;
        to_slack(&house, &event).await;
    }
    to_slack(&house, &first.to_string()).await;
    house.expect_shown(CHANNEL, &["Ann (SMS): 1", "Ann (SMS): 2", "Ann (SMS): 3", "Ann (SMS): 4"]).await;
    house.hub.quiet().await;
    house.expect_shown(CHANNEL, &["Ann (SMS): 1", "Ann (SMS): 2", "Ann (SMS): 3", "Ann (SMS): 4"]).await;
    house.close_with_dead_letters(&["not an event"; 3]).await;
}

#[tokio::test]
async fn a_lane_goes_on_without_a_number_that_never_comes_and_one_that_comes_too_late_is_a_dead_letter() {
    let house = House::open_deployed(LOBBY).await;
    house.join("lobby", &[(ANN, "Ann")]).await;
    assert_eq!(house.text(ANN, "1").await, 200);
    house.expect_shown(CHANNEL, &["Ann (SMS): 1"]).await;
    house.hub.quiet().await;
    let first = events_of_the_room(&house).await.remove(0);
    let [second, third, fourth] = [2, 3, 4].map(|seq| another(&first, seq, &seq.to_string()));
    // The reminder that comes a quarter of an hour after an event was parked, comes now.
    let remind = async |event: &Value| {
        to_slack(&house, &json!({ "switchboard": { "gap": { "event": event } } }).to_string()).await;
    };

    // Parked, and its turn comes: the reminder finds nothing to do.
    to_slack(&house, &third.to_string()).await;
    house.hub.quiet().await;
    to_slack(&house, &second.to_string()).await;
    house.expect_shown(CHANNEL, &["Ann (SMS): 1", "Ann (SMS): 2", "Ann (SMS): 3"]).await;
    remind(&third).await;
    house.hub.quiet().await;

    // The fourth is never seen.
    let [fifth, sixth] = [5, 6].map(|seq| another(&first, seq, &seq.to_string()));
    to_slack(&house, &sixth.to_string()).await;
    to_slack(&house, &fifth.to_string()).await;
    house.hub.quiet().await;
    house.expect_shown(CHANNEL, &["Ann (SMS): 1", "Ann (SMS): 2", "Ann (SMS): 3"]).await;
    // Of two that are parked only the earlier is the one that the lane has to wait for.
    remind(&fifth).await;
    let shown = ["Ann (SMS): 1", "Ann (SMS): 2", "Ann (SMS): 3", "Ann (SMS): 5", "Ann (SMS): 6"];
    house.expect_shown(CHANNEL, &shown).await;
    to_slack(&house, &fourth.to_string()).await;
    to_slack(&house, &fifth.to_string()).await;
    house.hub.quiet().await;
    house.expect_shown(CHANNEL, &shown).await;
    house.close_with_dead_letters(&["after its lane had gone on without it"]).await;
}

#[tokio::test]
async fn nothing_is_lost_and_nothing_is_done_twice_when_functions_are_killed() {
    let house = House::open_deployed(LOBBY).await;
    house.join("lobby", &[(ANN, "Ann"), (BOB, "Bob")]).await;
    let client = reqwest::Client::new();
    let mut expected = Vec::new();
    for number in 0..6 {
        let text = format!("text {number}");
        let form = sign::text_form(&format!("SM{number:032x}"), ANN, &text);
        let webhook = sign::twilio("/twilio/messages", &form);
        // Where the function was killed there is no answer but 502, and the provider sends it again.
        until("it is accepted", || async { webhook.send(&client, &house.hub.base()).await.0 == 200 }).await;
        expected.push(text);
        tokio::time::sleep(Duration::from_millis(rand::random_range(0..400))).await;
        if number % 2 == 1 {
            stack(&house).ask_with(json!({ "do": "kill", "function": "" })).await;
        }
    }
    let sorted = |list: Vec<String>| {
        let mut list: Vec<String> =
            list.iter().filter_map(|text| text.split_once(": ").map(|(_, text)| text.to_owned())).collect();
        list.sort();
        list
    };
    until("all are there", || async {
        house.shown(CHANNEL).await.len() >= 6 && house.heard(BOB).await.len() >= 6
    })
    .await;
    house.hub.quiet().await;
    assert_eq!(sorted(house.shown(CHANNEL).await), expected);
    assert_eq!(sorted(house.heard(BOB).await), expected);
    let order = |list: Vec<String>| -> Vec<String> {
        list.iter().filter_map(|text| text.split_once(": ").map(|(_, text)| text.to_owned())).collect()
    };
    assert_eq!(order(house.shown(CHANNEL).await), order(house.heard(BOB).await), "in one order");
    house.close().await;
}

/// What Lambda itself does with a function's role: polling the queue, writing the log. The emulator does it by itself.
const OF_LAMBDA: [&str; 5] = [
    "sqs:ReceiveMessage",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
    "logs:CreateLogStream",
    "logs:PutLogEvents",
];
/// S3 asks for `s3:ListBucket` to say that a file is not there; nobody makes the request of that name. What is asked of
/// connections the emulator enforces (without it no story of the chat ends well) and does not record.
const NOT_RECORDED: [&str; 2] = ["s3:ListBucket", "execute-api:ManageConnections"];

#[tokio::test]
async fn a_role_may_do_what_its_function_does_and_nothing_else() {
    let policy = "[moderation]\nheld_words = [\"grue\"]\n[chat]\nguests = true\n";
    let house = House::open_deployed(&format!("{LOBBY}{policy}")).await;
    house.join("lobby", &[(ANN, "Ann"), (BOB, "Bob")]).await;
    tour(&house).await;
    chat::tour(&house).await;
    let (grants, calls) = (stack(&house).ask("grants").await, stack(&house).ask("calls").await);
    let mut complaints = Vec::new();
    let calls: BTreeMap<String, &Value> =
        calls.as_object().expect("calls").iter().map(|(function, made)| (logical(function), made)).collect();
    for (function, granted) in grants.as_object().expect("grants") {
        let mut once = BTreeSet::new();
        for grant in granted.as_array().expect("a list") {
            let (action, resource) = (grant[0].as_str().unwrap(), grant[1].as_str().unwrap());
            if action.contains('*') || resource == "*" || resource == "attached" {
                complaints
                    .push(format!("{function} may {action} on {resource}: name one action, one resource"));
            }
            let used = calls.get(function).is_some_and(|made| made[action].as_u64().unwrap_or(0) > 0);
            let excused = OF_LAMBDA.contains(&action) || NOT_RECORDED.contains(&action);
            if !used && !excused && once.insert(action) {
                complaints.push(format!("{function} may {action}, and no story needs it"));
            }
        }
    }
    assert!(complaints.is_empty(), "\n{}\n{calls:#?}", complaints.join("\n"));
    house.end().await;
}

/// A function's name in the template.
fn logical(function: &str) -> String {
    function.split('-').map(|word| word[..1].to_uppercase() + &word[1..]).collect()
}

/// Everything that a function may do is done once.
async fn tour(house: &House) {
    // Files both ways, an answer in Slack, an edit; a status callback for each text.
    let picture = json!({ "body": "look", "media": [{ "content_type": "image/png" }] });
    house.control("POST", &format!("/phone/{ANN}/text"), picture).await;
    until("the picture is in Slack", || async {
        let shown = house.channel(CHANNEL).await;
        shown.iter().any(|message| message["replies"][0]["files"][0]["mode"] == "hosted")
    })
    .await;
    let files = json!([{ "content_type": "image/png", "name": "map.png" }]);
    let said = json!({ "user": "U0BOB", "text": "the way", "files": files });
    house.control("POST", &format!("/slack/channels/{CHANNEL}/say"), said).await;
    let media = || async {
        let phone = house.control("GET", &format!("/phone/{ANN}"), Value::Null).await;
        let received = phone["received"].as_array().expect("a list").clone();
        received.iter().find_map(|text| text["media"][0]["url"].as_str().map(str::to_owned))
    };
    until("the picture is on the phone", || async { media().await.is_some() }).await;
    let link = media().await.expect("a link").replace(PUBLIC, &house.hub.base());
    let client = reqwest::Client::new();
    for method in [reqwest::Method::HEAD, reqwest::Method::GET] {
        let file = client.request(method, &link).send().await.expect("an answer");
        assert_eq!(
            (file.status().as_u16(), file.headers()["content-type"].as_bytes()),
            (200, &b"image/png"[..])
        );
    }
    assert_eq!(client.get(link.replace("signature=", "signature=0")).send().await.unwrap().status(), 403);
    assert_eq!(client.post(&link).send().await.unwrap().status(), 405);
    let ts = house.say(CHANNEL, "U0BOB", "seen").await;
    house.hub.quiet().await;
    let reaction = json!({ "user": "U0ANN", "ts": ts, "name": "eyes" });
    house.control("POST", &format!("/slack/channels/{CHANNEL}/react"), reaction).await;
    // A page posts, and what it posted is retracted.
    let post = json!({ "id": "1", "name": "Zoe", "text": "from a page" });
    let mut posted = Value::Null;
    for _ in ["once", "and again"] {
        let (status, answer) = house.hub.order("POST", "/api/rooms/lobby/messages", post.clone()).await;
        assert_eq!(status, 200);
        posted = answer;
    }
    house.hub.quiet().await;
    let retract = format!("/api/messages/{}/retract", posted["message_id"].as_str().expect("an id"));
    for _ in ["once", "and again"] {
        assert_eq!(house.hub.order("POST", &retract, json!({ "id": "1" })).await.0, 200);
    }
    // An edit that comes before its message waits for it; when its time is over a timer ends that.
    let late = json!({ "provider": "slack", "method": "webhook.events", "kind": "out_of_order", "delay_ms": 12_000,
                       "times": 1 });
    house.fault(late).await;
    let edited = async {
        let newest = || async {
            let channel = house.channel(CHANNEL).await;
            channel.iter().find(|it| it["shown"] == "frist").map(|it| it["ts"].clone())
        };
        until("it stands in Slack", || async { newest().await.is_some() }).await;
        let edit = json!({ "ts": newest().await, "text": "first" });
        house.control("POST", &format!("/slack/channels/{CHANNEL}/edit"), edit).await;
        until("the edit waits", || async { stack(house).ask("hasten").await != json!(0) }).await;
    };
    house
        .fault(json!({ "provider": "slack", "method": "webhook.events", "kind": "duplicate", "copies": 2 }))
        .await;
    house.control("POST", &format!("/phone/{BOB}/text"), json!({ "body": "LEAVE lobby", "copies": 2 })).await;
    tokio::join!(house.say(CHANNEL, "U0BOB", "frist"), edited);
    house.hub.quiet().await;
    // Everything comes once more, as a queue gives it again after a function was killed.
    let wiring = Wiring::embedded().unwrap();
    let rules = wiring.compile();
    for event in stack(house).ask("journal").await.as_array().expect("events") {
        let text = event.to_string();
        for rule in rules.matching(text.as_bytes()).unwrap() {
            let function = logical(&wiring.rules()[rule].listener.replace(['.', '_'], "-"));
            let given = json!({ "do": "give-again", "function": function, "body": text });
            let answer = stack(house).ask_with(given).await;
            assert_eq!(answer, json!({ "batchItemFailures": [] }), "{function}: {text}");
        }
    }
    house.hub.quiet().await;
    // Who is given up has a letter, who is put off reminds itself.
    for times in [1, 1] {
        house.fault(json!({ "provider": "slack", "method": "chat.postMessage", "kind": "status", "status": 503, "times": times })).await;
    }
    house.fault(json!({ "provider": "twilio", "method": "messages.create", "kind": "status", "status": 503, "times": 2 })).await;
    house.text(ANN, "again").await;
    house.hub.quiet().await;
    for queue in [
        "SlackIntakeQueue",
        "SlackOutQueue",
        "SmsIntakeQueue",
        "SmsFanoutQueue",
        "SmsOutQueue",
        "ModerationGateQueue",
        "ModerationQueue",
        "WebChatHistoryQueue",
        "WebChatDeliveriesQueue",
    ] {
        stack(house).ask_with(json!({ "do": "send", "queue": queue, "body": "poison" })).await;
    }
    house.hub.quiet().await;
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
    let environment = [
        ("TWILIO_ACCOUNT_SID", "AC5a4db0c5a4db0c5a4db0c5a4db0c5a4d"),
        ("TWILIO_AUTH_TOKEN", "t"),
        ("TWILIO_FROM", "+15550100100"),
        ("SLACK_SIGNING_SECRET", "s"),
        ("SLACK_BOT_TOKEN", "xoxb-1"),
    ];
    let settings = Settings::for_tests("[rooms.lobby]\nsms = \"open\"\n", &environment);
    let handlers: BTreeSet<&str> =
        deployed["handlers"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for bridge in switchboard_bridges::all(&settings).unwrap() {
        let declared = bridge.declaration();
        // The chat's pages and sockets are not served on AWS yet: docs/aws.md says so.
        let served = |door: &&Door| !matches!(door.access, DoorAccess::Page | DoorAccess::Socket);
        let doors = declared.doors.iter().filter(served).map(|door| door.name);
        let names = doors.chain(declared.listeners.iter().copied());
        for name in names.filter(|name| !handlers.contains(name)) {
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
    assert!(missing.is_empty(), "\n{}", missing.join("\n"));

    // The operator's program sees the same stack. Its public address is nobody's here.
    let (status, findings) = stack(&house).operate(&["doctor"]).await;
    let wrong: Vec<&str> = findings.lines().filter(|line| !line.starts_with("ok ")).collect();
    assert!(
        matches!(wrong[..], [line] if line.starts_with("WRONG doors at https://hub.example")),
        "{findings}"
    );
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

#[tokio::test]
async fn a_wrong_function_ends_at_init_with_one_clear_line() {
    for (handler, environment, expected) in [
        ("echo.door", vec![], "there is no handler \"echo.door\""),
        ("web_chat.window", vec![], "set Handler to one of web_chat.door"),
        ("web_chat.door", vec![], "SWITCHBOARD_TABLE is not set — to mend it"),
        ("sms.out", vec![], "is not set — to mend it: set"),
        ("web_chat.door", vec![("SWITCHBOARD_PARAMETERS", "TOKEN")], "write NAME=/path"),
        ("web_chat.door", vec![("SWITCHBOARD_LOG", "a=loud")], "write targets and levels"),
        (
            "web_chat.door",
            vec![("SWITCHBOARD_CONFIGURATION", "[rooms.x]\n")],
            "[rooms.x] is wired to nothing",
        ),
    ] {
        let output = tokio::process::Command::new(hub::beside("bootstrap"))
            .env_clear()
            .env("_HANDLER", handler)
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .envs(environment)
            .output()
            .await
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        let lines: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 1, "{said}");
        let line = lines[0]["fields"]["message"].as_str().unwrap();
        assert!(line.contains(expected), "{handler}: {line}");
    }
}

#[tokio::test]
async fn the_artifact_runs_on_amazon_linux_2023() {
    let output =
        tokio::process::Command::new("objdump").arg("-T").arg(hub::beside("bootstrap")).output().await;
    let symbols = String::from_utf8(output.expect("objdump is there").stdout).unwrap();
    let version = |symbol: &str| -> Option<(u32, u32)> {
        let (major, minor) = symbol.split("GLIBC_").nth(1)?.split(')').next()?.split_once('.')?;
        Some((major.parse().ok()?, minor.split('.').next()?.parse().ok()?))
    };
    let newest = symbols.lines().filter_map(version).max().expect("it needs glibc");
    assert!(newest <= (2, 34), "it needs glibc {newest:?}, and Amazon Linux 2023 has 2.34");
}
