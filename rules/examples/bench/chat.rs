//! Events like those of a chat, all of one source, and rules each of which is about one room in twenty thousand.

use crate::lots::Dice;

const ROOMS: u64 = 20_000;

/// `count` events, of about 700 bytes.
pub(crate) fn events(count: usize) -> Vec<String> {
    let mut dice = Dice(11);
    (0..count)
        .map(|number| {
            let (room, sender, seq) = (dice.roll(ROOMS), dice.roll(5_000), dice.roll(100_000));
            format!(
                r#"{{"version":"0","id":"5d1c0f2e-8a55-4f6b-9c3e-{number:012x}","detail-type":"RoomChanged","source":"switchboard.moderation","account":"123456789012","time":"2026-11-22T05:52:30Z","region":"eu-west-1","resources":[],"detail":{{"event_id":"01JD{number:022}","change":"posted","room":"room-{room:05}","seq":{seq},"message":{{"id":"m-{number}","revision":1,"sender":{{"surface":"sms","address":"+1415555{sender:04}","display_name":"Sender {sender}"}},"text":"So \"{number}\" it is, said the one to the other, and we'll meet at the {room}th door. Bring the [keys] and the {{lamp}}, please.","attachments":[{{"kind":"image","bytes":{seq},"blob":"b-{number:016x}"}}],"time":"2026-11-22T05:52:29Z"}},"hops":1}}}}"#
            )
        })
        .collect()
}

/// Kinds of rules. Each wants the source and the type that all events have.
pub(crate) const KINDS: [(&str, Kind); 2] = [
    ("a room, in full", |_, room| format!(r#""room": ["room-{room:05}"]"#)),
    ("a room, in full or by prefix, half of them with a second field", |number, room| match number % 8 {
        0..4 => format!(r#""room": ["room-{room:05}"]"#),
        4 => format!(
            r#""room": ["room-{room:05}"], "message": {{"sender": {{"surface": [{{"anything-but": ["slack"]}}]}}}}"#
        ),
        5 | 6 => format!(r#""room": ["room-{room:05}"], "seq": [{{"numeric": [">", {}]}}]"#, room * 4),
        _ => format!(r#""room": [{{"prefix": "room-{:04}"}}], "change": ["posted"]"#, room / 10),
    }),
];

/// What rule number so and so wants of the detail, about this room.
pub(crate) type Kind = fn(usize, u64) -> String;

/// `count` rules.
pub(crate) fn rules(count: usize, kind: Kind) -> Vec<String> {
    let rule = |number: usize| {
        let detail = kind(number, (number as u64 * 7_919) % ROOMS);
        format!(
            r#"{{"source": ["switchboard.moderation"], "detail-type": ["RoomChanged"], "detail": {{{detail}}}}}"#
        )
    };
    (0..count).map(rule).collect()
}
