//! The index follows the store, whatever becomes of either.

use rusqlite::Connection;
use switchboard_bridges::Settings;
use switchboard_bridges::web_chat::WebChat;
use switchboard_core::{Address, EventId, Message, MessageId, Revision, Sender, Surface};

use super::*;
use crate::bus::database;
use crate::bus::log::Progress;

const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

fn room() -> RoomName {
    "lobby".parse().unwrap()
}

fn index(directory: &tempfile::TempDir) -> (SearchIndex, Connection) {
    let path = directory.path().join("hub.sqlite3");
    let db = database::open_for_writing(&path, &["web_chat"]).unwrap();
    let settings = Settings::for_tests("[rooms.lobby]\nsms = 'open'\n", &[]);
    let history = History {
        bridge: Arc::new(WebChat::new(&settings).unwrap()),
        rooms: vec![room()],
        readers: Arc::new(Readers::new(&path, &["web_chat"], Arc::new(Progress::new()))),
        clock: Arc::new(|| NOW),
    };
    let index = SearchIndex::new(&directory.path().join("search.sqlite3"), Archive::new(&path), history);
    // Made while there is nothing: from now on it learns what happens.
    index.keep_up().unwrap();
    (index, db)
}

/// The room's `seq`th message, published at the same position.
fn posted(db: &Connection, seq: u64, text: &str) {
    let message = Message {
        id: MessageId::from_cause(&[text]),
        revision: Revision::FIRST,
        room: room(),
        sender: Sender { surface: Surface::Web, address: Address::new("a"), name: "Ann".into() },
        text: text.into(),
        attachments: Vec::new(),
        thread_parent: None,
        provider_id: None,
        time: NOW,
        hops: 0,
    };
    let lane = "lobby".to_owned();
    let changed = RoomChanged { lane, seq, change: Change::Posted, message, by: None, reaction: None };
    let id = EventId::from_cause(&[text]);
    let event = Event::new(id.clone(), "moderation", NOW, Detail::RoomChanged(changed));
    let values = params![seq, database::id_bytes(id.as_str()), NOW.ms(), event.encode().unwrap()];
    db.execute("INSERT INTO events (position, id, outside, at, body) VALUES (?1, ?2, 0, ?3, ?4)", values)
        .unwrap();
}

fn found(index: &SearchIndex, words: &str) -> Vec<u64> {
    index.find_now(&room(), words, None, 10).unwrap()
}

#[test]
fn what_a_power_cut_took_back_is_not_found_and_what_came_instead_is() {
    let directory = tempfile::tempdir().unwrap();
    let (index, db) = index(&directory);
    posted(&db, 1, "first words");
    posted(&db, 2, "lost words");
    assert_eq!(found(&index, "words"), [2, 1]);
    // The commit with the second had not reached the disk; the numbers go to others.
    db.execute("DELETE FROM events WHERE position = 2", []).unwrap();
    let body = r#"{"message_id":"m1","revision":1,"sender":{"surface":"web","id":"a","name":"Ann"},"text":"first words","time":"2026-11-22T08:00:00Z"}"#;
    let sql = "INSERT INTO items_web_chat VALUES ('room/lobby', ?1, ?2, 1, 0, NULL)";
    db.execute(sql, params![format!("{:020}", 1), body]).unwrap();
    for seq in 2..=3 {
        posted(&db, seq, &format!("other words {seq}"));
        let body = body.replace("first", &format!("other {seq}")).replace("m1", &format!("m{seq}"));
        db.execute(sql, params![format!("{seq:020}"), body]).unwrap();
    }
    assert_eq!(found(&index, "lost"), [0; 0]);
    assert_eq!(found(&index, "words"), [3, 2, 1]);
    posted(&db, 4, "and on");
    assert_eq!((found(&index, "on"), found(&index, "first")), (vec![4], vec![1]), "it goes on from there");
}

#[test]
fn what_the_archive_has_forgotten_stays_and_what_was_never_heard_of_is_taken_from_the_history() {
    let directory = tempfile::tempdir().unwrap();
    let (index, db) = index(&directory);
    (1..=3).for_each(|seq| posted(&db, seq, &format!("words {seq}")));
    assert_eq!(found(&index, "words"), [3, 2, 1]);
    posted(&db, 4, "more words");
    db.execute("DELETE FROM events WHERE position < 4", []).unwrap();
    assert_eq!(found(&index, "words"), [4, 3, 2, 1], "nothing is missing, so nothing is made again");
    posted(&db, 7, "late words");
    db.execute("DELETE FROM events WHERE position < 7", []).unwrap();
    assert_eq!(found(&index, "words"), [0; 0], "the history of this test is empty");
}

#[test]
fn what_is_on_its_way_to_the_history_is_found_when_the_index_is_made() {
    let directory = tempfile::tempdir().unwrap();
    let (index, db) = index(&directory);
    (1..=3).for_each(|seq| posted(&db, seq, &format!("words {seq}")));
    let open = "INSERT INTO deliveries (listener, position, state, attempts, due, first, changed) VALUES (1, 2, 0, 0, 0, 0, 0), (1, 3, 0, 0, 0, 0, 0)";
    db.execute_batch(open).unwrap();
    drop(index);
    std::fs::remove_file(directory.path().join("search.sqlite3")).unwrap();
    let (again, _) = self::index(&directory);
    assert_eq!(found(&again, "words"), [3, 2], "the first is in the history, which is empty here");
}
