//! The contract against mosquitto, and what a broker does that is none, or says nothing.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use switchboard_core::contract::{DevicesUnderTest, Trouble, devices_keep_their_contract};
use switchboard_core::{DeviceMessage, DeviceTopic, Devices, Failure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Mutex;

use super::mosquitto::{Certificates, GUEST, HUB, Mosquitto, Subscriber};
use super::{ANSWER_WITHIN, Broker, CONNECT_WITHIN, Connector, MqttUrl, Way};

type Published = (String, Vec<u8>);

fn at(url: &str) -> Broker {
    Broker::new(Some(MqttUrl::parse(url).unwrap()))
}

fn as_whom((user, password): (&str, &str), port: u16) -> String {
    let password = password.replace('@', "%40").replace(':', "%3A");
    format!("mqtt://{user}:{password}@127.0.0.1:{port}")
}

fn message(payload: &'static str) -> DeviceMessage {
    DeviceMessage::new("buttons/hall".parse().unwrap(), payload).unwrap()
}

/// mosquitto with one who hears all.
struct Heard {
    broker: Mosquitto,
    port: Broker,
    heard: Mutex<(Subscriber, Vec<Published>)>,
}

#[async_trait]
impl DevicesUnderTest for Heard {
    fn devices(&self) -> &dyn Devices {
        &self.port
    }
    async fn received(&self, _: usize) -> Vec<Published> {
        let mut heard = self.heard.lock().await;
        let new = heard.0.until_now(&self.broker).await;
        heard.1.extend(new);
        heard.1.clone()
    }
    async fn kept(&self, topic: &DeviceTopic) -> Option<Vec<u8>> {
        self.broker.kept(topic.as_str()).await
    }
    async fn in_trouble(&self, trouble: Trouble) -> Option<Arc<dyn Devices>> {
        Some(Arc::new(match trouble {
            Trouble::Credentials => at(&as_whom((HUB.0, "wrong"), self.broker.port)),
            Trouble::NobodyThere => at(&format!("mqtt://127.0.0.1:{}", nobody())),
            Trouble::NoAnswer => at(&pretend(After::HangUp).await),
            Trouble::TooMuch => at(&pretend(After::Refuse(0x97)).await),
        }))
    }
}

#[tokio::test]
async fn devices_by_mqtt_keep_the_contract() {
    let broker = Mosquitto::start(None).await;
    let heard = Mutex::new((broker.subscriber().await, Vec::new()));
    let port = at(&as_whom(HUB, broker.port));
    devices_keep_their_contract(&Heard { broker, port, heard }).await;
}

#[tokio::test]
async fn what_the_broker_does_not_let_through_is_told_and_not_lost() {
    let broker = Mosquitto::start(None).await;
    let refused = at(&as_whom(GUEST, broker.port)).publish(&message("x")).await.unwrap_err();
    assert!(matches!(refused, Failure::Retry { credentials: true, .. }), "{refused:?}");
    assert!(refused.to_string().contains("let the user of MQTT_URL publish"), "{refused}");
}

#[tokio::test]
async fn after_the_broker_was_away_the_next_is_published() {
    let mut broker = Mosquitto::start(None).await;
    let port = at(&as_whom(HUB, broker.port));
    port.publish(&message("before")).await.unwrap();
    broker.kill().await;
    // Nothing is kept back for later: when it is tried again is the host's to say.
    let mut said = Vec::new();
    for _ in 0..2 {
        said.push(port.publish(&message("meanwhile")).await.unwrap_err().kind());
    }
    assert_eq!(said[1], "retry", "{said:?}");
    broker.start_again().await;
    let mut heard = broker.subscriber().await;
    port.publish(&message("after")).await.unwrap();
    assert_eq!(heard.until_now(&broker).await, [("buttons/hall".to_owned(), b"after".to_vec())]);
}

#[tokio::test]
async fn a_broker_is_believed_by_its_certificate_only() {
    // Another test of this process may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let directory = tempfile::tempdir().unwrap();
    let certificates = Certificates::make(directory.path()).await;
    let broker = Mosquitto::start(Some(&certificates)).await;
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(&certificates.authority).unwrap()).unwrap();
    let knows = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let url = |host: &str| {
        let url = as_whom(HUB, broker.port).replace("mqtt:", "mqtts:").replace("127.0.0.1", host);
        MqttUrl::parse(&url).unwrap()
    };
    let trusting = |host: &str| {
        let connector = Connector::trusting(url(host), knows.clone());
        Broker(Some(Way::new(connector, CONNECT_WITHIN, ANSWER_WITHIN)))
    };
    trusting("localhost").publish(&message("secret")).await.unwrap();
    // Another name than the certificate's; and an authority that this machine does not know.
    for wrong in [trusting("127.0.0.1"), Broker::new(Some(url("localhost")))] {
        let refused = wrong.publish(&message("secret")).await.unwrap_err();
        assert!(matches!(refused, Failure::Retry { credentials: false, .. }), "{refused:?}");
        assert!(refused.to_string().contains("certificate"), "{refused}");
    }
}

