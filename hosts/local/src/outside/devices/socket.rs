//! The socket to the broker: TCP, and TLS by the same stack and the same certificates as requests to the providers.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use rustls_platform_verifier::ConfigVerifierExt;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::outside::mqtt_url::MqttUrl;

/// Connects to one broker.
pub(super) struct Connector {
    pub(super) url: MqttUrl,
    /// Read when it is first needed: the machine's certificates are many.
    tls: OnceLock<Arc<ClientConfig>>,
}

impl Connector {
    pub(super) fn new(url: MqttUrl) -> Self {
        Self { url, tls: OnceLock::new() }
    }

    /// The same, for a broker whose certificate the machine does not know.
    #[cfg(test)]
    pub(super) fn trusting(url: MqttUrl, config: ClientConfig) -> Self {
        Self { url, tls: Arc::new(config).into() }
    }

    pub(super) async fn connect(&self) -> io::Result<Socket> {
        let stream = TcpStream::connect((self.url.host.as_str(), self.url.port)).await?;
        stream.set_nodelay(true)?;
        if !self.url.tls {
            return Ok(Socket::Plain(stream));
        }
        let config = match self.tls.get() {
            Some(config) => Arc::clone(config),
            None => {
                let config = ClientConfig::with_platform_verifier().map_err(io::Error::other)?;
                Arc::clone(self.tls.get_or_init(|| Arc::new(config)))
            }
        };
        let name = ServerName::try_from(self.url.host.clone()).map_err(io::Error::other)?;
        let stream = TlsConnector::from(config).connect(name, stream).await?;
        Ok(Socket::Encrypted(Box::new(stream)))
    }
}

/// A connection, with TLS or without.
pub(super) enum Socket {
    Plain(TcpStream),
    Encrypted(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Encrypted(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Encrypted(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Encrypted(stream) => Pin::new(stream).poll_flush(cx),
        }
    }
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Encrypted(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
