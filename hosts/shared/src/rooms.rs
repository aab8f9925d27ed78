//! The rooms of the configuration, checked as a whole.

use switchboard_bridges::ConfigError;
use switchboard_bridges::settings::Document;
use switchboard_core::{Rooms, SmsAccess};

/// Refuses a room that is wired to nothing, and a list of phones that does not fit.
///
/// # Errors
/// The room and its line, the fault and the mend.
pub fn check(document: &Document, rooms: &Rooms) -> Result<(), ConfigError> {
    for (name, room) in rooms.iter() {
        let path = ["rooms", name.as_str(), "phones"];
        if room.slack_channel.is_none() && room.sms == SmsAccess::Off {
            return Err(document
                .wrong(&path[..2], "wired to nothing")
                .mend("give it a slack_channel, or sms = \"open\" or \"listed\""));
        }
        if room.sms == SmsAccess::Listed && room.phones.is_empty() {
            return Err(document
                .wrong(&["rooms", name.as_str(), "sms"], "\"listed\" and no phones")
                .mend("list them: phones = [\"+14155550100\"]"));
        }
        if room.sms != SmsAccess::Listed && !room.phones.is_empty() {
            return Err(document
                .wrong(&path, "a list, but its sms is not \"listed\"")
                .mend("write sms = \"listed\", or take the phones out"));
        }
    }
    Ok(())
}
