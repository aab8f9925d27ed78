//! What a message costs on AWS: the table of docs/aws.md, recomputed, and its counts, counted on the emulator.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use switchboard_rules::wiring::Wiring;
use switchboard_stories::{House, LOBBY, until};

/// One line of the table: how many a message needs, what a million of them cost, what a million messages cost then.
struct Line {
    count: f64,
    price: f64,
    dollars: f64,
}

/// The lines between the marks, by what they are about; and the sum.
fn table() -> (BTreeMap<String, Line>, f64) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/aws.md");
    let text = std::fs::read_to_string(path).unwrap();
    let table = text.split("<!-- cost -->").nth(1).expect("the table stands between two marks");
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
fn the_table_of_costs_adds_up() {
    let (lines, sum) = table();
    assert!(lines.len() >= 6, "{:?}", lines.keys());
    for (name, line) in &lines {
        let dollars = line.count * line.price;
        assert!((dollars - line.dollars).abs() < 0.051, "{name}: {dollars:.1} and not {}", line.dollars);
    }
    let added: f64 = lines.values().map(|line| line.dollars).sum();
    assert!((added - sum).abs() < 0.051, "the sum is {added:.1} and not {sum}");
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
    let (lines, _) = table();
    for (name, count) in counted {
        let said = lines[name].count;
        assert!(
            (count - said).abs() <= said * 0.25,
            "{name}: {count} were counted, and the table says {said}"
        );
    }
    house.close().await;
}
