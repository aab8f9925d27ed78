//! Finding what was said where the host keeps no index: the room's own pages are looked through, newest first.
//!
//! It costs nothing while nobody searches, and a bounded number of readings when somebody does: where the bound is
//! reached the answer says from where to go on, whether anything was found or not. What counts as a match is what the
//! index of one machine takes for one, since both cut texts by [`super::words`].

use switchboard_core::socket::found_by;
use switchboard_core::{Failure, Order, RoomName, View};

use super::store::{self, Entry};
use super::words::{cut, sought};

/// Messages that one search looks at: on DynamoDB about ten requests.
const MAX_LOOKED: usize = 2000;
/// How many at a time: a page of DynamoDB has at most 1 MB.
const AT_ONCE: usize = 200;

/// Is all that is looked for in a message? Each part is words that follow one another, the last of all a beginning.
fn is_in(wanted: &[Vec<String>], entry: &Entry) -> bool {
    let said = cut(&found_by(&entry.text, &entry.sender.name, &entry.attachments));
    wanted.iter().enumerate().all(|(index, part)| {
        let open = index + 1 == wanted.len();
        said.windows(part.len()).any(|place| fits(part, place, open))
    })
}

fn fits(part: &[String], place: &[String], open: bool) -> bool {
    let last = part.len() - 1;
    part.iter().zip(place).enumerate().all(|(index, (wanted, found))| {
        wanted == found || (open && index == last && found.starts_with(wanted.as_str()))
    })
}

/// The numbers of messages with these words, newest first, and from where to look on: `None` when the room's first
/// message has been looked at.
pub(super) async fn look(
    room: &RoomName,
    words: &str,
    before: Option<u64>,
    limit: usize,
    view: &dyn View,
) -> Result<(Vec<u64>, Option<u64>), Failure> {
    let wanted = sought(words);
    let mut found = Vec::new();
    if wanted.is_empty() {
        return Ok((found, None));
    }
    let (mut from, mut looked) = (before, 0);
    while looked < MAX_LOOKED {
        let page = store::numbered_page(view, "room", room, from, Order::Descending, AT_ONCE).await?;
        for item in &page.items {
            let number = store::number(&item.sort)?;
            let entry: Entry = item.read()?;
            if entry.gone.is_none() && is_in(&wanted, &entry) {
                found.push(number);
                if found.len() == limit {
                    return Ok((found, Some(number)));
                }
            }
        }
        looked += page.items.len();
        let Some(next) = page.next else { return Ok((found, None)) };
        from = Some(store::number(&next)?);
    }
    Ok((found, from))
}
