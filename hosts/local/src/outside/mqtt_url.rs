//! `MQTT_URL`: where the broker is that devices subscribe at, and as whom the hub is known there.

use percent_encoding::percent_decode_str;
use switchboard_core::Secret;
use url::{Host, Url};

/// A broker's address, checked.
#[derive(Debug, Clone)]
pub(crate) struct MqttUrl {
    pub(crate) tls: bool,
    /// An address or a name, an IPv6 address without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<Secret>,
}

impl MqttUrl {
    /// How it is written.
    pub(crate) const MEND: &str = "write it like mqtts://user:password@broker.example:8883, with mqtt:// where there is \
         no TLS, and with %40 for an @ in the password";

    /// Reads `mqtt://user:password@host:port`, or `mqtts://…` for TLS. What is left out has no user, or the usual port.
    /// `None` for what is no such address.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let url: Url = text.parse().ok()?;
        let tls = match url.scheme() {
            "mqtt" => false,
            "mqtts" => true,
            _ => return None,
        };
        let bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
        // A scheme that browsers do not know has its host as it was written: an address is told from a name here.
        let host = match url.host() {
            Some(Host::Domain(name)) if !name.is_empty() => name.to_owned(),
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => address.to_string(),
            _ => return None,
        };
        if !bare || url.port() == Some(0) {
            return None;
        }
        let plain =
            |part: &str| percent_decode_str(part).decode_utf8().map(std::borrow::Cow::into_owned).ok();
        let user = Some(plain(url.username())?).filter(|user| !user.is_empty());
        let password = match url.password() {
            Some(password) => Some(Secret::new(plain(password)?)),
            None => None,
        };
        if password.is_some() && user.is_none() {
            return None;
        }
        Some(Self { tls, host, port: url.port().unwrap_or(if tls { 8883 } else { 1883 }), user, password })
    }

    /// The address without user and password, for people.
    pub(crate) fn shown(&self) -> String {
        let Self { tls, host, port, .. } = self;
        let scheme = if *tls { "mqtts" } else { "mqtt" };
        if host.contains(':') {
            format!("{scheme}://[{host}]:{port}")
        } else {
            format!("{scheme}://{host}:{port}")
        }
    }

    /// Whether a password goes over a network where everybody on the way can read it.
    pub(crate) fn shows_its_password(&self) -> bool {
        let here = self.host == "localhost"
            || self.host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback());
        self.password.is_some() && !self.tls && !here
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_where_how_and_as_whom() {
        for (text, shown, user, password) in [
            ("mqtt://broker.example", "mqtt://broker.example:1883", None, None),
            ("mqtts://broker.example/", "mqtts://broker.example:8883", None, None),
            ("mqtts://hub@192.0.2.1:1", "mqtts://192.0.2.1:1", Some("hub"), None),
            ("mqtt://h%C3%BCb:p%40ss%3A@[::1]:2", "mqtt://[::1]:2", Some("hüb"), Some("p@ss:")),
        ] {
            let url = MqttUrl::parse(text).unwrap();
            let given = url.password.as_ref().map(Secret::expose);
            assert_eq!((&*url.shown(), url.user.as_deref(), given), (shown, user, password), "{text}");
            assert!(!format!("{url:?}").contains("p@ss"));
        }
        let shows = |text| MqttUrl::parse(text).unwrap().shows_its_password();
        assert!(shows("mqtt://u:p@192.0.2.1"));
        assert!(
            !shows("mqtts://u:p@192.0.2.1") && !shows("mqtt://u:p@127.0.0.1") && !shows("mqtt://192.0.2.1")
        );
    }

    #[test]
    fn what_is_no_address_is_none() {
        for text in [
            "broker.example:1883",
            "http://u:hunter2@broker.example",
            "mqtt://u:hunter2@",
            "mqtt://:hunter2@broker.example",
            "mqtt://u:hunter2@broker.example/topic",
            "mqtt://u:hunter2@broker.example?client_id=x",
            "mqtt://u:hunter2@broker.example#x",
            "mqtt://u:hunter2@broker.example:0",
            "mqtt://u:hunter2@broker.example:99999",
            "mqtt://u:hunter2%FF@broker.example",
        ] {
            assert!(MqttUrl::parse(text).is_none(), "{text}");
        }
    }
}