#[tokio::test]
async fn a_broker_that_says_nothing_is_not_waited_for_for_ever() {
    let within = |url: String, connect_ms, answer_ms| {
        let (connect, answer) = (Duration::from_millis(connect_ms), Duration::from_millis(answer_ms));
        Way::new(Connector::new(MqttUrl::parse(&url).unwrap()), connect, answer)
    };
    let never = within(pretend(After::NotEvenThat).await, 100, 60_000);
    let failure = never.publish(&message("x")).await.unwrap_err();
    assert!(matches!(failure, Failure::Retry { credentials: false, .. }), "{failure:?}");

    let silent = within(pretend(After::Nothing).await, 60_000, 100);
    let failure = silent.publish(&message("x")).await.unwrap_err();
    assert!(matches!(failure, Failure::Unsure { .. }), "{failure:?}");
    assert!(silent.line.lock().unwrap().is_none(), "the next one takes a new connection");
}

#[tokio::test]
async fn without_a_broker_nothing_is_published_and_the_mend_is_said() {
    let refused = Broker::new(None).publish(&message("x")).await.unwrap_err();
    assert!(matches!(refused, Failure::Refuse { status: 501, .. }), "{refused:?}");
    assert!(refused.to_string().contains("to mend it: set MQTT_URL"), "{refused}");
}

/// A port that is taken until the test's runtime ends, and that nobody listens on.
fn nobody() -> u16 {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = socket.local_addr().unwrap().port();
    tokio::spawn(async move {
        let _taken = socket;
        std::future::pending::<()>().await;
    });
    port
}

/// What a pretend broker does after it has let somebody in and read what was published.
#[derive(Clone, Copy)]
enum After {
    /// It lets nobody in, and says nothing.
    NotEvenThat,
    Nothing,
    HangUp,
    /// Acknowledges it with this reason.
    Refuse(u8),
}

/// A broker that does as it is told: MQTT 5, byte by byte.
async fn pretend(after: After) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                packet(&mut stream).await;
                if !matches!(after, After::NotEvenThat) {
                    // CONNACK: no session, success, no properties.
                    stream.write_all(&[0x20, 3, 0, 0, 0]).await.unwrap();
                    let published = packet(&mut stream).await;
                    match after {
                        After::HangUp => return,
                        After::Refuse(reason) => {
                            let topic = usize::from(u16::from_be_bytes([published[0], published[1]]));
                            let id = [published[2 + topic], published[3 + topic]];
                            stream.write_all(&[0x40, 3, id[0], id[1], reason]).await.unwrap();
                        }
                        After::NotEvenThat | After::Nothing => {}
                    }
                }
                std::future::pending::<()>().await;
            });
        }
    });
    format!("mqtt://{address}")
}

/// A packet without its first byte and its length, which is one byte here.
async fn packet(stream: &mut TcpStream) -> Vec<u8> {
    let mut head = [0; 2];
    stream.read_exact(&mut head).await.unwrap();
    let mut rest = vec![0; usize::from(head[1])];
    stream.read_exact(&mut rest).await.unwrap();
    rest
}
