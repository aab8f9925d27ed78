//! What every way to devices must do.

use std::sync::Arc;

use async_trait::async_trait;

use super::Trouble;
use crate::device::{DeviceMessage, DeviceTopic, MAX_PAYLOAD_BYTES};
use crate::ports::Devices;

/// A way to devices, with one that subscribes to all that is published.
#[async_trait]
pub trait DevicesUnderTest: Send + Sync {
    /// The port.
    fn devices(&self) -> &dyn Devices;
    /// What the device has got (topic, payload), in any order, as soon as there are this many.
    async fn received(&self, count: usize) -> Vec<(String, Vec<u8>)>;
    /// What the broker keeps for a topic.
    async fn kept(&self, topic: &DeviceTopic) -> Option<Vec<u8>>;
    /// The port on a way where this happens to the first that is published; `None` where it cannot happen.
    async fn in_trouble(&self, trouble: Trouble) -> Option<Arc<dyn Devices>>;
}

/// Runs the suite.
///
/// # Panics
/// Where the contract is broken.
pub async fn devices_keep_their_contract(under_test: &dyn DevicesUnderTest) {
    let topic = |text: &str| text.parse::<DeviceTopic>().expect("a topic");
    let message = |at: &DeviceTopic, payload: &[u8]| {
        DeviceMessage::new(at.clone(), payload.to_vec()).expect("a message")
    };
    let plain = topic("switchboard/hall/acknowledged");
    let odd = topic("switchboard/a b/ü%2F?x=y&z;'");
    let deep = topic("switchboard/2/3/4/5/6/7/8");
    let largest = vec![b'x'; MAX_PAYLOAD_BYTES];
    let sent: [(&DeviceTopic, &[u8]); 5] = [
        (&plain, b"{\"by\": \"Ann\", \"at\": \"\xc3\xbc\"}"),
        (&odd, b"odd"),
        (&deep, &largest),
        (&plain, b"twice"),
        (&plain, b"twice"),
    ];
    for (at, payload) in sent {
        under_test.devices().publish(&message(at, payload)).await.expect("published");
    }
    let mut received = under_test.received(sent.len()).await;
    received.sort();
    let mut expected = sent.map(|(at, payload)| (at.to_string(), payload.to_vec()));
    expected.sort();
    assert!(received == expected, "the device gets each as it was published, and no other");

    // Many at once, each of them answered.
    let each = (0..50).map(|at| message(&plain, format!("{at}").as_bytes())).collect::<Vec<_>>();
    let all = futures::future::join_all(each.iter().map(|one| under_test.devices().publish(one))).await;
    assert!(all.iter().all(Result::is_ok), "{all:?}");
    assert_eq!(under_test.received(sent.len() + each.len()).await.len(), sent.len() + each.len());

    // What is to be kept is kept, replaced, and taken away; and nothing else is kept.
    assert_eq!(under_test.kept(&plain).await, None);
    let kept = topic("switchboard/kept");
    for payload in ["first", "second", ""] {
        under_test
            .devices()
            .publish(&message(&kept, payload.as_bytes()).retained())
            .await
            .expect("published");
        let expected = (!payload.is_empty()).then(|| payload.as_bytes().to_vec());
        assert_eq!(under_test.kept(&kept).await, expected, "{payload:?}");
    }

    for trouble in Trouble::ALL {
        if let Some(port) = under_test.in_trouble(trouble).await {
            trouble.demand(port.publish(&message(&plain, b"in trouble")).await);
        }
    }
    let in_all = sent.len() + each.len() + 3;
    assert_eq!(under_test.received(in_all).await.len(), in_all, "nothing came beside");
}
