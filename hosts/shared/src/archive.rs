//! `[archive]`: how long what is settled is kept.

use std::time::Duration;

use serde::Deserialize;
use switchboard_bridges::ConfigError;
use switchboard_bridges::settings::Document;

/// What is kept where nothing is said.
const KEEP_DAYS: u64 = 90;

/// The section as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    keep_days: Option<u64>,
    keep_files_days: Option<u64>,
}

/// How long what is settled is kept; `None` is for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Archive {
    /// Events, arrivals and deliveries.
    pub events: Option<Duration>,
    /// The files of messages.
    pub files: Option<Duration>,
}

impl Archive {
    /// Reads the section; the usual where there is none.
    ///
    /// # Errors
    /// The place, the fault and the mend.
    pub fn read(document: &Document) -> Result<Self, ConfigError> {
        let written: Written = document.section("archive")?.unwrap_or_default();
        let time = |days: u64| (days > 0).then(|| Duration::from_secs(days * 86_400));
        let wrong = |name: &str, days: u64, mend: &str| {
            Err(document.wrong(&["archive", name], format!("{days} will not do")).mend(mend))
        };
        let keep = written.keep_days.unwrap_or(KEEP_DAYS);
        if !matches!(keep, 0 | 3..=3650) {
            let mend =
                "keep at least 3 days, longer than a delivery may be tried, at most 3650, or 0 for ever";
            return wrong("keep_days", keep, mend);
        }
        let Some(days) = written.keep_files_days else {
            return Ok(Self { events: time(keep), files: None });
        };
        if days != 0 && !(keep.max(3)..=3650).contains(&days) {
            let mend = "keep files at least as long as events (keep_days), at most 3650 days, or 0 for ever";
            return wrong("keep_files_days", days, mend);
        }
        Ok(Self { events: time(keep), files: time(days) })
    }
}
