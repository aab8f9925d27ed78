//! The rooms of the configuration, checked as a whole.

use switchboard_bridges::ConfigError;
use switchboard_core::{Rooms, SmsAccess};

/// Refuses a room that is wired to nothing, and a list of phones that does not fit.
///
/// # Errors
/// The room, the fault and the mend.
pub fn check(rooms: &Rooms) -> Result<(), ConfigError> {
    for (name, room) in rooms.iter() {
        if room.slack_channel.is_none() && room.sms == SmsAccess::Off {
            return Err(ConfigError::new(format!("[rooms.{name}] is wired to nothing"))
                .mend("give it a slack_channel, or sms = \"open\" or \"listed\""));
        }
        if room.sms == SmsAccess::Listed && room.phones.is_empty() {
            return Err(ConfigError::new(format!("[rooms.{name}] has sms = \"listed\" and no phones"))
                .mend("list them: phones = [\"+14155550100\"]"));
        }
        if room.sms != SmsAccess::Listed && !room.phones.is_empty() {
            return Err(ConfigError::new(format!(
                "[rooms.{name}] lists phones, but its sms is not \"listed\""
            ))
            .mend("write sms = \"listed\", or take the phones out"));
        }
    }
    Ok(())
}
