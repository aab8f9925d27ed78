//! What the house costs on AWS: the tables of docs/aws.md, recomputed, and their counts, counted in the template and on
//! the emulator.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};
use switchboard_rules::wiring::Wiring;
use switchboard_stories::chat::Guest;
use switchboard_stories::{House, LOBBY, until};

/// One line of a table: how many, what one (or a million) costs, what all of them cost then.
struct Line {
    count: f64,
    price: f64,
    dollars: f64,
}

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)).unwrap()
}

/// The lines between two marks of docs/aws.md, by what they are about; and the sum.
fn table(mark: &str) -> (BTreeMap<String, Line>, f64) {
    let text = read("docs/aws.md");
    let table = text.split(&format!("<!-- {mark} -->")).nth(1).expect("the table stands between two marks");
    let number = |cell: &str| -> f64 { cell.trim_matches(['*', '$', ' ']).parse().expect(cell) };
    let (mut lines, mut sum) = (BTreeMap::new(), 0.0);
    for row in table.trim().lines().skip(2) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        if cells[0].starts_with("**") {
            sum = number(cells[3]);
            continue;
        }
        let line = Line { count: number(cells[1]), price: number(cells[2]), dollars: number(cells[3]) };
        lines.insert(cells[0].to_owned(), line);
    }
    (lines, sum)
}

#[test]
fn the_tables_of_costs_add_up() {
    for (mark, least) in [("cost", 6), ("idle", 3), ("page", 5)] {
        let (lines, sum) = table(mark);
        assert!(lines.len() >= least, "{:?}", lines.keys());
        for (name, line) in &lines {
            let dollars = line.count * line.price;
            assert!((dollars - line.dollars).abs() < 0.051, "{name}: {dollars:.1} and not {}", line.dollars);
        }
        let added: f64 = lines.values().map(|line| line.dollars).sum();
        assert!((added - sum).abs() < 0.051, "the sum is {added:.1} and not {sum}");
    }
}

/// The template's resources; those in a loop as often as it goes round.
fn resources(template: &str) -> Vec<String> {
    let (_, resources) = template.split_once("\nResources:\n").expect("resources");
    let (resources, _) = resources.split_once("\nOutputs:\n").expect("outputs");
    let mut blocks: Vec<String> = Vec::new();
    for line in resources.lines().filter(|line| !line.trim_start().starts_with('#')) {
        match blocks.last_mut() {
            Some(block) if line.starts_with("   ") => *block += &format!("{line}\n"),
            _ => blocks.push(format!("{line}\n")),
        }
    }
    let mut all = Vec::new();
    for block in blocks {
        let rounds = block.contains("Fn::ForEach").then(|| {
            let names = block.split_once("    - [").and_then(|(_, rest)| rest.split_once(']'));
            names.expect("the names of a loop").0.split(',').count()
        });
        // In a loop the resources stand deeper.
        let indent = if rounds.is_some() { "\n        Type: " } else { "\n    Type: " };
        let each: Vec<String> = block.split(indent).skip(1).map(|rest| format!("Type: {rest}")).collect();
        for _ in 0..rounds.unwrap_or(1) {
            all.extend(each.iter().cloned());
        }
    }
    all
}

#[test]
fn what_an_idle_house_costs_is_counted_in_the_template() {
    let resources = resources(&read("template.yaml"));
    let of = |kind: &str| -> Vec<&String> {
        resources.iter().filter(|block| block.starts_with(&format!("Type: {kind}\n"))).collect()
    };
    // An alarm costs by its metrics: one, if it has no list.
    let metrics = |alarm: &&String| alarm.matches("MetricStat:").count().max(1);
    let polls = |function: &&&String| function.contains("Type: SQS\n");
    let polled = of("AWS::Serverless::Function").iter().filter(polls).count();
    let counted = BTreeMap::from([
        ("queues, polled", polled),
        ("metrics of alarms", of("AWS::CloudWatch::Alarm").iter().map(metrics).sum()),
        ("dashboards", of("AWS::CloudWatch::Dashboard").len()),
    ]);
    let (lines, _) = table("idle");
    for (name, count) in counted {
        assert!(count > 0, "{name}");
        let said = lines[name].count;
        assert_eq!(said, count as f64, "{name}: docs/aws.md says {said}, and template.yaml has {count}");
    }
}

