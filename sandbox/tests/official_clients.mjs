// Checks a running sandbox with Twilio's and Slack's own Node clients.
//
//     npm install twilio @slack/web-api
//     cargo run -p switchboard-sandbox --example serve -- 127.0.0.1:8199 http://127.0.0.1:8198
//     NODE_MODULES=path/to/node_modules node sandbox/tests/official_clients.mjs http://127.0.0.1:8199/sandbox [127.0.0.1:8198]
//
// The second argument is where the sandbox sends its webhooks: given that, this script listens there as the
// hub and has Twilio's own validator check the signatures. It exits with 1 and says what differed.
// NODE_MODULES says where the clients are when they are not beside this file or above it.

import { createServer } from "node:http";
import { createRequire } from "node:module";
import { isDeepStrictEqual } from "node:util";

const require = createRequire(process.env.NODE_MODULES ? `${process.env.NODE_MODULES}/` : import.meta.url);
const twilio = require("twilio");
const { WebClient, LogLevel } = require("@slack/web-api");

const ACCOUNT = "AC5a4db0c5a4db0c5a4db0c5a4db0c5a4d";
const TOKEN = "sandbox-auth-token";
const BOT_TOKEN = "xoxb-sandbox";
const [NUMBER, PHONE, LOBBY] = ["+15550100100", "+15550100177", "C0LOBBY"];

const [base, hub] = process.argv.slice(2);
if (!base) {
  console.error("usage: official_clients.mjs BASE [HUB_ADDRESS]");
  process.exit(2);
}

let passed = 0;
let failed = 0;
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

function check(what, given, expected = true) {
  if (isDeepStrictEqual(given, expected)) {
    passed += 1;
  } else {
    failed += 1;
    console.log(`DIFFERENT ${what}: ${JSON.stringify(given)}, expected ${JSON.stringify(expected)}`);
  }
}

async function refused(what, call, expected) {
  try {
    await call();
    check(what, "no error", expected);
  } catch (error) {
    check(what, error.data?.error ?? error.code, expected);
  }
}

async function control(path, order) {
  const request = order === undefined ? {} : { method: "POST", body: JSON.stringify(order) };
  const answer = await fetch(base + path, request);
  if (!answer.ok) throw new Error(`${path}: ${await answer.text()}`);
  return answer.json();
}

// Twilio's client has no base address to set, so its requests are turned here.
class ToSandbox extends twilio.RequestClient {
  request(options) {
    const uri = options.uri.replace("https://api.twilio.com", `${base}/twilio`);
    if (!uri.startsWith(base)) throw new Error(`would leave this machine: ${uri}`);
    return super.request({ ...options, uri });
  }
}
const twilioClient = (token) => twilio(ACCOUNT, token, { httpClient: new ToSandbox() });

async function checkTwilio() {
  const client = twilioClient(TOKEN);
  const sent = await client.messages.create({ to: PHONE, from: NUMBER, body: "hello é" });
  check("create", [sent.status, sent.numSegments, sent.direction], ["queued", "1", "outbound-api"]);
  check("create date", sent.dateCreated instanceof Date && !Number.isNaN(sent.dateCreated.getTime()));
  await pause(300);
  check("fetch", (await client.messages(sent.sid).fetch()).status, "delivered");
  for (let n = 0; n < 4; n += 1) await client.messages.create({ to: PHONE, from: NUMBER, body: `text ${n}` });
  await pause(300);
  const found = await client.messages.list({ to: PHONE, pageSize: 2 });
  check("list over pages", found.slice(0, 5).map((text) => text.body), ["text 3", "text 2", "text 1", "text 0", "hello é"]);
  const since = await client.messages.list({ dateSentAfter: sent.dateCreated });
  check("list since", since.some((text) => text.sid === sent.sid));
  check("delete", await client.messages(sent.sid).remove());
  const bad = (fields) => () => client.messages.create({ to: PHONE, from: NUMBER, body: "x", ...fields });
  await refused("bad to", bad({ to: "12" }), 21211);
  await refused("long", bad({ body: "a".repeat(1601) }), 21617);
  await refused("bad media", bad({ mediaUrl: ["nonsense"] }), 21620);
  await refused("gone", () => client.messages(sent.sid).fetch(), 20404);
  await refused("credentials", () => twilioClient("wrong").messages.list({ limit: 1 }), 20003);
}

