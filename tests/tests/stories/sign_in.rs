//! Stories: signing in with an account of a certified OpenID Connect provider, and every way in which a token is none.

use serde_json::{Value, json};
use switchboard_stories::chat::{Guest, Socket};
use switchboard_stories::issuer::{Browser, Issuer, SECRET, go};
use switchboard_stories::{House, LOBBY};
use tokio::net::TcpListener;

/// A hub that takes an issuer's accounts, and the issuer.
async fn house() -> (House, Issuer) {
    let probe = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = probe.local_addr().expect("an address").port();
    drop(probe);
    let issuer = Issuer::start(&format!("http://127.0.0.1:{port}")).await;
    let configuration = format!(
        "OIDC_CLIENT_SECRET = \"{SECRET}\"\n{LOBBY}\n[chat]\noperators = [\"ann@example.org\"]\n\
         [chat.oidc]\nissuer = \"{}\"\nclient_id = \"hub\"\ntitle = \"The test's issuer\"\n",
        issuer.address
    );
    (House::open_at(&configuration, port).await, issuer)
}

#[tokio::test]
async fn an_account_signs_in_and_has_its_roles_and_an_answer_counts_once_and_for_its_browser_only() {
    let (house, issuer) = house().await;
    let base = house.hub.base();
    let mut browser = Browser::new(&issuer.http);
    let end = browser.open(&format!("{base}/api/session/oidc/start?next=/welcome")).await;
    assert_eq!(end, (format!("{base}/welcome"), 200));
    let cookie = browser.cookie(&base, "switchboard_session").expect("a session");
    let ann =
        Guest { base: base.clone(), http: issuer.http.clone(), cookie, person: Value::Null, sockets: None };
    let (_, session) = ann.ask("GET", "/api/session", Value::Null).await;
    assert_eq!(session["person"]["name"], "Ann Account");
    assert_eq!(session["person"]["roles"], json!(["member", "moderator", "operator"]));
    assert_eq!(session["sign_in"]["oidc"]["title"], "The test's issuer");
    let mut socket = ann.connect(json!({ "lobby": {} })).await;
    socket.hear("hello").await;
    socket.post("1", "lobby", "hello").await;
    assert_eq!(socket.hear("change").await["message"]["sender"]["name"], "Ann Account");

    // An operator takes back what others wrote, whatever it was written on; a member does not.
    let bob = Guest::sign_in(&base, "Bob").await;
    let mut his = bob.connect(json!({ "lobby": { "after": 0 } })).await;
    his.hear("hello").await;
    let written = his.post("1", "lobby", "a slander").await;
    let delete =
        |id: &Value| json!({ "kind": "delete", "id": "d", "room": "lobby", "message_id": id.clone() });
    let hers =
        his.until("hers", |frame| frame["message"]["text"] == "hello").await["message"]["message_id"].clone();
    assert_eq!(his.change(delete(&hers)).await["code"], "not_yours");
    his.until("it is shown", |frame| frame["message"]["message_id"] == json!(written)).await;
    house.expect_shown("C0LOBBY", &["Ann Account (web): hello", "Bob (web): a slander"]).await;
    assert_eq!(socket.change(delete(&json!(written))).await["kind"], "accepted");
    let gone = his.until("it is taken back", |frame| frame["change"] == "retracted").await;
    assert_eq!(
        (&gone["by"]["name"], &gone["message"]["gone"], &gone["message"]["text"]),
        (&json!("Ann Account"), &json!("retracted"), &json!(""))
    );
    house.hub.quiet().await;
    house.expect_shown("C0LOBBY", &["Ann Account (web): hello"]).await;
    drop(his);

    // The same person, whatever the browser; a name that is taken gets another.
    let mut other = Browser::new(&issuer.http);
    other.open(&format!("{base}/api/session/oidc/start?next=//evil.example/")).await;
    let cookie = other.cookie(&base, "switchboard_session").expect("a session");
    let again = Guest { cookie, ..ann.clone() };
    let (_, second) = again.ask("GET", "/api/session", Value::Null).await;
    assert_eq!(second["person"]["id"], session["person"]["id"]);

    // An answer that another browser began, or nobody.
    let (state, _) = begun(&house, &issuer).await;
    for (state, cookie) in [(state.as_str(), ""), ("invented", "switchboard_oidc=invented")] {
        let request = issuer.http.get(format!("{base}/api/session/oidc/callback?code=x&state={state}"));
        assert_eq!(request.header("cookie", cookie).send().await.unwrap().status(), 401);
    }
    house.close().await;
}

/// Begins to sign in: the state, and the cookie of the browser that it is for.
async fn begun(house: &House, issuer: &Issuer) -> (String, String) {
    let start = format!("{}/api/session/oidc/start", house.hub.base());
    let begun = issuer.http.get(start).send().await.unwrap();
    let to: url::Url = begun.headers()["location"].to_str().unwrap().parse().unwrap();
    let state = to.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
    let cookie = begun.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    (state, cookie)
}

