//! A hub with work in every state goes through a file and is the same hub.

use std::collections::BTreeSet;

use rusqlite::params;
use serde_json::Value;
use switchboard_core::event::{Change, Detail, RoomChanged};
use switchboard_core::{Address, Event, EventId, Message, MessageId, Revision, Sender, Surface, Timestamp};

use std::path::Path;

use super::*;

fn event(seq: u64, at: i64) -> Event {
    let time = Timestamp::from_ms(at);
    let message = Message {
        id: MessageId::from_cause(&[&seq.to_string()]),
        revision: Revision::FIRST,
        room: "lobby".parse().unwrap(),
        sender: Sender { surface: Surface::Web, address: Address::new("a"), name: "a".into() },
        text: "text".into(),
        attachments: Vec::new(),
        thread_parent: None,
        provider_id: None,
        time,
        hops: 0,
    };
    let detail =
        RoomChanged { lane: "lobby".into(), seq, change: Change::Posted, message, by: None, reaction: None };
    Event::new(EventId::from_cause(&[&seq.to_string()]), "moderation", time, Detail::RoomChanged(detail))
}

/// Seven changes of a room, each with a delivery in another state, and what else a hub may have.
fn fill(data: &Path) {
    std::fs::create_dir_all(data).unwrap();
    let db = database::open_for_writing(&data.join("hub.sqlite3"), &["slack", "sms"]).unwrap();
    db.execute_batch(
        "INSERT INTO listeners (id, name) VALUES (1, 'slack.out'), (2, 'sms.door'), (3, 'sms'), (4, 'slack.intake'),
             (5, 'moderation');
         INSERT INTO items_sms VALUES ('phone', '+1', '{\"out\":true}', 3, 0, NULL), ('spent', 'day', '', 0, 7, 99);
         INSERT INTO items_slack VALUES ('post', 'a', '{}', 1, 0, NULL);
         INSERT INTO timers VALUES ('moderation', 'park', 5000, '{}');
         INSERT INTO arrivals VALUES (2, x'000102030405060708090a0b0c0d0e0f', 40, NULL);",
    )
    .unwrap();
    // (state of the delivery, attempts, part)
    let deliveries = [
        (2, 0, None),
        (3, 5, None),
        (2, 0, None),
        (1, 0, None),
        (0, 1, Some("more")),
        (0, 2, None),
        (0, 0, None),
    ];
    for (seq, (state, attempts, part)) in (1..).zip(deliveries) {
        let event = event(seq, 1000);
        db.execute(
            "INSERT INTO events VALUES (?1, ?2, 1, 1000, ?3, '1')",
            params![seq, database::id_bytes(event.id.as_str()), event.encode().unwrap()],
        )
        .unwrap();
        if state == 2 {
            // It has ended well: the event says that it was heard.
            continue;
        }
        db.execute(
            "INSERT INTO deliveries (listener, position, state, attempts, due, first, changed, part) \
             VALUES (1, ?1, ?2, ?3, 60, 50, 50, ?4)",
            params![seq, state, attempts, part],
        )
        .unwrap();
    }
    db.execute_batch(
        "INSERT INTO effects (id, listener, origin, destination, body, state, attempts, unsure, due, first, changed, report,
             reason, exchanges) VALUES (1, 1, 1, 'C1', 'post', 3, 1, 0, 0, 50, 50, NULL, NULL, NULL),
             (2, 1, 3, 'C1', 'post', 4, 9, 1, 0, 50, 50, NULL, 'gone', NULL),
             (3, 1, 4, 'C1', 'post', 1, 1, 0, 70, 50, 50, NULL, NULL, NULL),
             (4, 1, 4, 'C2', 'post', 2, 1, 0, 0, 50, 50, '{\"ts\":1}', NULL, NULL),
             (5, 3, 0, '+1', 'text', 0, 0, 0, 80, 50, 50, NULL, NULL, NULL),
             (6, 1, 1, 'C2', 'post', 3, 1, 0, 0, 50, 50, '{\"ts\":2}', NULL, NULL);
         INSERT INTO dead_letters (listener, position, effect, at, first, attempts, kind, reason)
             VALUES (1, 2, NULL, 50, 50, 5, 'retry', 'nobody answers'), (1, 3, 2, 50, 50, 9, 'refuse', 'gone'),
             (1, 1, 6, 50, 50, 1, 'bug', 'cannot settle');
         INSERT INTO dead_letters (listener, at, first, attempts, kind, reason, timer, body)
             VALUES (5, 50, 49, 1, 'bug', 'ours', 'park', 'set anew'), (5, 50, 48, 1, 'bug', 'ours', 'wake', 'now');",
    )
    .unwrap();
}

/// The lines of a file without what each export makes anew.
fn lines(file: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(file).unwrap();
    let lines = text.lines().skip(1).map(|line| {
        let mut line: Value = serde_json::from_str(line).unwrap();
        if let Some(effect) = line.get_mut("effect") {
            effect["sort"].take();
            // Of a door's effect the cause is only a name.
            if effect["cause"]["event"].is_null() {
                effect["cause"].take();
            }
        }
        line.to_string()
    });
    lines.collect()
}