async function checkSlack() {
  const options = { slackApiUrl: `${base}/slack/api/`, logLevel: LogLevel.ERROR };
  const client = new WebClient(BOT_TOKEN, options);
  check("auth.test", (await client.auth.test()).user_id, "U0SANDBOX");
  const metadata = { event_type: "switchboard_message", event_payload: { message_id: "node-1" } };
  const blocks = [{ type: "section", text: { type: "mrkdwn", text: "*bold*" } }];
  const posted = await client.chat.postMessage({ channel: LOBBY, text: "a &amp; b", blocks, metadata, username: "Ann" });
  check("post", [posted.ok, posted.channel, posted.message.text], [true, LOBBY, "a &amp; b"]);
  check("counted by its metadata", (await control("/calls/count?method=chat.postMessage&key=node-1")).effects >= 1);
  const reply = await client.chat.postMessage({ channel: LOBBY, text: "reply", thread_ts: posted.ts });
  const thread = await client.conversations.replies({ channel: LOBBY, ts: posted.ts });
  check("replies", thread.messages.map((message) => message.ts), [posted.ts, reply.ts]);
  check("update", (await client.chat.update({ channel: LOBBY, ts: posted.ts, text: "new" })).text, "new");
  const history = await client.conversations.history({ channel: LOBBY, limit: 1, include_all_metadata: true });
  check("history metadata", history.messages[0].metadata, metadata);
  const walked = [];
  for await (const page of client.paginate("conversations.list", { limit: 1 })) walked.push(...page.channels.map((one) => one.id));
  check("channels over pages", walked.includes(LOBBY) && walked.includes("C0OPS"));
  check("user", (await client.users.info({ user: "U0BOB" })).user.profile.display_name, "Bob");
  check("reaction", (await client.reactions.add({ channel: LOBBY, timestamp: posted.ts, name: "eyes" })).ok);

  const uploaded = await client.filesUploadV2({
    channel_id: LOBBY, file: Buffer.from("inside"), filename: "note.txt", title: "Note", initial_comment: "look",
  });
  const file = uploaded.files[0].files[0];
  check("upload", [file.title, file.size], ["Note", 6]);
  await pause(300);
  const info = await client.files.info({ file: file.id });
  check("shared", Object.keys(info.file.shares.public), [LOBBY]);
  const headers = { Authorization: `Bearer ${BOT_TOKEN}` };
  check("download", await (await fetch(info.file.url_private, { headers })).text(), "inside");

  check("delete", (await client.chat.delete({ channel: LOBBY, ts: reply.ts })).ok);
  await refused("no channel", () => client.chat.postMessage({ channel: "C0NOWHERE", text: "x" }), "channel_not_found");
  await refused("token", () => new WebClient("xoxb-other", options).auth.test(), "invalid_auth");

  await control("/limits", { slack: { burst: 1 } });
  const impatient = new WebClient(BOT_TOKEN, { ...options, rejectRateLimitedCalls: true });
  try {
    for (let n = 0; n < 3; n += 1) await impatient.chat.postMessage({ channel: LOBBY, text: "fast" });
    check("limit", "no error", 1);
  } catch (error) {
    check("limit", [error.code, error.retryAfter], ["slack_webapi_rate_limited_error", 1]);
  }
  await control("/limits", { slack: "off" });
}

async function checkWebhooks() {
  const judged = [];
  const server = createServer((request, response) => {
    const chunks = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => {
      const fields = Object.fromEntries(new URLSearchParams(Buffer.concat(chunks).toString()));
      const signature = request.headers["x-twilio-signature"];
      const valid = signature && twilio.validateRequest(TOKEN, signature, `http://${hub}${request.url}`, fields);
      judged.push([request.url.split("?")[0], valid]);
      response.end();
    });
  });
  const [host, port] = hub.split(":");
  await new Promise((done) => server.listen(Number(port), host, done));
  await control(`/phone/${encodeURIComponent(PHONE)}/text`, { body: "Ärger & more +", media: [{}] });
  const statusCallback = `http://${hub}/twilio/status?d=1&e=a%20b`;
  await twilioClient(TOKEN).messages.create({ to: PHONE, from: NUMBER, body: "x", statusCallback });
  await pause(500);
  server.close();
  server.closeAllConnections();
  const path = "/twilio/status";
  check("signatures", judged, [["/twilio/messages", true], [path, true], [path, true]]);
}

await control("/reset", {});
await control("/behaviour", { slack_echo: false });
await checkTwilio();
await checkSlack();
if (hub) await checkWebhooks();
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
