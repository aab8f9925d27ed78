//! What can be configured, and what is refused with its mend.

use super::*;

fn check(section: &str, environment: &[(&str, &str)], expected: &str) {
    let settings = Settings::for_tests(&format!("{ROOMS}\n[sms]\n{section}\n"), environment);
    let error = Sms::new(&settings).err().unwrap_or_else(|| panic!("{section} {environment:?} was taken"));
    let error = error.to_string();
    assert!(error.contains(expected), "{error}");
    assert!(error.contains(" — to mend it: "), "{error}");
    assert!(section.is_empty() || error.starts_with("switchboard.toml:"), "{error}");
    assert!(!error.contains(TOKEN));
}

fn but(name: &'static str, value: &'static str) -> Vec<(&'static str, &'static str)> {
    let mut environment = environment();
    environment.retain(|(other, _)| *other != name);
    environment.push((name, value));
    environment
}

#[test]
fn what_cannot_be_right_is_refused_with_the_mend() {
    check("", &[], "TWILIO_ACCOUNT_SID is not set");
    check(
        "",
        &but("TWILIO_ACCOUNT_SID", "AC12"),
        "TWILIO_ACCOUNT_SID is no account's SID — to mend it: it is AC",
    );
    check("", &but("TWILIO_AUTH_TOKEN", ""), "TWILIO_AUTH_TOKEN is not set");
    check("", &but("TWILIO_AUTH_TOKEN", ","), "TWILIO_AUTH_TOKEN holds no secret");
    check("", &but("TWILIO_FROM", ""), "neither TWILIO_FROM nor TWILIO_MESSAGING_SERVICE_SID");
    check("", &but("TWILIO_FROM", "Switchboard"), "TWILIO_FROM is neither a number nor a short code");
    let service = "MG0123456789abcdef0123456789abcdef";
    check("", &but("TWILIO_MESSAGING_SERVICE_SID", service), "are both set");
    let mut environment = but("TWILIO_FROM", "");
    environment.push(("TWILIO_MESSAGING_SERVICE_SID", "MG1"));
    check("", &environment, "TWILIO_MESSAGING_SERVICE_SID is no service's SID");
    for base in [
        "api.twilio.com",
        "ftp://api.twilio.com",
        "http://api.twilio.com",
        "https://a:b@api.twilio.com",
        "https://api.twilio.com?x=1",
    ] {
        check("", &[&environment_with_base(base)[..]].concat(), "TWILIO_API_BASE");
    }
    let environment = super::environment();
    for (section, expected) in [
        ("segments_per_second = -1", "[sms] segments_per_second: -1 is no rate — to mend it: write segments"),
        ("segments_per_second = nan", "is no rate"),
        ("segments_per_second = \"fast\"", "[sms] segments_per_second: a text does not belong here"),
        (
            "segments_a_second = 1",
            "[sms] segments_a_second: unknown key — to mend it: known are segments_per_second",
        ),
        ("daily_segments = -5", "[sms] daily_segments: a value that cannot be"),
        ("media_hosts = [\"https://x/\"]", "[sms] media_hosts: \"https://x/\" is no host"),
        ("media_hosts = [\n\"*.x.com\",\n\"*.com\"]", "[sms] media_hosts: \"*.com\" is no host"),
        ("media_max_bytes = 0", "media_max_bytes"),
        ("allowed_calling_codes = [0]", "[sms] allowed_calling_codes: no calling code"),
        ("allowed_calling_codes = [1, 999]", "[sms] allowed_calling_codes: no calling code"),
        ("allowed_calling_codes = [12]", "[sms] allowed_calling_codes: no calling code"),
        ("calling_code_daily = { 999 = 5 }", "[sms.calling_code_daily] 999: no calling code"),
        ("calling_code_daily = { 044 = 5 }", "[sms.calling_code_daily] 044: no calling code"),
        ("calling_code_daily = { \"+44\" = 5 }", "[sms.calling_code_daily] +44: no calling code"),
    ] {
        check(section, &environment, expected);
    }
}

fn environment_with_base(base: &str) -> Vec<(&'static str, &str)> {
    let mut environment: Vec<(&'static str, &str)> = super::environment();
    environment.push(("TWILIO_API_BASE", base));
    environment
}

#[test]
fn what_can_be_right_is_taken() {
    let mut service = but("TWILIO_FROM", "");
    service.push(("TWILIO_MESSAGING_SERVICE_SID", "MG0123456789abcdef0123456789abcdef"));
    for environment in [
        environment(),
        service,
        but("TWILIO_FROM", "12345"),
        but("TWILIO_API_BASE", "http://127.0.0.1:8080/sandbox/twilio/"),
        but("TWILIO_API_BASE", "http://[::1]:8080"),
        but("TWILIO_API_BASE", "https://api.dublin.ie1.twilio.com"),
    ] {
        House::with(
            "segments_per_second = 0.5\nmedia_hosts = [\"*.twiliocdn.com\", \"127.0.0.1:9000\"]",
            &environment,
        );
    }
}

#[test]
fn printing_the_bridge_shows_no_secret() {
    let printed = format!("{:?}", House::new().sms);
    assert!(!printed.contains(TOKEN) && !printed.contains("the next token"));
}