/// Longer than a story of `make test` may be; part of `make soak`.
#[tokio::test]
#[ignore = "the emulator is asked for thousands of calls: make soak"]
async fn a_message_needs_as_many_requests_as_the_table_says() {
    let house = House::open_deployed(LOBBY).await;
    let phones: Vec<String> = (0..11).map(|number| format!("+1415555{number:04}")).collect();
    for phone in &phones {
        house.join("lobby", &[(phone.as_str(), "Ann")]).await;
    }
    let stack = house.hub.stack().expect("it is deployed");
    let events = |journal: Value| journal.as_array().expect("events").clone();
    let (bill, before) = (stack.ask("bill").await, events(stack.ask("journal").await));
    let webhooks = || async {
        house.control("GET", "/webhooks?limit=0", Value::Null).await["total"].as_f64().expect("a number")
    };
    let doors = webhooks().await;

    assert_eq!(house.text(&phones[0], "hello everybody, this is a text of usual length").await, 200);
    until("all phones hear it", || async { house.heard(&phones[10]).await.len() == 1 }).await;
    house.hub.quiet().await;

    let (doors, after) = (webhooks().await - doors, stack.ask("bill").await);
    let used = |unit: &str| after[unit].as_f64().unwrap_or(0.0) - bill[unit].as_f64().unwrap_or(0.0);
    let rules = Wiring::embedded().unwrap().compile();
    let journal = events(stack.ask("journal").await);
    let new = journal.iter().filter(|event| !before.contains(event));
    // Each rule's queue, and the journal's.
    let heard = new.map(|event| rules.matching(event.to_string().as_bytes()).unwrap().len() as f64 + 1.0);
    let messages = heard.sum::<f64>() + used("sqs:SendMessage");
    let counted = BTreeMap::from([
        ("DynamoDB, write units", used("write units")),
        ("DynamoDB, read units", used("read units")),
        ("EventBridge, events", used("published events")),
        ("SQS, requests", 3.0 * messages),
        ("Lambda, requests", messages + doors),
        ("API Gateway, requests", doors),
    ]);
    println!("{counted:#?}");
    let (lines, _) = table("cost");
    for (name, count) in counted {
        let said = lines[name].count;
        assert!(
            (count - said).abs() <= said * 0.25,
            "{name}: {count} were counted, and the table says {said}"
        );
    }
    house.close().await;
}

#[tokio::test]
#[ignore = "with the other that counts: make soak"]
async fn a_page_that_is_open_needs_as_many_requests_as_the_table_says() {
    const PINGS: u32 = 20;
    let house = House::open_deployed(&format!("{LOBBY}[chat]\nguests = true\n")).await;
    let stack = house.hub.stack().expect("it is deployed");
    let mut socket = Guest::sign_in_to(&house.hub, "Ann").await.connect(json!({ "lobby": {} })).await;
    let hello = socket.hear("hello").await;
    house.hub.quiet().await;
    let before = stack.ask("bill").await;
    for number in 0..PINGS {
        socket.change(json!({ "kind": "ping", "id": number.to_string() })).await;
    }
    let after = stack.ask("bill").await;
    let used = |unit: &str| after[unit].as_f64().unwrap_or(0.0) - before[unit].as_f64().unwrap_or(0.0);
    let an_hour = 3600.0 / hello["ping_s"].as_f64().expect("seconds");
    let counted = BTreeMap::from([
        ("API Gateway, messages of sockets", 2.0 * an_hour),
        ("Lambda, requests", an_hour),
        ("DynamoDB, read units", used("read units") / f64::from(PINGS) * an_hour),
    ]);
    let (lines, _) = table("page");
    for (name, count) in counted {
        assert_eq!(count, lines[name].count, "{name}");
    }
    assert_eq!(used("write units"), 0.0);
    house.close().await;
}
