//! The search of a host that keeps no index.

use super::*;

fn find(house: &mut House, cookie: &str, query: &str) -> (Vec<String>, Value) {
    let query: String = query.replace(' ', "%20").replace('"', "%22");
    let found = body(&house.request("GET", &format!("/api/rooms/lobby/search?{query}"), cookie, "").unwrap());
    let texts = found["messages"].as_array().unwrap().iter();
    (texts.map(|it| it["text"].as_str().unwrap().to_owned()).collect(), found["before"].clone())
}

#[test]
fn words_are_found_newest_first_whatever_their_case_and_marks_and_what_is_gone_is_not() {
    let mut house = House::new();
    let cookie = house.sign_in("Zoe").unwrap();
    for (seq, text) in ["The café opens at noon", "CAFÉ closed", "a \"quoted\" thing"].iter().enumerate() {
        house.change(seq as u64 + 1, Change::Posted, message(&format!("m{seq}"), 1, text));
    }
    let mut texts = |query: &str| find(&mut house, &cookie, query).0;
    assert_eq!(texts("q=cafe"), ["CAFÉ closed", "The café opens at noon"]);
    assert_eq!(texts("q=caf%C3%A9 op"), ["The café opens at noon"], "the last word is a beginning");
    assert_eq!(texts("q=op caf%C3%A9"), [""; 0], "and only the last");
    assert_eq!(texts("q=\"quoted\" OR NEAR("), [""; 0]);
    assert_eq!(texts("q=\"quo"), ["a \"quoted\" thing"]);
    assert_eq!(texts("q=* \""), [""; 0]);
    assert_eq!(texts("q=cafe&before=2"), ["The café opens at noon"]);
    house.change(4, Change::Deleted, message("m2", 1, ""));
    assert_eq!(find(&mut house, &cookie, "q=quoted").0, [""; 0]);
}

#[test]
fn a_search_without_an_index_finds_what_the_index_finds() {
    for case in serde_json::from_str::<Vec<Value>>(super::super::words::CASES).unwrap() {
        let mut house = House::new();
        let cookie = house.sign_in("Eve").unwrap();
        let text = case["text"].as_str().unwrap();
        house.change(1, Change::Posted, message("m", 1, text));
        for (name, count) in [("found", 1), ("not", 0)] {
            for words in case[name].as_array().unwrap() {
                let query: String =
                    form_urlencoded::byte_serialize(words.as_str().unwrap().as_bytes()).collect();
                assert_eq!(
                    find(&mut house, &cookie, &format!("q={query}")).0.len(),
                    count,
                    "{words} in {text}"
                );
            }
        }
    }
}

#[test]
fn a_long_room_is_looked_through_a_bounded_piece_at_a_time_and_to_its_end() {
    let mut house = House::new();
    let cookie = house.sign_in("Zoe").unwrap();
    house.change(1, Change::Posted, message("first", 1, "needle"));
    for seq in 2..=4100 {
        house.change(seq, Change::Posted, message(&format!("m{seq}"), 1, "hay"));
    }
    let (mut from, mut pieces, mut texts) = (String::new(), 0, Vec::new());
    loop {
        let (found, before) = find(&mut house, &cookie, &format!("q=needle{from}"));
        texts.extend(found);
        pieces += 1;
        match before.as_u64() {
            Some(before) => from = format!("&before={before}"),
            None => break,
        }
    }
    assert_eq!((texts, pieces), (vec!["needle".to_owned()], 3));
    let (found, before) = find(&mut house, &cookie, "q=hay&limit=2");
    assert_eq!((found.len(), before), (2, json!(4099)), "as many as were asked for");
}
