// Holds recorded requests to Stripe against npm's stripe package, which no one here wrote:
//   node stripe_judge.mjs NODE_MODULES WORK LOG...
// LOG: JSON lines {method, path, pairs, key, version, type, status}, as stripe_server.py writes them; those that were
// answered 200 are judged, one of each kind (request, names of its parameters).  WORK: a new folder.
//
// 1. Types: each becomes a literal of the SDK's type for that call's parameters and must compile, no name in excess,
//    with enumerations closed.  Beside them stand literals with a wrong name, type or value, which must not.
// 2. Bytes: the SDK makes the same call to a recorder; method, path, the form's pairs, version and content type are the
//    reference for ours.
import fs from "node:fs";
import http from "node:http";
import path from "node:path";
import { spawnSync } from "node:child_process";

const [modules, work, ...logs] = process.argv.slice(2);
const { default: Stripe } = await import(path.resolve(modules, "stripe/esm/stripe.esm.node.js"));

// Request; the type of its parameters; how the SDK is asked.
const calls = [
    ["GET /v1/account", "AccountRetrieveCurrentParams", (s, i, p, o) => s.accounts.retrieveCurrent(p, o)],
    ["POST /v1/products", "ProductCreateParams", (s, i, p, o) => s.products.create(p, o)],
    ["POST /v1/products/ID", "ProductUpdateParams", (s, i, p, o) => s.products.update(i, p, o)],
    ["GET /v1/products", "ProductListParams", (s, i, p, o) => s.products.list(p, o)],
    ["POST /v1/prices", "PriceCreateParams", (s, i, p, o) => s.prices.create(p, o)],
    ["POST /v1/prices/ID", "PriceUpdateParams", (s, i, p, o) => s.prices.update(i, p, o)],
    ["GET /v1/prices", "PriceListParams", (s, i, p, o) => s.prices.list(p, o)],
    ["POST /v1/customers", "CustomerCreateParams", (s, i, p, o) => s.customers.create(p, o)],
    ["POST /v1/customers/ID", "CustomerUpdateParams", (s, i, p, o) => s.customers.update(i, p, o)],
    ["GET /v1/customers", "CustomerListParams", (s, i, p, o) => s.customers.list(p, o)],
    ["GET /v1/customers/ID", "CustomerRetrieveParams", (s, i, p, o) => s.customers.retrieve(i, p, o)],
    ["GET /v1/setup_intents/ID", "SetupIntentRetrieveParams", (s, i, p, o) => s.setupIntents.retrieve(i, p, o)],
    ["POST /v1/subscriptions", "SubscriptionCreateParams", (s, i, p, o) => s.subscriptions.create(p, o)],
    ["POST /v1/subscriptions/ID", "SubscriptionUpdateParams", (s, i, p, o) => s.subscriptions.update(i, p, o)],
    ["DELETE /v1/subscriptions/ID", "SubscriptionCancelParams", (s, i, p, o) => s.subscriptions.cancel(i, p, o)],
    ["GET /v1/subscriptions", "SubscriptionListParams", (s, i, p, o) => s.subscriptions.list(p, o)],
    ["GET /v1/subscriptions/ID", "SubscriptionRetrieveParams", (s, i, p, o) => s.subscriptions.retrieve(i, p, o)],
    ["POST /v1/invoices", "InvoiceCreateParams", (s, i, p, o) => s.invoices.create(p, o)],
    ["GET /v1/invoices", "InvoiceListParams", (s, i, p, o) => s.invoices.list(p, o)],
    ["GET /v1/invoices/ID", "InvoiceRetrieveParams", (s, i, p, o) => s.invoices.retrieve(i, p, o)],
    ["DELETE /v1/invoices/ID", "InvoiceDeleteParams", (s, i, p, o) => s.invoices.del(i, p, o)],
    ["GET /v1/invoices/ID/lines", "InvoiceListLineItemsParams", (s, i, p, o) => s.invoices.listLineItems(i, p, o)],
    ["POST /v1/invoices/ID/finalize", "InvoiceFinalizeInvoiceParams", (s, i, p, o) => s.invoices.finalizeInvoice(i, p, o)],
    ["POST /v1/invoices/ID/send", "InvoiceSendInvoiceParams", (s, i, p, o) => s.invoices.sendInvoice(i, p, o)],
    ["POST /v1/invoices/ID/pay", "InvoicePayParams", (s, i, p, o) => s.invoices.pay(i, p, o)],
    ["POST /v1/invoices/ID/void", "InvoiceVoidInvoiceParams", (s, i, p, o) => s.invoices.voidInvoice(i, p, o)],
    ["POST /v1/invoiceitems", "InvoiceItemCreateParams", (s, i, p, o) => s.invoiceItems.create(p, o)],
    ["GET /v1/invoiceitems", "InvoiceItemListParams", (s, i, p, o) => s.invoiceItems.list(p, o)],
    ["POST /v1/credit_notes", "CreditNoteCreateParams", (s, i, p, o) => s.creditNotes.create(p, o)],
    ["GET /v1/credit_notes", "CreditNoteListParams", (s, i, p, o) => s.creditNotes.list(p, o)],
    ["GET /v1/credit_notes/ID", "CreditNoteRetrieveParams", (s, i, p, o) => s.creditNotes.retrieve(i, p, o)],
    ["GET /v1/credit_notes/ID/lines", "CreditNoteListLineItemsParams", (s, i, p, o) => s.creditNotes.listLineItems(i, p, o)],
    ["GET /v1/invoice_payments", "InvoicePaymentListParams", (s, i, p, o) => s.invoicePayments.list(p, o)],
    ["GET /v1/refunds", "RefundListParams", (s, i, p, o) => s.refunds.list(p, o)],
    ["GET /v1/disputes", "DisputeListParams", (s, i, p, o) => s.disputes.list(p, o)],
    ["GET /v1/events", "EventListParams", (s, i, p, o) => s.events.list(p, o)],
    ["POST /v1/billing_portal/sessions", "BillingPortal.SessionCreateParams", (s, i, p, o) => s.billingPortal.sessions.create(p, o)],
    ["POST /v1/checkout/sessions", "Checkout.SessionCreateParams", (s, i, p, o) => s.checkout.sessions.create(p, o)],
    ["GET /v1/checkout/sessions/ID", "Checkout.SessionRetrieveParams", (s, i, p, o) => s.checkout.sessions.retrieve(i, p, o)],
].map(([request, type, ask]) => ({ request, type, ask, pattern: new RegExp("^" + request.replace("ID", "([a-z]+_\\w+)") + "$") }));

