// Judges the hub's documents for programs by outside validators; says what they find fault with, and fails if they do.
//
//     described.mjs OPENAPI_FILE ASYNCAPI_FILE

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(`${process.env.NODE_MODULES}/`);
const { Parser } = require("@asyncapi/parser");
const { Validator } = await import(pathToFileURL(require.resolve("@seriousme/openapi-schema-validator")));

const [openapi, asyncapi] = process.argv.slice(2).map((path) => readFileSync(path, "utf8"));
const faults = [];
const http = await new Validator().validate(JSON.parse(openapi));
if (!http.valid) faults.push(`OpenAPI: ${JSON.stringify(http.errors, null, 1)}`);

/** Errors and warnings; what is less is advice. */
const WARNING = 1;
const { document, diagnostics } = await new Parser().parse(asyncapi);
for (const { severity, path, message } of diagnostics) {
  if (severity <= WARNING) faults.push(`AsyncAPI: ${path.join(".")}: ${message}`);
}
if (document === undefined) faults.push("AsyncAPI: it is no such document");
for (const fault of faults) console.error(fault);
process.exitCode = faults.length === 0 ? 0 : 1;
