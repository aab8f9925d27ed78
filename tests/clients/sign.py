"""Prints requests that Twilio's and Slack's own Python libraries signed, one JSON object a line.

    sign.py PUBLIC_BASE TWILIO_TOKEN SECOND_TWILIO_TOKEN SLACK_SECRET

Each line: case, method, path, headers, body, expect (the status that the hub must answer).
"""

import hashlib
import json
import sys
import time
from urllib.parse import urlencode

from slack_sdk.signature import SignatureVerifier
from twilio.request_validator import RequestValidator

public, token, second_token, slack_secret = sys.argv[1:]
FORM = "application/x-www-form-urlencoded"
ACCOUNT = "AC5a4db0c5a4db0c5a4db0c5a4db0c5a4d"
counter = 0


def show(case, path, headers, body, expect, method="POST"):
    print(json.dumps({"case": f"python: {case}", "method": method, "path": path, "headers": headers,
                      "body": body, "expect": expect}))


def fields(**more):
    global counter
    counter += 1
    sid = f"SM{0xa000 + counter:032x}"
    return {"AccountSid": ACCOUNT, "MessageSid": sid, "SmsSid": sid, "SmsStatus": "received",
            "From": "+14155550123", "To": "+15550100100", "Body": "a secret text", "NumMedia": "0",
            "FromCity": "", "ApiVersion": "2010-04-01", **more}


class Repeated(dict):
    """A form with repeated fields, as the library takes it from web frameworks."""

    def getlist(self, name):
        value = self[name]
        return value if isinstance(value, list) else [value]


def twilio(case, form, expect, path="/twilio/messages", signed_url=None, with_token=token, change=None):
    url = signed_url or public + path
    signature = RequestValidator(with_token).compute_signature(url, form)
    sent = change(form) if change else form
    show(case, path, {"Content-Type": FORM, "X-Twilio-Signature": signature}, urlencode(sent, doseq=True), expect)


twilio("plain", fields(), 200)
twilio("empty and unknown fields", fields(NewField="", Another="x y+z&é"), 200)
twilio("unicode", fields(Body="naïve 😀 ‘quoted’"), 200)
twilio("trailing spaces", fields(Body="  spaced  "), 200)
twilio("a repeated field", Repeated(fields(Tag=["b", "a", "b"])), 200)
twilio("the second token", fields(), 200, with_token=second_token)
twilio("with the port", fields(), 200, signed_url=public + ":443/twilio/messages")
twilio("a query", fields(), 200, path="/twilio/messages?foo=1&bar=2")
twilio("MMS sid", fields(MessageSid="MM" + "b" * 32), 200)
twilio("another token", fields(), 403, with_token="not-the-token")
twilio("another address", fields(), 403, signed_url="https://other.example/twilio/messages")
twilio("http for https", fields(), 403, signed_url=public.replace("https", "http") + "/twilio/messages")
twilio("a changed field", fields(), 403, change=lambda form: {**form, "Body": "forged"})
twilio("an added field", fields(), 403, change=lambda form: {**form, "Extra": "1"})
twilio("a dropped field", fields(), 403, change=lambda form: {k: v for k, v in form.items() if k != "FromCity"})
for name, value in [("no signature", None), ("an empty signature", ""), ("not base64", "%%%"), ("short", "AAAA")]:
    headers = {"Content-Type": FORM}
    if value is not None:
        headers["X-Twilio-Signature"] = value
    show(name, "/twilio/messages", headers, urlencode(fields()), 403)

body = json.dumps({"MessageSid": "SM" + "c" * 32, "AccountSid": ACCOUNT})
path = "/twilio/status?bodySHA256=" + hashlib.sha256(body.encode()).hexdigest()
signature = RequestValidator(token).compute_signature(public + path, {})
json_headers = {"Content-Type": "application/json", "X-Twilio-Signature": signature}
show("a JSON body that was changed", path, json_headers, body.replace("c", "d"), 403)
show("a JSON body without its hash", "/twilio/status", json_headers, body, 403)


def slack(case, path, content_type, body, expect, at=None, secret=slack_secret, signed=None):
    at = str(int(time.time()) if at is None else at)
    signature = SignatureVerifier(secret).generate_signature(timestamp=at, body=signed if signed is not None else body)
    headers = {"Content-Type": content_type, "X-Slack-Request-Timestamp": at, "X-Slack-Signature": signature}
    show(case, path, headers, body, expect)


JSON = "application/json"
message = json.dumps({"type": "event_callback", "team_id": "T0SANDBOX", "api_app_id": "A0SANDBOX", "event_id": "Ev1",
                      "event_time": 1, "authorizations": [],
                      "event": {"type": "message", "channel": "C0LOBBY", "channel_type": "channel", "user": "U0ANN",
                                "text": "a secret text é", "ts": "1700000001.000100", "team": "T0SANDBOX"}},
                     ensure_ascii=False)
now = int(time.time())
slack("an event", "/slack/events", JSON, message, 200)
slack("url_verification", "/slack/events", JSON, json.dumps({"type": "url_verification", "token": "x", "challenge": "c"}), 200)
slack("a command", "/slack/commands", FORM,
      urlencode({"command": "/switchboard", "text": "help", "team_id": "T0SANDBOX", "channel_id": "C0LOBBY",
                 "user_id": "U0ANN", "user_name": "ann", "trigger_id": "1.2.3", "api_app_id": "A0SANDBOX",
                 "response_url": "https://hooks.slack.com/commands/1/2/3"}), 200)
slack("another secret", "/slack/events", JSON, message, 403, secret="not-the-secret")
slack("a changed body", "/slack/events", JSON, message + " ", 403, signed=message)
slack("six minutes old", "/slack/events", JSON, message, 403, at=now - 360)
slack("six minutes early", "/slack/events", JSON, message, 403, at=now + 360)
slack("a time that is none", "/slack/events", JSON, message, 403, at="soon")
show("no headers", "/slack/events", {"Content-Type": JSON}, message, 403)
show("a signature without its time", "/slack/events", {"Content-Type": JSON, "X-Slack-Signature": "v0=00"}, message, 403)
