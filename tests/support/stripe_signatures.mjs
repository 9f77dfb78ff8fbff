// Holds our judgement of Stripe-Signature against npm's stripe, which no one here wrote:
//   node stripe_signatures.mjs NODE_MODULES BODY command COUNT SEED         gbill stripe verify, in PATH
//   node stripe_signatures.mjs NODE_MODULES BODY http COUNT SEED URL        the webhook of gbill api
//   node stripe_signatures.mjs NODE_MODULES BODY verify HEADER SECRET       is HEADER good there?
// BODY: a file, an event of Stripe's.  OLD and NEW in the environment are the secrets; of gbill api both.
// First every case that is documented, then COUNT headers and bodies that were changed at random.
import fs from "node:fs";
import http from "node:http";
import path from "node:path";
import { spawnSync } from "node:child_process";

const [modules, file, how, ...rest] = process.argv.slice(2);
const { default: Stripe } = await import(path.resolve(modules, "stripe/esm/stripe.esm.node.js"));
const stripe = new Stripe("sk_test_notUsedHere");
const { OLD, NEW } = process.env;
const now = () => Math.floor(Date.now() / 1000);

// Their verdict: one of the secrets will do, as there one calls it once for each.
function theirs(body, header, secrets, at) {
    return secrets.some((secret) => {
        try {
            return stripe.webhooks.signature.verifyHeader(body, header, secret, 300, undefined, at * 1000);
        } catch {
            return false;
        }
    });
}

function byCommand(body, header, secrets, at) {
    const ran = spawnSync("gbill", ["stripe", "verify", "--header", header, "--at", new Date(at * 1000).toISOString()],
        { input: body, env: { ...process.env, STRIPE_WEBHOOK_SECRET: secrets.join(" ") } });
    if (![0, 9].includes(ran.status) || (ran.status === 0) !== (ran.stdout.toString() === "signed\n"))
        throw new Error(`gbill stripe verify ended with ${ran.status}: ${ran.stdout}${ran.stderr}`);
    return ran.status === 0;
}

const agent = new http.Agent({ keepAlive: true });
function byHttp(body, header) {
    return new Promise((resolve, reject) => {
        const request = http.request(rest[2], { method: "POST", agent, headers: { "Stripe-Signature": header, "Content-Length": body.length } },
            (answer) => {
                let text = "";
                answer.on("data", (piece) => (text += piece));
                answer.on("end", () => {
                    const code = answer.statusCode === 200 ? "ok" : JSON.parse(text).code;
                    // What was signed may still be no event, or have come before.
                    if (!["ok", "event", "replay", "signature"].includes(code)) reject(new Error(`${answer.statusCode} ${text}`));
                    resolve(code !== "signature");
                });
            });
        request.on("error", reject);
        request.end(body);
    });
}

const ours = how === "http" ? byHttp : byCommand;
let same = 0, good = 0;
async function hold(what, body, header, secrets, at, want) {
    // HTTP takes blanks off the ends of a value, there too.
    if (how === "http") header = header.trim();
    const there = theirs(body, header, secrets, at), here = await ours(body, header, secrets, at);
    if (there !== here || (want !== undefined && there !== want)) {
        console.error(`${what}: theirs ${there}, ours ${here}, wanted ${want}\n${JSON.stringify(header)}\n${JSON.stringify(body.toString("latin1"))}`);
        process.exit(1);
    }
    same++;
    good += there ? 1 : 0;
}

function sign(body, secret, timestamp, scheme) {
    return stripe.webhooks.generateTestHeaderString({ payload: body.toString(), secret, timestamp, scheme });
}

const event = JSON.parse(fs.readFileSync(file));
let count = 0;
function fresh() {
    return Buffer.from(JSON.stringify({ ...event, id: `evt_${how}${++count}`, created: now() }));
}

