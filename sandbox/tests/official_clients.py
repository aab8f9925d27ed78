"""Checks a running sandbox with Twilio's and Slack's own Python clients.

    pip install twilio slack_sdk
    cargo run -p switchboard-sandbox --example serve -- 127.0.0.1:8199 http://127.0.0.1:8198
    python sandbox/tests/official_clients.py http://127.0.0.1:8199/sandbox [127.0.0.1:8198]

The second argument is where the sandbox sends its webhooks: given that, this script listens there as the hub
and has the clients' own verifiers check the signatures. It ends with 1 and says what differed.
The identities are the sandbox's defaults. Every request goes to the address that is given.
"""

import json
import sys
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, quote

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.signature import SignatureVerifier
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.request_validator import RequestValidator
from twilio.rest import Client

ACCOUNT, TOKEN = "AC5a4db0c5a4db0c5a4db0c5a4db0c5a4d", "sandbox-auth-token"
BOT_TOKEN, SIGNING_SECRET = "xoxb-sandbox", "sandbox-signing-secret"
NUMBER, PHONE, LOBBY = "+15550100100", "+15550100177", "C0LOBBY"

passed, failed = 0, 0


def check(what, given, expected=True):
    global passed, failed
    if given == expected:
        passed += 1
    else:
        failed += 1
        print(f"DIFFERENT {what}: {given!r}, expected {expected!r}")


def refused(what, error, call, expected):
    try:
        call()
        check(what, "no error", expected)
    except error as caught:
        check(what, caught.code if isinstance(caught, TwilioRestException) else caught.response["error"], expected)


class ToSandbox(TwilioHttpClient):
    """Twilio's client has no base address to set, so its requests are turned here."""

    def __init__(self, base):
        super().__init__()
        self.base = base

    def request(self, method, url, *rest, **more):
        url = url.replace("https://api.twilio.com", self.base + "/twilio")
        assert url.startswith(self.base), url
        return super().request(method, url, *rest, **more)


def control(base, path, order=None):
    data = None if order is None else json.dumps(order).encode()
    with urllib.request.urlopen(urllib.request.Request(base + path, data=data)) as answer:
        return json.load(answer)


def twilio(base):
    client = Client(ACCOUNT, TOKEN, http_client=ToSandbox(base))
    sent = client.messages.create(to=PHONE, from_=NUMBER, body="hello é")
    check("create status", sent.status, "queued")
    check("create segments", (sent.num_segments, sent.num_media), ("1", "0"))
    check("create date", sent.date_created is not None and sent.date_created.utcoffset().total_seconds(), 0.0)
    check("create sid", sent.sid.startswith("SM") and len(sent.sid), 34)
    time.sleep(0.3)
    check("fetch", client.messages(sent.sid).fetch().status, "delivered")
    for n in range(4):
        client.messages.create(to=PHONE, from_=NUMBER, body=f"text {n}")
    time.sleep(0.3)
    found = client.messages.list(to=PHONE, from_=NUMBER, page_size=2)
    check("list over pages", [text.body for text in found][:5], ["text 3", "text 2", "text 1", "text 0", "hello é"])
    check("list limit", len(client.messages.list(to=PHONE, limit=3)), 3)
    check("list since", sent.sid in [text.sid for text in client.messages.list(date_sent_after=sent.date_created)])
    check("list before", client.messages.list(date_sent_before=sent.date_created.replace(year=2020)), [])
    check("redact", client.messages(sent.sid).update(body="").body, "")
    check("delete", client.messages(sent.sid).delete())
    bad = lambda **fields: lambda: client.messages.create(**{"to": PHONE, "from_": NUMBER, "body": "x", **fields})
    refused("bad to", TwilioRestException, bad(to="12"), 21211)
    refused("bad from", TwilioRestException, bad(from_="12"), 21212)
    refused("long", TwilioRestException, bad(body="a" * 1601), 21617)
    refused("much media", TwilioRestException, bad(media_url=["https://hub.example.com/a"] * 11), 21623)
    refused("gone", TwilioRestException, client.messages(sent.sid).fetch, 20404)
    stranger = Client(ACCOUNT, "wrong", http_client=ToSandbox(base))
    refused("credentials", TwilioRestException, lambda: stranger.messages.create(to=PHONE, from_=NUMBER, body="x"), 20003)
    check("account", client.api.accounts(ACCOUNT).fetch().status, "active")
    check("numbers", [number.phone_number for number in client.incoming_phone_numbers.list()][0], NUMBER)

    picture = control(base, f"/phone/{quote(PHONE)}/text", {"body": "see", "media": [{}]})
    media = client.messages(picture["sid"]).media.list()
    check("media", [one.content_type for one in media], ["image/png"])
    check("media fetch", client.messages(picture["sid"]).media(media[0].sid).fetch().parent_sid, picture["sid"])
    control(base, f"/phone/{quote('+15550100178')}/text", {"body": "STOP"})
    refused("opted out", TwilioRestException, bad(to="+15550100178"), 21610)


