//! Who may be here: names, sessions, tickets, and what is configured.

use super::*;

#[test]
fn a_guest_has_a_name_that_nobody_else_has_until_they_sign_out() {
    let mut house = House::new();
    let ann = house.sign_in("Ann").unwrap();
    let session = body(&house.request("GET", "/api/session", &ann, "").unwrap());
    assert_eq!((&session["person"]["name"], &session["sign_in"]["guests"]), (&json!("Ann"), &json!(true)));
    assert_eq!(refused(house.sign_in("ANN").map(|_| Outcome::nothing())), (409, "name_taken"));
    assert_eq!(refused(house.sign_in("\u{200b}").map(|_| Outcome::nothing())), (400, "bad_name"));
    for path in ["/api/rooms", "/api/rooms/lobby/history", "/api/rooms/lobby/search?q=x"] {
        assert_eq!(refused(house.request("GET", path, "", "")), (401, "signed_out"), "{path}");
        assert_eq!(
            refused(house.request("GET", path, "switchboard_session=forged", "")),
            (401, "signed_out")
        );
        house.request("GET", path, &ann, "").unwrap();
    }
    let out = house.request("DELETE", "/api/session", &ann, "").unwrap();
    assert_eq!(out.pushes[0].close, Some(4401));
    assert_eq!(refused(house.request("POST", "/api/tickets", &ann, "")), (401, "signed_out"));
    let again = house.sign_in("Ann").unwrap();
    house.now = NOW.plus(std::time::Duration::from_secs(7 * 86_400));
    assert_eq!(
        refused(house.request("GET", "/api/rooms", &again, "")),
        (401, "signed_out"),
        "a session ends"
    );
    house.sign_in("Ann").unwrap();
    let mut closed = House::with("[chat]\nguests = false\n");
    assert_eq!(refused(closed.sign_in("Ann").map(|_| Outcome::nothing())), (403, "guests_off"));
}

#[test]
fn a_ticket_opens_one_socket_and_soon() {
    let mut house = House::new();
    let ann = house.sign_in("Ann").unwrap();
    let mut ticket = || {
        let outcome = house.request("POST", "/api/tickets", &ann, "").unwrap();
        body(&outcome)["ticket"].as_str().unwrap().to_owned()
    };
    let (first, second) = (ticket(), ticket());
    let open = |house: &mut House, ticket: &str| {
        house.request("GET", &format!("/api/socket?ticket={ticket}"), "", "")
    };
    let grant: Grant = serde_json::from_value(body(&open(&mut house, &first).unwrap())).unwrap();
    assert_eq!(grant.person.name, "Ann");
    assert_eq!(refused(open(&mut house, &first)), (401, "bad_ticket"), "twice");
    assert_eq!(refused(open(&mut house, "no")), (401, "bad_ticket"));
    house.now = NOW.plus(std::time::Duration::from_secs(31));
    assert_eq!(refused(open(&mut house, &second)), (401, "bad_ticket"), "too late");
}

#[test]
fn a_configuration_that_cannot_be_is_refused_with_the_mend() {
    for (toml, says) in [
        ("[chat]\nguest = true\n", "[chat] guest: unknown key"),
        ("[chat]\ntext_chars = 0\n", "from 1 to 40000"),
        ("[chat]\nfile_bytes = 99999999\n", "from 1 to 33554432"),
        ("[chat]\nsession_hours = 0\n", "from 1 to"),
        ("[chat]\nhosts = [\"https://x\"]\n", "no scheme"),
        ("[chat.oidc]\nissuer = \"http://x\"\nclient_id = \"y\"\n", "[chat.oidc] issuer: is not https"),
    ] {
        let error =
            WebChat::new(&Settings::for_tests(&format!("{ROOMS}{toml}"), &[])).unwrap_err().to_string();
        assert!(error.contains(says) && error.contains(" — to mend it: "), "{toml}: {error}");
        assert!(error.starts_with("switchboard.toml:"), "{toml}: {error}");
    }
}
