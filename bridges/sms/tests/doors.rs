//! What comes in at the doors.

use switchboard_core::Secret;

use super::*;
use crate::sms::signature;

#[test]
fn twilios_own_signature_vectors_hold() {
    let vectors: serde_json::Value =
        serde_json::from_str(include_str!("../../../fixtures/twilio/signatures.json")).unwrap();
    let tokens = [Secret::new("another"), Secret::new(vectors["token"].as_str().unwrap())];
    for case in vectors["cases"].as_array().unwrap() {
        let text = |name: &str| case[name].as_str();
        let (content_type, body) = match text("json") {
            Some(json) => ("application/json", json),
            None => (
                "application/x-www-form-urlencoded",
                text("body").unwrap_or(vectors["body"].as_str().unwrap()),
            ),
        };
        let request = http::Request::post(text("path").unwrap())
            .header("content-type", content_type)
            .header("x-twilio-signature", text("signature").unwrap())
            .body(Bytes::from(body.to_owned()))
            .unwrap();
        let good = signature::verify(&tokens, text("base").unwrap(), &request);
        assert_eq!(good, case["refused"] != true, "{}", case["name"]);
        assert!(
            !signature::verify(&tokens[..1], text("base").unwrap(), &request),
            "{}: another token",
            case["name"]
        );
    }
}