#[tokio::test]
async fn whoever_could_not_sign_in_is_back_at_the_chat_and_reads_why() {
    let (house, issuer) = house().await;
    let (state, cookie) = begun(&house, &issuer).await;
    let callback = format!("{}/api/session/oidc/callback", house.hub.base());
    let http = issuer.http.clone();
    for (query, cookie, why) in [
        (format!("code=x&state={state}"), "", "late"),
        (format!("error=access_denied&state={state}"), &*cookie, "refused"),
        (format!("code=invented&state={state}"), &*cookie, "unproven"),
    ] {
        let gone = go(&http, &format!("{callback}?{query}"), cookie).await;
        assert_eq!(gone, (303, format!("/?sign_in={why}")), "{query}");
    }
    drop(issuer);
    let gone = go(&http, &format!("{callback}?code=x&state={state}"), &cookie).await;
    assert_eq!(gone, (303, "/?sign_in=unreached".to_owned()));
    // Under a name that is not the hub's a browser is led nowhere.
    let foreign = http.get(&callback).header("accept", "text/html").header("host", "evil.example");
    assert_eq!(foreign.send().await.unwrap().status(), 403);
    house.close().await;

    let house = House::open_here(LOBBY).await;
    let gone = go(&http, &format!("{}/api/session/oidc/start", house.hub.base()), "").await;
    assert_eq!(gone, (303, "/?sign_in=off".to_owned()), "there is no issuer");
    house.close().await;
}

#[tokio::test]
async fn a_bearers_token_opens_a_socket_and_each_that_is_none_gets_401_and_no_event() {
    let (house, issuer) = house().await;
    let base = house.hub.base();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let good = json!({ "iss": issuer.address, "aud": "hub", "sub": "bob-1", "name": "Bob", "exp": now + 600, "iat": now });
    let with = |field: &str, value: Value| {
        let mut claims = good.clone();
        claims[field] = value;
        claims
    };
    let ticket = async |token: &str| {
        let request = issuer.http.post(format!("{base}/api/tickets")).bearer_auth(token);
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        (status, response.json::<Value>().await.unwrap_or(Value::Null))
    };
    let cognito = json!({ "iss": issuer.address, "client_id": "hub", "token_use": "access", "sub": "bob-1",
        "username": "Bob", "exp": now + 600 });
    for (key, claims) in [("ours", good.clone()), ("ours", cognito), ("rotated", good.clone())] {
        let token = issuer.mint(key, claims, json!({})).await;
        let (mut status, mut answer) = ticket(&token).await;
        let began = std::time::Instant::now();
        // A new key is looked for every ten seconds at most.
        while status == 401 && key == "rotated" && began.elapsed().as_secs() < 30 {
            tokio::time::sleep(std::time::Duration::from_millis(500)).await;
            (status, answer) = ticket(&token).await;
        }
        assert_eq!(status, 200, "{key}: {answer}");
        assert!(Socket::open(&base, answer["ticket"].as_str().unwrap()).await.is_ok());
    }
    let events = house.hub.metric("switchboard_events_total").await;
    let mut bad = vec![
        ("of nobody's key", issuer.mint("foreign", good.clone(), json!({})).await),
        ("alg none", issuer.mint("none", good.clone(), json!({})).await),
        ("over", issuer.mint("ours", with("exp", json!(now - 600)), json!({})).await),
        ("without an end", issuer.mint("ours", with("exp", Value::Null), json!({})).await),
        ("for another client", issuer.mint("ours", with("aud", json!("other")), json!({})).await),
        ("for nobody", issuer.mint("ours", with("aud", Value::Null), json!({})).await),
        (
            "another issuer's",
            issuer.mint("ours", with("iss", json!("https://evil.example")), json!({})).await,
        ),
        ("not yet good", issuer.mint("ours", with("nbf", json!(now + 6000)), json!({})).await),
        ("with an unknown key", issuer.mint("ours", good.clone(), json!({ "kid": "nobodys" })).await),
        ("no token", "no.token.atall".to_owned()),
        ("empty", String::new()),
    ];
    let token = issuer.mint("ours", good.clone(), json!({})).await;
    let parts: Vec<&str> = token.split('.').collect();
    let swapped = issuer.mint("ours", with("sub", json!("eve")), json!({})).await;
    bad.push((
        "with another's claims",
        format!("{}.{}.{}", parts[0], swapped.split('.').nth(1).unwrap(), parts[2]),
    ));
    for (what, token) in bad {
        let (status, answer) = ticket(&token).await;
        assert_eq!(status, 401, "{what}: {answer}");
    }
    assert_eq!(house.hub.metric("switchboard_events_total").await, events, "no event");
    house.close().await;
}

#[tokio::test]
async fn the_page_leads_to_the_issuer_and_back_and_forgets_who_signs_out() {
    let (house, _issuer) = house().await;
    switchboard_stories::browser::tell("sign_in", &house.hub.base()).await;
    house.close().await;
}