// What does not compile, each for one reason.
const wrong = [
    ["InvoiceCreateParams", '{customer: "cus_1", currncy: "usd"}'],
    ["InvoiceItemCreateParams", '{customer: "cus_1", amount: "12.5"}'],
    ["InvoiceCreateParams", '{customer: "cus_1", collection_method: "by_post"}'],
    ["SubscriptionCreateParams", '{customer: "cus_1", items: [{price: "price_1", quantitty: 0}]}'],
    ["CreditNoteCreateParams", '{memo: "the invoice is missing"}'],
    ["PriceCreateParams", '{currency: "usd", recurring: {interval: "fortnight"}}'],
];

function fail(words) {
    console.error("stripe_judge: " + words);
    process.exit(1);
}

// Pairs of a form as a tree; keys 0, 1, 2 … are an array.
function tree(pairs) {
    const root = {};
    for (const [name, value] of pairs) {
        const steps = name.replaceAll("]", "").split("[");
        let node = root;
        for (const step of steps.slice(0, -1)) node = node[step] ??= {};
        node[steps.at(-1)] = value;
    }
    const arrays = (node, text) => {
        if (typeof node === "string") return value(node, text);
        const keys = Object.keys(node);
        if (keys.every((k, i) => k === String(i))) return keys.map((k) => arrays(node[k], text));
        return Object.fromEntries(keys.map((k) => [k, arrays(node[k], text || k === "metadata")]));
    };
    return pairs.length ? arrays(root, false) : {};
}

// A form has text only: what reads as a number or a boolean is one, but in metadata.
function value(text, isText) {
    if (isText) return text;
    if (text === "true" || text === "false") return text === "true";
    return /^-?[0-9]{1,15}$/.test(text) ? Number(text) : text;
}

