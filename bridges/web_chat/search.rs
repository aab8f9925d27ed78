//! Finding what was said where the host keeps no index: the room's own pages are looked through, newest first.
//!
//! It costs nothing while nobody searches, and a bounded number of readings when somebody does: where the bound is
//! reached the answer says from where to go on, whether anything was found or not. What counts as a match is what the
//! index of one machine takes for one: all words, marks and case aside, the last one as a beginning. Not yet: scripts that
//! put no space between words, of which that index knows every letter.

use switchboard_core::{Failure, Order, RoomName, View};
use unicode_normalization::UnicodeNormalization;

use super::store::{self, Entry};

/// Messages that one search looks at: on DynamoDB about ten requests.
const MAX_LOOKED: usize = 2000;
/// How many at a time: a page of DynamoDB has at most 1 MB.
const AT_ONCE: usize = 200;
/// Most words of a search.
const MAX_WORDS: usize = 16;

/// Words as they are compared: without case and marks.
fn fold(text: &str) -> Vec<String> {
    let folded: String = text
        .nfkd()
        .filter(|c| !unicode_normalization::char::is_combining_mark(*c))
        .flat_map(char::to_lowercase)
        .collect();
    folded.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// What is looked for: each part is words that follow one another; the last word of all is a beginning.
struct Wanted(Vec<Vec<String>>);

impl Wanted {
    fn new(words: &str) -> Self {
        let parts = words.split_whitespace().map(fold).filter(|part| !part.is_empty());
        Self(parts.take(MAX_WORDS).collect())
    }

    fn is_in(&self, entry: &Entry) -> bool {
        let files = entry.attachments.iter().map(|file| file.name.as_str());
        let said = [entry.text.as_str(), entry.sender.name.as_str()];
        let said: Vec<Vec<String>> = said.into_iter().chain(files).map(fold).collect();
        self.0.iter().enumerate().all(|(index, part)| {
            let open = index + 1 == self.0.len();
            said.iter().any(|said| said.windows(part.len()).any(|place| fits(part, place, open)))
        })
    }
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
    let wanted = Wanted::new(words);
    let mut found = Vec::new();
    if wanted.0.is_empty() {
        return Ok((found, None));
    }
    let (mut from, mut looked) = (before, 0);
    while looked < MAX_LOOKED {
        let page = store::numbered_page(view, "room", room, from, Order::Descending, AT_ONCE).await?;
        for item in &page.items {
            let number = store::number(&item.sort)?;
            let entry: Entry = item.read()?;
            if entry.gone.is_none() && wanted.is_in(&entry) {
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