def slack(base):
    client = WebClient(BOT_TOKEN, base_url=base + "/slack/api/")
    check("auth.test", client.auth_test()["bot_id"], "B0SANDBOX")
    metadata = {"event_type": "switchboard_message", "event_payload": {"message_id": "py-1"}}
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": "*bold*"}}]
    posted = client.chat_postMessage(channel=LOBBY, text="a &amp; b", blocks=blocks, metadata=metadata, username="Ann")
    check("post", (posted["ok"], posted["channel"], posted["message"]["text"]), (True, LOBBY, "a &amp; b"))
    counted = control(base, "/calls/count?method=chat.postMessage&key=py-1")
    check("counted by its metadata", counted["effects"] >= 1)
    reply = client.chat_postMessage(channel=LOBBY, text="reply", thread_ts=posted["ts"])
    thread = client.conversations_replies(channel=LOBBY, ts=posted["ts"])
    check("replies", [message["ts"] for message in thread["messages"]], [posted["ts"], reply["ts"]])
    check("update", client.chat_update(channel=LOBBY, ts=posted["ts"], text="new")["text"], "new")
    history = client.conversations_history(channel=LOBBY, limit=1, include_all_metadata=True)
    check("history metadata", history["messages"][0]["metadata"], metadata)
    check("history edited", "edited" in history["messages"][0] and history["messages"][0]["reply_count"], 1)
    for n in range(3):
        client.chat_postMessage(channel=LOBBY, text=f"page {n}")
    walked = [message["text"] for page in client.conversations_history(channel=LOBBY, limit=2) for message in page["messages"]]
    check("history over pages", walked[:4], ["page 2", "page 1", "page 0", "new"])
    check("reaction", client.reactions_add(channel=LOBBY, timestamp=posted["ts"], name="eyes")["ok"])
    check("reaction away", client.reactions_remove(channel=LOBBY, timestamp=posted["ts"], name="eyes")["ok"])
    check("user", client.users_info(user="U0ANN")["user"]["profile"]["display_name"], "Ann")
    check("channel", client.conversations_info(channel=LOBBY)["channel"]["name"], "lobby")
    listed = [one["id"] for page in client.conversations_list(limit=1) for one in page["channels"]]
    check("channels over pages", LOBBY in listed and "C0OPS" in listed)

    uploaded = client.files_upload_v2(channel=LOBBY, content="inside", filename="note.txt", title="Note", initial_comment="look")
    check("upload", (uploaded["files"][0]["title"], uploaded["files"][0]["size"]), ("Note", 6))
    time.sleep(0.3)
    file = client.files_info(file=uploaded["files"][0]["id"])["file"]
    check("shared", list(file["shares"]["public"]), [LOBBY])
    request = urllib.request.Request(file["url_private"], headers={"Authorization": f"Bearer {BOT_TOKEN}"})
    check("download", urllib.request.urlopen(request).read(), b"inside")
    check("login page", b"Sign in" in urllib.request.urlopen(file["url_private"]).read())

    check("delete", client.chat_delete(channel=LOBBY, ts=reply["ts"])["ok"])
    post = lambda **fields: lambda: client.chat_postMessage(**{"channel": LOBBY, "text": "x", **fields})
    refused("no channel", SlackApiError, post(channel="C0NOWHERE"), "channel_not_found")
    refused("blocks", SlackApiError, post(blocks=[{"type": "divider"}] * 51), "invalid_blocks")
    refused("not there", SlackApiError, lambda: client.chat_update(channel=LOBBY, ts="1.000001", text="x"), "message_not_found")
    stranger = WebClient("xoxb-other", base_url=base + "/slack/api/")
    refused("token", SlackApiError, stranger.auth_test, "invalid_auth")

    control(base, "/limits", {"slack": {"burst": 1.0}})
    try:
        for _ in range(3):
            client.chat_postMessage(channel=LOBBY, text="fast")
        check("limit", "no error", 429)
    except SlackApiError as caught:
        check("limit", (caught.response.status_code, caught.response.headers["Retry-After"]), (429, "1"))
    control(base, "/limits", {"slack": "off"})


def webhooks(base, address):
    """Listens as the hub; the SDKs' verifiers judge every webhook."""
    judged = []

    class Hub(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if "X-Twilio-Signature" in self.headers:
                fields = dict(parse_qsl(body.decode(), keep_blank_values=True))
                signature = self.headers["X-Twilio-Signature"]
                url = f"http://{address}{self.path}"
                judged.append((self.path, RequestValidator(TOKEN).validate(url, fields, signature)))
            else:
                judged.append((self.path, SignatureVerifier(SIGNING_SECRET).is_valid_request(body, dict(self.headers))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    host, port = address.split(":")
    server = ThreadingHTTPServer((host, int(port)), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    control(base, f"/phone/{quote(PHONE)}/text", {"body": "Ärger & more +", "media": [{}]})
    client = Client(ACCOUNT, TOKEN, http_client=ToSandbox(base))
    client.messages.create(to=PHONE, from_=NUMBER, body="x", status_callback=f"http://{address}/twilio/status?d=1&e=a%20b")
    control(base, f"/slack/channels/{LOBBY}/say", {"user": "U0ANN", "text": "Ärger"})
    control(base, "/slack/command", {"command": "/alarm", "text": "fire & <x>", "user": "U0ANN", "channel": LOBBY})
    time.sleep(0.5)
    server.shutdown()
    check("signatures", all(valid for _, valid in judged))
    paths = sorted({path.split("?")[0] for path, _ in judged})
    check("webhooks", paths, ["/slack/commands", "/slack/events", "/twilio/messages", "/twilio/status"])


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    base = sys.argv[1].rstrip("/")
    control(base, "/reset", {})
    # Without a hub the sandbox would only try to reach it.
    control(base, "/behaviour", {"slack_echo": False})
    twilio(base)
    slack(base)
    if len(sys.argv) == 3:
        webhooks(base, sys.argv[2])
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)
