//! Stories: the accounts of the stack's own user pool, and the pages at the stack's own distribution.

use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use switchboard_stories::aws::Stack;
use switchboard_stories::chat::Guest;
use switchboard_stories::issuer::{Browser, go};
use switchboard_stories::{House, LOBBY, PUBLIC};

const MAIL: &str = "ann@example.org";
const PASSWORD: &str = "Correct-Horse-1-Battery";

async fn post_form(
    http: &reqwest::Client,
    place: &str,
    form: impl IntoIterator<Item = (impl AsRef<str>, impl AsRef<str>)>,
) -> reqwest::Response {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let request = http.post(place).header("content-type", "application/x-www-form-urlencoded");
    request.body(body).send().await.expect("an answer")
}

/// Signs in at the page of the pool to which an address leads, and comes back with what it sends the browser to.
async fn sign_in_at(http: &reqwest::Client, stack: &Stack, page: &str) -> url::Url {
    let page: url::Url = page.parse().expect("an address");
    let mut form: HashMap<String, String> = page.query_pairs().into_owned().collect();
    form.extend(
        [("username", MAIL), ("password", PASSWORD)].map(|(name, value)| (name.into(), value.into())),
    );
    let answer = post_form(http, &format!("{}/login", stack.endpoint()), form).await;
    let location = answer.headers().get("location").map(|it| it.to_str().unwrap().to_owned());
    location
        .unwrap_or_else(|| panic!("the pool sends nobody back: {}", answer.status()))
        .parse()
        .expect("an address")
}

/// The pool's own tokens for the chat's client, by authorization code and PKCE: (id, access).
async fn tokens(http: &reqwest::Client, stack: &Stack, client: &str) -> (String, String) {
    let back = format!("{PUBLIC}/api/session/oidc/callback");
    // The example of RFC 7636, appendix B.
    let (verifier, challenge) =
        ("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    let asked = [
        ("client_id", client),
        ("redirect_uri", &back),
        ("response_type", "code"),
        ("scope", "openid email"),
        ("state", "s"),
        ("code_challenge", challenge),
        ("code_challenge_method", "S256"),
    ];
    let page = url::Url::parse_with_params(&format!("{}/oauth2/authorize", stack.endpoint()), asked).unwrap();
    let sent = sign_in_at(http, stack, page.as_str()).await;
    let code = sent.query_pairs().find(|(name, _)| name == "code").expect("a code").1.into_owned();
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", client),
        ("redirect_uri", &back),
        ("code", &code),
        ("code_verifier", verifier),
    ];
    let place = format!("{}/oauth2/token", stack.endpoint());
    let given: Value = post_form(http, &place, form).await.json().await.unwrap();
    let token = |name: &str| given[name].as_str().unwrap_or_else(|| panic!("{given}")).to_owned();
    (token("id_token"), token("access_token"))
}

fn claims(token: &str) -> Value {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).expect("claims")).expect("base64");
    serde_json::from_slice(&payload).expect("JSON")
}