fn rows(data: &Path, sql: &str) -> Vec<(i64, i64)> {
    let db = database::open_for_reading(&data.join("hub.sqlite3")).unwrap();
    let mut statement = db.prepare(sql).unwrap();
    statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
}

#[tokio::test]
async fn what_is_open_dead_or_done_is_so_after_the_move() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    fill(&at("one"));
    export_alone(&at("one"), &at("first")).await.unwrap();
    let error = export_alone(&at("one"), &at("first")).await.unwrap_err().to_string();
    assert!(error.contains("cannot write"), "nothing is written over: {error}");
    import_alone(&at("two"), &at("first")).await.unwrap();
    export_alone(&at("two"), &at("second")).await.unwrap();
    assert_eq!(lines(&at("first")), lines(&at("second")));

    let states = "SELECT position, state FROM deliveries ORDER BY position";
    assert_eq!(rows(&at("one"), states), rows(&at("two"), states));
    let heard = "SELECT position, heard <> '' FROM events ORDER BY position";
    assert_eq!(rows(&at("one"), heard), rows(&at("two"), heard));
    let letters = "SELECT position, attempts FROM dead_letters ORDER BY position";
    assert_eq!(rows(&at("two"), letters), [(1, 1), (2, 5), (3, 9)]);
    let timers = "SELECT due, key = 'wake' FROM timers ORDER BY due";
    assert_eq!(rows(&at("two"), timers), [(48, 1), (5000, 0)], "one that was given up is set again");
    let lane: Vec<String> =
        lines(&at("first")).into_iter().filter(|line| line.starts_with("{\"lane\"")).collect();
    assert_eq!(
        lane,
        ["{\"lane\":{\"done\":3,\"listener\":\"slack.out\",\"name\":\"lobby\",\"started\":5}}"],
        "of a lane three have ended"
    );
}

#[tokio::test]
async fn an_import_that_was_stopped_goes_on_and_starts_no_hub_until_then() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    fill(&at("one"));
    export_alone(&at("one"), &at("whole")).await.unwrap();
    let whole = std::fs::read(at("whole")).unwrap();
    for end in (0..whole.len()).step_by(whole.len() / 7) {
        std::fs::write(at("half"), &whole[..end]).unwrap();
        let error = import_alone(&at("two"), &at("half")).await.unwrap_err().to_string();
        assert!(error.contains("to mend it"), "{error}");
        if end > 200 {
            let db = database::open_for_reading(&at("two").join("hub.sqlite3")).unwrap();
            let error = refuse_half(&db).unwrap_err().to_string();
            assert!(error.contains("begin it again with the same file"), "{error}");
        }
    }
    import_alone(&at("two"), &at("whole")).await.unwrap();
    import_alone(&at("two"), &at("whole")).await.unwrap();
    export_alone(&at("two"), &at("again")).await.unwrap();
    assert_eq!(lines(&at("whole")), lines(&at("again")));
    let error = import_alone(&at("one"), &at("whole")).await.unwrap_err().to_string();
    assert!(error.contains("holds a hub already"), "{error}");
    let error = import_alone(&at("two"), &at("again")).await.unwrap_err().to_string();
    assert!(error.contains("another import"), "{error}");
}

/// Another test that starts a process holds this one's lock too, from its fork until its exec.
async fn import_alone(directory: &Path, file: &Path) -> anyhow::Result<String> {
    loop {
        match import(directory, file).await {
            Err(error) if error.to_string().contains("is in use") => tokio::task::yield_now().await,
            other => return other,
        }
    }
}

async fn export_alone(directory: &Path, file: &Path) -> anyhow::Result<String> {
    loop {
        match export(directory, file).await {
            Err(error) if error.to_string().contains("is in use") => tokio::task::yield_now().await,
            other => return other,
        }
    }
}

#[tokio::test]
async fn changes_of_a_lane_are_in_the_order_of_their_numbers_whatever_their_times_say() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    std::fs::create_dir(at("one")).unwrap();
    let db = database::open_for_writing(&at("one").join("hub.sqlite3"), &[]).unwrap();
    // As two machines with clocks of their own would have written them.
    for (position, (seq, time)) in (1..).zip([(3, 10), (1, 20), (2, 30)]) {
        let event = event(seq, time);
        let id = database::id_bytes(event.id.as_str());
        let row = params![position, id, event.encode().unwrap()];
        db.execute("INSERT INTO events VALUES (?1, ?2, 1, 0, ?3, NULL)", row).unwrap();
    }
    drop(db);
    export_alone(&at("one"), &at("file")).await.unwrap();
    import_alone(&at("two"), &at("file")).await.unwrap();
    let db = database::open_for_reading(&at("two").join("hub.sqlite3")).unwrap();
    let mut statement = db.prepare("SELECT body FROM events ORDER BY position").unwrap();
    let bodies = statement.query_map([], |row| row.get::<_, Vec<u8>>(0)).unwrap();
    let order: Vec<u64> =
        bodies.map(|body| Event::decode(&body.unwrap()).unwrap().lane().unwrap().seq).collect();
    assert_eq!(order, [1, 2, 3]);
}
