//! What every way to topics must do.

use std::sync::Arc;

use async_trait::async_trait;

use super::Trouble;
use crate::notice::{MAX_NOTICE_BYTES, MAX_SUBJECT_UNITS, Notice, NoticeTopic};
use crate::ports::Notices;

/// A way to topics, two of them with somebody who subscribes to each.
#[async_trait]
pub trait NoticesUnderTest: Send + Sync {
    /// The port.
    fn notices(&self) -> &dyn Notices;
    /// The topics.
    fn topics(&self) -> [NoticeTopic; 2];
    /// What a topic's subscriber has got (subject, message), in any order, as soon as there are this many.
    async fn received(&self, topic: &NoticeTopic, count: usize) -> Vec<(String, String)>;
    /// The port on a way where this happens to the first that is published; `None` where it cannot happen.
    async fn in_trouble(&self, trouble: Trouble) -> Option<Arc<dyn Notices>>;
}

/// Runs the suite.
///
/// # Panics
/// Where the contract is broken.
pub async fn notices_keep_their_contract(under_test: &dyn NoticesUnderTest) {
    let [topic, other] = under_test.topics();
    let subject: String = "azü 09~!\"&<>%+=?;:'".chars().cycle().take(MAX_SUBJECT_UNITS).collect();
    let largest = "é".repeat((MAX_NOTICE_BYTES - subject.len()) / 2);
    let sent = [
        ("Alarm", "Ann pressed the button in the hall\r\n\t\"two\" & <three> %20 + ü 🚨"),
        (subject.as_str(), largest.as_str()),
        // The same again is another one: whether it is to be sent is the bridge's to know.
        ("Alarm", "again"),
        ("Alarm", "again"),
    ];
    let mut ids = Vec::new();
    for (subject, message) in sent {
        let notice = Notice::new(subject, message).expect("a notice");
        ids.push(under_test.notices().publish(&topic, &notice).await.expect("published"));
    }
    let mut received = under_test.received(&topic, sent.len()).await;
    received.sort();
    let mut expected = sent.map(|(subject, message)| (subject.to_owned(), message.to_owned()));
    expected.sort();
    assert!(received == expected, "who subscribes gets each as it was published, and no other");
    ids.sort();
    ids.dedup();
    assert!(
        ids.len() == sent.len() && ids.iter().all(|id| !id.is_empty()),
        "each has an id of its own: {ids:?}"
    );

    let notice = Notice::new("Other", "for others").expect("a notice");
    under_test.notices().publish(&other, &notice).await.expect("published");
    assert_eq!(under_test.received(&other, 1).await, [("Other".to_owned(), "for others".to_owned())]);

    for trouble in Trouble::ALL {
        if let Some(port) = under_test.in_trouble(trouble).await {
            trouble.demand(port.publish(&topic, &notice).await);
        }
    }
    assert_eq!(under_test.received(&topic, sent.len()).await.len(), sent.len(), "nothing came beside");
}