const kinds = new Map();
for (const log of logs) {
    for (const line of fs.readFileSync(log, "utf8").trim().split("\n").map(JSON.parse)) {
        if (line.status !== 200 || line.replayed) continue;
        const call = calls.find((c) => c.pattern.test(`${line.method} ${line.path}`));
        if (!call) fail(`${line.method} ${line.path}: not in this judge's table of calls`);
        const kind = call.request + " " + line.pairs.map((p) => p[0]).sort().join(" ");
        if (!kinds.has(kind)) kinds.set(kind, { ...line, call, params: tree(line.pairs) });
    }
}
if (kinds.size < 8) fail(`only ${kinds.size} kinds of requests in ${logs}`);

// 1. Types.
fs.mkdirSync(work);
fs.symlinkSync(path.resolve(modules), path.join(work, "node_modules"));
const shared = path.join(work, "node_modules/stripe/esm/shared.d.ts");
const open = "OtherString = string & Record<never, never>";
let text = fs.readFileSync(shared, "utf8");
if (!text.includes(open) && !text.includes("OtherString = never")) fail("the SDK's OtherString is written in another way now");
fs.writeFileSync(shared, text.replace(open, "OtherString = never"));
const source = ['import Stripe from "stripe";'];
for (const { call, params } of kinds.values()) source.push(`export const a${source.length}: Stripe.${call.type} = ${JSON.stringify(params)};`);
for (const [type, literal] of wrong) source.push("// @ts-expect-error", `export const a${source.length}: Stripe.${type} = ${literal};`);
fs.writeFileSync(path.join(work, "calls.mts"), source.join("\n") + "\n");
const tsc = spawnSync(process.execPath, [path.resolve(modules, "typescript/bin/tsc"), "--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext",
    "--moduleResolution", "nodenext", "--target", "es2022", "calls.mts"], { cwd: work, encoding: "utf8" });
if (tsc.status !== 0) {
    const at = Number((tsc.stdout.match(/calls\.mts\((\d+),/) || [])[1]);
    fail("the SDK's types refuse a request:\n" + tsc.stdout + (at ? source[at - 1] : "") + tsc.stderr);
}

// 2. Bytes.
let seen;
const recorder = http.createServer((request, answer) => {
    const parts = [];
    request.on("data", (part) => parts.push(part));
    request.on("end", () => {
        seen = { method: request.method, url: request.url, headers: request.headers, body: Buffer.concat(parts).toString() };
        answer.setHeader("Content-Type", "application/json");
        answer.end('{"object": "list", "data": [], "has_more": false, "url": "/"}');
    });
});
await new Promise((resolve) => recorder.listen(0, "127.0.0.1", resolve));
const stripe = new Stripe("sk_test_judge", { host: "127.0.0.1", port: recorder.address().port, protocol: "http", telemetry: false });
const sorted = (pairs) => JSON.stringify(pairs.map((p) => p.join("=")).sort());
for (const { call, params, ...ours } of kinds.values()) {
    const id = `${ours.method} ${ours.path}`.match(call.pattern)[1];
    await call.ask(stripe, id, params, ours.key ? { idempotencyKey: ours.key } : {});
    const [where, query] = seen.url.split("?");
    const theirs = [...new URLSearchParams(ours.method === "POST" ? seen.body : query)];
    const what = `${ours.method} ${ours.path}`;
    const same = (name, mine, reference) => mine === reference || fail(`${what}: ${name}: ours is ${mine}, the SDK's ${reference}`);
    same("request", what, `${seen.method} ${where}`);
    same("parameters", sorted(ours.pairs), sorted(theirs));
    same("Stripe-Version", ours.version, seen.headers["stripe-version"]);
    if (ours.method === "POST") {
        same("Content-Type", ours.type, seen.headers["content-type"]);
        same("Idempotency-Key", ours.key, seen.headers["idempotency-key"]);
    }
}
recorder.close();
recorder.closeAllConnections();
console.log(`${kinds.size} kinds of requests: the SDK's types take them, its bytes are the same; ${wrong.length} wrong ones refused`);
