//! An OpenID Connect provider that isn't ours, and as much of a browser as signing in there needs.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::clients::{scripts, tools};

/// The secret that it gave the hub.
pub const SECRET: &str = "s:ecret";

/// A provider on this machine.
pub struct Issuer {
    _process: Child,
    /// What it calls itself.
    pub address: String,
    /// Follows no redirect.
    pub http: reqwest::Client,
}

impl Issuer {
    /// Starts it, for a hub at this address.
    pub async fn start(hub: &str) -> Self {
        // Another test of this process may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut command = Command::new("node");
        command
            .env("NODE_MODULES", tools().join("node/node_modules"))
            .arg(scripts().join("issuer.mjs"))
            .arg(hub);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut process = command.spawn().expect("node starts");
        let mut lines = BufReader::new(process.stdout.take().expect("its output")).lines();
        let address = loop {
            let line = lines.next_line().await.expect("a line").expect("the issuer says where it is");
            if let Ok(said) = serde_json::from_str::<Value>(&line) {
                break said["issuer"].as_str().expect("an address").to_owned();
            }
        };
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let http =
            reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("a client");
        Self { _process: process, address, http }
    }

    /// A token with these claims, signed with the key of this name.
    pub async fn mint(&self, key: &str, claims: Value, header: Value) -> String {
        let body = json!({ "key": key, "claims": claims, "header": header });
        let answer =
            self.http.post(format!("{}/mint", self.address)).json(&body).send().await.expect("an answer");
        answer.json::<Value>().await.expect("JSON")["token"].as_str().expect("a token").to_owned()
    }
}

/// Goes to an address as a browser does, with these cookies; gives the status and where it is sent.
pub async fn go(http: &reqwest::Client, address: &str, cookies: &str) -> (u16, String) {
    let request = http.get(address).header("accept", "text/html,*/*;q=0.8").header("cookie", cookies);
    let answer = request.send().await.expect("an answer");
    let to = answer.headers().get("location").map(|to| to.to_str().expect("text").to_owned());
    (answer.status().as_u16(), to.unwrap_or_default())
}

/// A browser, as far as redirects and cookies go.
pub struct Browser {
    /// Its connections.
    pub http: reqwest::Client,
    cookies: Vec<(String, String, String)>,
    /// An address that leads to another one, as a name of the network would.
    leads: Option<(String, String)>,
}

impl Browser {
    /// One without cookies.
    pub fn new(http: &reqwest::Client) -> Self {
        Self { http: http.clone(), cookies: Vec::new(), leads: None }
    }

    /// The same where one address leads to another.
    pub fn where_leads(http: &reqwest::Client, from: &str, to: &str) -> Self {
        Self { leads: Some((from.to_owned(), to.to_owned())), ..Self::new(http) }
    }

    /// Follows redirects to the end; gives the last address and status.
    pub async fn open(&mut self, address: &str) -> (String, u16) {
        let mut address: url::Url = address.parse().expect("an address");
        for _ in 0..20 {
            let origin = address.origin().ascii_serialization();
            let cookies: Vec<String> = self
                .cookies
                .iter()
                .filter(|(of, _, value)| *of == origin && !value.is_empty())
                .map(|(_, name, value)| format!("{name}={value}"))
                .collect();
            let real = match &self.leads {
                Some((from, to)) => address.as_str().replacen(from, to, 1),
                None => address.as_str().to_owned(),
            };
            let request = self.http.get(real).header("cookie", cookies.join("; "));
            let response = request.send().await.expect("an answer");
            for cookie in response.headers().get_all("set-cookie") {
                let pair = cookie.to_str().expect("text").split(';').next().unwrap_or_default();
                let (name, value) = pair.split_once('=').expect("a cookie");
                self.cookies.retain(|(of, known, _)| (of.as_str(), known.as_str()) != (&origin, name));
                self.cookies.push((origin.clone(), name.to_owned(), value.to_owned()));
            }
            let status = response.status().as_u16();
            let Some(next) = response.headers().get("location") else { return (address.into(), status) };
            address = address.join(next.to_str().expect("text")).expect("an address");
            // The pages are not built into every program under test.
            if !address.path().starts_with("/api") && address.path().starts_with("/welcome") {
                return (address.into(), 200);
            }
        }
        panic!("it goes round in circles");
    }

    /// A cookie of an origin, as `name=value`.
    pub fn cookie(&self, origin: &str, name: &str) -> Option<String> {
        let found = self.cookies.iter().find(|(of, known, _)| of == origin && known == name);
        found.map(|(_, _, value)| format!("{name}={value}"))
    }
}
