// An issuer of accounts on this machine: npm's certified `oidc-provider`, with one account that signs in by itself.
//
// Prints its address as a line of JSON and runs until its input ends. `POST /mint` with {claims, key, header} gives
// a token with these claims, signed with the issuer's key ("ours"), with one of nobody's ("foreign"), with a new one
// that the issuer publishes from then on ("rotated"), or not at all ("none").
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(`${process.env.NODE_MODULES}/`);
const load = (name) => import(pathToFileURL(require.resolve(name)));
const { default: Provider } = await load("oidc-provider");
const { exportJWK, generateKeyPair, SignJWT } = await load("jose");

const makeKey = async (kid) => {
  const { privateKey, publicKey } = await generateKeyPair("RS256", { extractable: true });
  const common = { kid, alg: "RS256", use: "sig" };
  return { kid, privateKey, jwk: { ...(await exportJWK(privateKey)), ...common }, shown: { ...(await exportJWK(publicKey)), ...common } };
};
const keys = { ours: await makeKey("ours"), foreign: { ...(await makeKey("foreign")), kid: "ours" } };
const published = [keys.ours.shown];

const server = createServer();
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const issuer = `http://127.0.0.1:${server.address().port}`;
const hub = process.argv[2];
const provider = new Provider(issuer, {
  clients: [{
    client_id: "hub", client_secret: "s:ecret", redirect_uris: [`${hub}/api/session/oidc/callback`],
    token_endpoint_auth_method: "client_secret_basic",
  }],
  jwks: { keys: [keys.ours.jwk] },
  pkce: { required: () => true },
  conformIdTokenClaims: false,
  claims: { openid: ["sub"], profile: ["name"], email: ["email", "email_verified"] },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({ sub: id, name: "Ann Account", email: "ann@example.org", email_verified: true }),
  }),
  features: { devInteractions: { enabled: false } },
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
});
provider.proxy = false;
const handle = provider.callback();

const body = async (request) => {
  let text = "";
  for await (const part of request) text += part;
  return JSON.parse(text);
};

server.on("request", async (request, response) => {
  const answer = (value) => response.setHeader("content-type", "application/json").end(JSON.stringify(value));
  if (request.url === "/mint") {
    const { claims, key, header } = await body(request);
    if (key === "none") {
      const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
      return answer({ token: `${part({ alg: "none", kid: "ours" })}.${part(claims)}.` });
    }
    if (key === "rotated" && !keys.rotated) published.push((keys.rotated = await makeKey("rotated")).shown);
    const { kid, privateKey } = keys[key];
    const token = await new SignJWT(claims).setProtectedHeader({ alg: "RS256", kid, ...header }).sign(privateKey);
    return answer({ token });
  }
  if (request.url === "/jwks") return answer({ keys: published });
  if (request.url.startsWith("/interaction/")) {
    const { prompt, params, session, grantId } = await provider.interactionDetails(request, response);
    if (prompt.name === "login") {
      return provider.interactionFinished(request, response, { login: { accountId: "ann-7" } });
    }
    const grant = grantId ? await provider.Grant.find(grantId)
      : new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
    grant.addOIDCScope("openid profile email");
    return provider.interactionFinished(request, response, { consent: { grantId: await grant.save() } });
  }
  return handle(request, response);
});
console.log(JSON.stringify({ issuer }));
process.stdin.on("end", () => process.exit(0)).resume();
