//! Notices on one machine, where nobody can subscribe to a topic: the sandbox shows them, where one is inside, and the
//! log says that there was one. Whoever needs them delivered runs the hub on AWS, where the same port is SNS.

use async_trait::async_trait;
use switchboard_core::{Failure, Notice, NoticeTopic, Notices};
use switchboard_sandbox::NoticeBoard;
use tracing::info;

/// Shows what is published.
pub(crate) struct Shown {
    board: Option<NoticeBoard>,
}

impl Shown {
    /// On this board, where there is one.
    pub(crate) fn on(board: Option<NoticeBoard>) -> Self {
        Self { board }
    }
}

#[async_trait]
impl Notices for Shown {
    async fn publish(&self, topic: &NoticeTopic, notice: &Notice) -> Result<String, Failure> {
        let id = match &self.board {
            Some(board) => board.publish(topic.as_str(), notice.subject(), notice.message()),
            None => format!("{:032x}", rand::random::<u128>()),
        };
        // Neither subject nor message: a name or a number may be in them.
        info!(%topic, id, subject_chars = notice.subject().chars().count(), shown = self.board.is_some(), "a notice");
        Ok(id)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use switchboard_core::contract::{NoticesUnderTest, Trouble, notices_keep_their_contract};
    use switchboard_sandbox::{Sandbox, Settings};
    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    /// The port and the sandbox that shows what it publishes.
    struct Inside {
        port: Shown,
        base: String,
    }

    impl Inside {
        async fn begin() -> Self {
            // Another test of this process may have been first.
            let _ = rustls::crypto::ring::default_provider().install_default();
            let sandbox = Sandbox::new(Settings::for_hub("http://127.0.0.1:9")).unwrap();
            let port = Shown::on(Some(sandbox.notices()));
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let base = format!("http://{}", listener.local_addr().unwrap());
            tokio::spawn(async move { axum::serve(listener, sandbox.router()).await });
            Self { port, base }
        }
    }

    #[async_trait]
    impl NoticesUnderTest for Inside {
        fn notices(&self) -> &dyn Notices {
            &self.port
        }
        fn topics(&self) -> [NoticeTopic; 2] {
            ["alarms", "others"]
                .map(|name| format!("arn:aws:sns:us-east-1:123456789012:{name}").parse().unwrap())
        }
        async fn received(&self, topic: &NoticeTopic, _: usize) -> Vec<(String, String)> {
            let answer = reqwest::get(format!("{}/notices/{topic}", self.base)).await.unwrap();
            let shown: serde_json::Value = answer.json().await.unwrap();
            let text = |it: &serde_json::Value| it.as_str().unwrap().to_owned();
            let received = shown["received"].as_array().unwrap();
            received.iter().map(|it| (text(&it["subject"]), text(&it["message"]))).collect()
        }
        /// It is in the same process.
        async fn in_trouble(&self, _: Trouble) -> Option<Arc<dyn Notices>> {
            None
        }
    }

    #[tokio::test]
    async fn notices_that_the_sandbox_shows_keep_the_contract() {
        notices_keep_their_contract(&Inside::begin().await).await;
    }

    /// Lines that were logged.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Log {
        type Writer = Self;
        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    #[test]
    fn without_a_sandbox_the_log_says_where_and_nothing_that_was_said() {
        let log = Log::default();
        let lines = tracing_subscriber::fmt().with_writer(log.clone()).with_ansi(false).finish();
        let topic: NoticeTopic = "arn:aws:sns:us-east-1:123456789012:alarms".parse().unwrap();
        let notice = Notice::new("Pat pressed", "call +14155550123").unwrap();
        tracing::subscriber::with_default(lines, || {
            futures::executor::block_on(Shown::on(None).publish(&topic, &notice)).unwrap()
        });
        let said = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        assert!(said.contains("123456789012:alarms") && said.contains("subject_chars=11"), "{said}");
        assert!(!said.contains("Pat") && !said.contains("4155550123"), "{said}");
    }
}
