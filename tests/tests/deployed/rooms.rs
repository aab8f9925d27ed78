//! Many rooms for one house, so that stories, or the texts of one, do not wait for each other.

use switchboard_stories::House;

/// How many.
pub(crate) const ROOMS: usize = 30;

/// A room, its channel, two phones that are in it, and a word that no other place has.
pub(crate) struct Place {
    pub(crate) number: u64,
    pub(crate) room: String,
    pub(crate) channel: String,
    pub(crate) ann: String,
    pub(crate) bob: String,
    pub(crate) word: String,
}

impl Place {
    /// The place of what has this number: rooms are taken in turns.
    pub(crate) fn of(number: usize) -> Self {
        let room = number % ROOMS;
        Self {
            number: number as u64,
            room: format!("r{room}"),
            channel: format!("C0R{room}"),
            ann: format!("+1415556{:04}", 2 * room),
            bob: format!("+1415556{:04}", 2 * room + 1),
            word: format!("word{number}"),
        }
    }
}

/// `switchboard.toml` with all rooms.
pub(crate) fn configuration() -> String {
    let rooms =
        (0..ROOMS).map(|room| format!("[rooms.r{room}]\nslack_channel = \"C0R{room}\"\nsms = \"open\"\n"));
    let rest = "[sms]\nsegments_per_second = 0\n[moderation]\npark_s = 86400\n[chat]\nguests = true\n";
    rooms.collect::<String>() + rest
}

/// Every phone joins its room.
pub(crate) async fn join(house: &House) {
    let joining = (0..ROOMS).map(|number| async move {
        let place = Place::of(number);
        for phone in [&place.ann, &place.bob] {
            assert_eq!(house.text(phone, &format!("JOIN {} Ann", place.room)).await, 200);
        }
    });
    futures::future::join_all(joining).await;
    house.hub.quiet().await;
}