async function documented() {
    const both = how === "http" ? [NEW, OLD] : [OLD], at = now(), body = fresh();
    const v1 = (header) => header.slice(header.indexOf("v1="));
    const signed = sign(body, OLD, at);
    // Over HTTP it is their clock and ours; a second may pass.
    const edge = how === "http" ? 295 : 300;
    await hold("as it was signed", body, signed, both, at, true);
    await hold("old enough to be refused", fresh(), sign(body, OLD, at - 400), both, at, false);
    for (const [age, want] of [[edge, true], [edge + (how === "http" ? 10 : 1), false]]) {
        const aged = fresh();
        await hold(`${age} s old`, aged, sign(aged, OLD, at - age), both, at, want);
    }
    const ahead = fresh();
    await hold("of the future", ahead, sign(ahead, OLD, at + 86400), both, at, true);
    await hold("another secret's", body, sign(body, "whsec_nobodysSecretAtAll0", at), both, at, false);
    await hold("another body", Buffer.concat([body, Buffer.from(" ")]), signed, both, at, false);
    await hold("v0 alone", body, sign(body, OLD, at, "v0"), both, at, false);
    await hold("no signature", body, `t=${at}`, both, at, false);
    await hold("no time", body, v1(signed), both, at, false);
    const two = fresh();
    await hold("the second of two", two, `t=${at},v1=${"0".repeat(64)},${v1(sign(two, OLD, at))}`, both, at, true);
    await hold("one that is empty spoils all", body, `${signed},v1=`, both, at, false);
    await hold("in capitals", body, signed.toUpperCase().replace("T=", "t=").replace("V1=", "v1="), both, at, false);
    const several = fresh();
    await hold("under the second of two secrets", several, sign(several, OLD, at), [NEW, OLD], at, true);
    const other = fresh();
    await hold("under the first of them", other, sign(other, NEW, at), [NEW, OLD], at, true);
}

// A generator of one's own: a failure comes again with its seed.
let state = Number(rest[1] ?? 1) >>> 0;
function below(n) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 4294967296) * n);
}
const pick = (list) => list[below(list.length)];

function changedHeader(header) {
    const items = header.split(",");
    switch (below(9)) {
        case 0: return items.reverse().join(",");
        case 1: return items.concat(pick(["v0=0", "t=1", "v1=00", "v1", "", "=", "x=,", "v1==", `v1=${"f".repeat(64)}`])).join(",");
        case 2: return [pick(["v0=0", "t=1", "t", "", "=t", " "])].concat(items).join(",");
        case 3: return header.replace(/t=(\d+)/, (_, t) => "t=" + pick([` ${t}`, `+${t}`, `0${t}`, `${t}.5`, `${t}e3`, `-${t}`, `${t}=1`, `${t}x`, "", "NaN", "9".repeat(30)]));
        case 4: return header.replace(/v1=(\w+)/, (_, v) => "v1=" + pick([`${v}=`, ` ${v}`, `${v} `, v.slice(1), `${v}0`, v.toUpperCase(), ""]));
        default: {
            const at = below(header.length), c = pick([..."t=,v10abcdef -+.9Z~"]);
            return pick([header.slice(0, at) + c + header.slice(at + 1), header.slice(0, at) + c + header.slice(at), header.slice(0, at) + header.slice(at + 1)]);
        }
    }
}

function changedBody(body) {
    const changed = Buffer.from(body), at = below(body.length);
    changed[at] = below(256);
    return pick([changed, body.subarray(0, at), Buffer.concat([body.subarray(0, at), Buffer.from([below(256)]), body.subarray(at)])]);
}

async function random(n) {
    for (let i = 0; i < n; i++) {
        const at = now(), secrets = how === "http" ? [OLD, NEW] : pick([[OLD], [NEW], [OLD, NEW]]);
        let body = fresh(), header = sign(body, pick(secrets), at - below(200));
        if (below(4) === 0) body = changedBody(body);
        for (let k = below(3); k > 0; k--) header = changedHeader(header);
        // Of an empty body there is no signature: theirs says so of a text, but not of bytes.
        if (body.length > 0) await hold(`random ${i}, seed ${rest[1]}`, body, header, secrets, at);
    }
}

if (how === "verify") {
    const [header, secret] = rest;
    const event = stripe.webhooks.constructEvent(fs.readFileSync(file), header, secret);
    console.log(event.id);
} else {
    await documented();
    await random(Number(rest[0]));
    if (good * 10 < same || good * 10 > same * 9) throw new Error(`${good} of ${same} are good: this tells little`);
    console.log(`${same} judged alike, ${good} of them good`);
    agent.destroy();
}