#[tokio::test]
async fn an_account_of_the_stacks_own_pool_signs_in_and_each_token_that_is_none_gets_401() {
    let house = House::open_deployed(&format!("{LOBBY}[chat]\nmoderators = [\"stewards\"]\n")).await;
    let stack = house.hub.stack().expect("it is deployed");
    let base = house.hub.base();
    let account = json!({ "do": "account", "mail": MAIL, "name": "Ann Pool", "password": PASSWORD, "group": "stewards" });
    stack.ask_with(account).await;
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();

    // By the pool's own page, and back through the door.
    let mut browser = Browser::where_leads(&http, PUBLIC, &base);
    let (page, status) = browser.open(&format!("{PUBLIC}/api/session/oidc/start?next=/welcome")).await;
    assert!(page.starts_with(&format!("{}/oauth2/authorize?", stack.endpoint())) && status == 200, "{page}");
    let sent = sign_in_at(&http, stack, &page).await;
    assert_eq!(browser.open(sent.as_str()).await, (format!("{PUBLIC}/welcome"), 200));
    let cookie = browser.cookie(PUBLIC, "switchboard_session").expect("a session");
    let sockets = Some(stack.sockets().to_owned());
    let ann = Guest { base: base.clone(), http: http.clone(), cookie, person: Value::Null, sockets };
    let (_, session) = ann.ask("GET", "/api/session", Value::Null).await;
    assert_eq!(session["person"]["name"], "Ann Pool");
    assert_eq!(session["person"]["roles"], json!(["member", "moderator"]), "by her group in the pool");
    let mut socket = ann.connect(json!({ "lobby": {} })).await;
    socket.hear("hello").await;

    // What did not work is said by the chat's own page.
    let callback = format!("{base}/api/session/oidc/callback?code=x&state=invented");
    assert_eq!(go(&http, &callback, "").await, (303, "/?sign_in=late".to_owned()));
    assert_eq!(http.get(&callback).send().await.unwrap().status(), 401, "no browser");

    // By its tokens; and by none that only looks like one.
    let resources = stack.ask("resources").await;
    let client = resources["PeopleClient"].as_str().expect("a client");
    let (id, access) = tokens(&http, stack, client).await;
    let (said, pass) = (claims(&id), claims(&access));
    assert_eq!((&said["token_use"], &said["aud"]), (&json!("id"), &json!(client)));
    assert_eq!((&pass["token_use"], &pass["client_id"]), (&json!("access"), &json!(client)));
    let sign = async |usage: &str, like: &Value, change: Value| {
        let mut claims = like.clone();
        for (name, value) in change.as_object().expect("claims") {
            claims[name] = value.clone();
        }
        let state = stack.directory().join("state");
        let asked = json!({ "do": "sign-as-the-pool", "state": state, "use": usage, "claims": claims });
        stack.ask_with(asked).await.as_str().expect("a token").to_owned()
    };
    let other = json!({ "do": "tokens-of-another-client", "mail": MAIL, "password": PASSWORD });
    let other = stack.ask_with(other).await;
    let other = |name: &str| other[name].as_str().expect("a token").to_owned();
    let (head, signature) = access.rsplit_once('.').expect("a signature");
    let (header, _) = head.split_once('.').expect("a header");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let bare = |claims: &Value| {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.", part(&json!({ "alg": "none", "kid": "k" })), part(claims))
    };
    let mut altered = pass.clone();
    altered["cognito:groups"] = json!(["stewards", "operators"]);
    for (what, token, expected) in [
        ("the pool's access token", access.clone(), 200),
        ("the pool's id token", id.clone(), 200),
        ("one that we sign as the pool does", sign("access", &pass, json!({})).await, 200),
        ("another client's access token", other("AccessToken"), 401),
        ("another client's id token", other("IdToken"), 401),
        ("a refresh token", other("RefreshToken"), 401),
        ("one that is over", sign("access", &pass, json!({ "exp": now - 120 })).await, 401),
        (
            "another pool's",
            sign(
                "access",
                &pass,
                json!({ "iss": "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_other" }),
            )
            .await,
            401,
        ),
        (
            "an access token for another use",
            sign("access", &pass, json!({ "token_use": "refresh" })).await,
            401,
        ),
        ("an id token for another use", sign("id", &said, json!({ "token_use": "refresh" })).await, 401),
        (
            "other words under the same signature",
            format!("{header}.{}.{signature}", URL_SAFE_NO_PAD.encode(altered.to_string())),
            401,
        ),
        ("no signature", bare(&pass), 401),
    ] {
        let answer = http.post(format!("{base}/api/tickets")).bearer_auth(token).send().await.unwrap();
        assert_eq!(answer.status(), expected, "{what}");
    }
    pages(&http, stack).await;
    house.close().await;
}

/// What the distribution serves: the files of the bucket that nobody else reads, with the pages' policy.
async fn pages(http: &reqwest::Client, stack: &Stack) {
    let dist = stack.directory().join("dist");
    std::fs::create_dir_all(dist.join("assets")).unwrap();
    for name in ["index.html", "assets/chat-1.js"] {
        std::fs::write(dist.join(name), name).unwrap();
    }
    let (status, said) = stack.operate(&["pages", "--from", dist.to_str().unwrap()]).await;
    assert_eq!((status, said.trim()), (0, "4 files of the pages are uploaded"));
    let name = stack.ask("distribution").await;
    let get = async |path: &str, scheme: &str| {
        let request = http.get(format!("{}{path}", stack.endpoint())).header("host", name.as_str().unwrap());
        request.header("x-forwarded-proto", scheme).send().await.expect("an answer")
    };
    for (path, kept, file) in [
        ("/", "no-cache", "index.html"),
        ("/assets/chat-1.js", "public, max-age=31536000, immutable", "assets/chat-1.js"),
        ("/api/asyncapi.json", "no-cache", switchboard_bridges::web_chat::ASYNCAPI),
    ] {
        let answer = get(path, "https").await;
        let header = |name: &str| answer.headers().get(name).map(|it| it.to_str().unwrap().to_owned());
        assert_eq!(
            (answer.status().as_u16(), header("cache-control").as_deref()),
            (200, Some(kept)),
            "{path}"
        );
        let policy = header("content-security-policy").unwrap_or_default();
        assert!(
            policy.contains("default-src 'none'; script-src 'self'") && !policy.contains("unsafe-inline"),
            "{policy}"
        );
        assert!(policy.contains("https://s3.us-east-1.amazonaws.com"), "{policy}");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("strict-transport-security", "max-age=31536000"),
        ] {
            assert_eq!(header(name).as_deref(), Some(value), "{path}");
        }
        assert_eq!(answer.text().await.unwrap(), file);
    }
    assert_eq!(get("/", "http").await.status(), 301, "not in the clear");
    assert_eq!(get("/sandbox.html", "https").await.status(), 403);
    let bucket = stack.ask("resources").await["PagesBucket"].as_str().unwrap().to_owned();
    let direct = http.get(format!("{}/{bucket}/index.html", stack.endpoint())).send().await.unwrap();
    assert_eq!(direct.status(), 403, "the distribution alone reads the bucket");
    assert_eq!(stack.ask_with(json!({ "do": "at-the-edge", "path": "/api/socket" })).await, "/live");
}
