// Prints requests that Twilio's own Node library signed, one JSON object a line; see sign.py.
//
//     sign.mjs PUBLIC_BASE TWILIO_TOKEN SECOND_TWILIO_TOKEN SLACK_SECRET

import { createHash } from "node:crypto";
import { createRequire } from "node:module";

const require = createRequire(`${process.env.NODE_MODULES}/`);
const { getExpectedTwilioSignature } = require("twilio");

const [base, token, secondToken] = process.argv.slice(2);
const ACCOUNT = "AC5a4db0c5a4db0c5a4db0c5a4db0c5a4d";
let counter = 0;

function fields(more = {}) {
  counter += 1;
  const sid = "SM" + (0xb000 + counter).toString(16).padStart(32, "0");
  return {
    AccountSid: ACCOUNT, MessageSid: sid, SmsSid: sid, SmsStatus: "received", From: "+14155550123",
    To: "+15550100100", Body: "a secret text", NumMedia: "0", FromState: "", ApiVersion: "2010-04-01", ...more,
  };
}

function show(name, form, expect, { path = "/twilio/messages", signedUrl, withToken = token, change } = {}) {
  const signature = getExpectedTwilioSignature(withToken, signedUrl ?? base + path, form);
  const sent = new URLSearchParams();
  for (const [key, value] of Object.entries(change ? change(form) : form)) {
    for (const one of [value].flat()) sent.append(key, one);
  }
  const headers = { "Content-Type": "application/x-www-form-urlencoded", "X-Twilio-Signature": signature };
  console.log(JSON.stringify({ case: `node: ${name}`, method: "POST", path, headers, body: sent.toString(), expect }));
}

show("plain", fields(), 200);
show("unknown fields and unicode", fields({ Zeta: "ü 😀", Alpha: "a+b c" }), 200);
show("the second token", fields(), 200, { withToken: secondToken });
show("with the port", fields(), 200, { signedUrl: `${base}:443/twilio/messages` });
show("a query with an apostrophe, escaped when signed", fields(), 200, {
  path: "/twilio/messages?note=It's", signedUrl: `${base}/twilio/messages?note=It%27s`,
});
show("another token", fields(), 403, { withToken: "not-the-token" });
show("a changed field", fields(), 403, { change: (form) => ({ ...form, From: "+14155550199" }) });
show("another path", fields(), 403, { signedUrl: `${base}/twilio/status` });

const body = JSON.stringify({ MessageSid: "SM" + "e".repeat(32), AccountSid: ACCOUNT });
const hash = createHash("sha256").update(body).digest("hex");
const path = `/twilio/messages?bodySHA256=${hash}`;
const headers = {
  "Content-Type": "application/json",
  "X-Twilio-Signature": getExpectedTwilioSignature(token, base + path, {}),
};
console.log(JSON.stringify({
  case: "node: a JSON body that was changed", method: "POST", path, headers, body: body.replace(/e/g, "f"), expect: 403,
}));
