// Hold gbill's tokens against npm's tiktoken, id for id.
//   node tokens_judge.mjs PROBE ENCODINGS NODE_MODULES ENCODING points STEP
//   node tokens_judge.mjs PROBE ENCODINGS NODE_MODULES ENCODING made-up COUNT [SEED]
//   node tokens_judge.mjs PROBE ENCODINGS NODE_MODULES ENCODING files MEGABYTES <LIST_OF_FILES
// Prints how much was compared; exits with 1 at the first difference, which it shows.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const [probe, encodings, modules, name, task, ...rest] = process.argv.slice(2);
const { get_encoding } = createRequire(join(modules, "x.js"))("tiktoken");
const judge = get_encoding(name);

let texts = [], held = 0, compared = { texts: 0, bytes: 0, tokens: 0 };

function compare() {
  const parts = [];
  for (const text of texts) {
    const size = Buffer.alloc(4);
    size.writeUInt32LE(text.length);
    parts.push(size, text);
  }
  const run = spawnSync(probe, [encodings, name], { input: Buffer.concat(parts), maxBuffer: 2 ** 31 });
  if (run.status !== 0) throw new Error(`tokens_probe: ${run.stderr || run.error || run.signal}`);
  const out = run.stdout;
  let at = 0;
  for (const text of texts) {
    const ours = [];
    for (let n = out.readUInt32LE(at); n > 0; n--) ours.push(out.readUInt32LE((at += 4)));
    at += 4;
    const theirs = judge.encode(text.toString("utf8"), [], []);
    compared.tokens += theirs.length;
    if (theirs.length === ours.length && ours.every((id, i) => id === theirs[i])) continue;
    const i = ours.findIndex((id, k) => id !== theirs[k]);
    console.log(`${name}: token ${i} of ${JSON.stringify(text.toString("utf8").slice(0, 300))} (${text.subarray(0, 100).toString("hex")})`);
    console.log(`ours ${ours.slice(i, i + 8)} of ${ours.length}, theirs ${theirs.slice(i, i + 8)} of ${theirs.length}`);
    process.exit(1);
  }
  if (at !== out.length) throw new Error("tokens_probe wrote more than was asked");
  compared.texts += texts.length;
  compared.bytes += held;
  texts = [];
  held = 0;
}

function add(text) {
  texts.push(text);
  held += text.length;
  if (held > 1 << 25 || texts.length >= 50000) compare();
}

// Every STEPth character or so, among neighbours that tell the classes apart.
function points(step) {
  for (let c = 0; c < 0x110000; c += 1 + below(2 * step - 1)) {
    if (c >= 0xd800 && c < 0xe000) continue;
    const x = String.fromCodePoint(c);
    add(Buffer.from(`a${x}b ${x}${x}B${x}\u00c4${x}d'${x}s '${x} 1${x}2\n${x}\n ${x} \u4e2d${x}E !${x}! ${x}`));
  }
}

// xorshift: the same strings from the same seed.
let state = 1;
function below(n) {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) % n;
}

const words = ["the", "Grant", "proposal", "'s", "'S", "'ll", "'LL", "don't", "I'M", "'\u017f", "\u017f", "HTTPRequest", "x1", "2024", "1234567", " ", "  ", "    ", "\n", "\r\n", "\n\n", " \n", "\t", "\u00a0", "\u3000", "\u2028", "://", "/", "//\n", "...", "!?", "-", "_", "{", "}", "()", "\u4e2d\u6587", "\u65e5\u672c\u8a9e", "\ud55c\uad6d", "\u05e9\u05dc\u05d5\u05dd", "\u0645\u0631\u062d\u0628\u0627", "\u0939\u093f\u0928\u094d\u0926\u0940", "\u0e44\u0e17\u0e22", "na\u0308ive", "e\u0301", "\u0301", "\u01c5", "\u02b0", "\u00df", "\u0130", "\u{1f469}\u200d\u{1f4bb}", "\u{1f1e9}\u{1f1ea}", "\u{1f600}", "\u2460", "\u00bd", "\u0663", "\u216b", "\ufeff", "\u200b", "\u0000", "\u007f", "<|endoftext|>", "<|", "|>", "aaaaaaaa", "ZZZZ", "=====", "\u{10ffff}", "\ufffd"];
const spans = [[0, 0x80], [0x80, 0x800], [0x300, 0x370], [0x370, 0x600], [0x600, 0xe00], [0x1e00, 0x2100], [0x2000, 0x2c00], [0x3000, 0x3100], [0x4e00, 0x9fff], [0xa000, 0xd7ff], [0xe000, 0xffff], [0x10000, 0x20000], [0x1f300, 0x1fb00], [0xe0000, 0xe0200]];

function one_made_up() {
  const parts = [];
  const kind = below(8);
  for (let n = 1 + below(kind === 0 ? 60 : 14); n > 0; n--) {
    const what = kind < 4 ? below(3) : kind;
    if (what === 0) {
      parts.push(Buffer.from(words[below(words.length)]));
    } else if (what === 1) {
      const [low, high] = spans[below(spans.length)];
      const c = low + below(high - low);
      parts.push(Buffer.from(String.fromCodePoint(c)));
    } else if (what === 4) {
      parts.push(Buffer.from([below(256)]));
    } else if (what === 5) {
      const word = Buffer.from(words[below(words.length)]);
      parts.push(below(3) ? word : word.subarray(0, below(word.length + 1)), Buffer.from([0x80 + below(128)]));
    } else if (what === 6) {
      parts.push(Buffer.from(words[below(words.length)].repeat(1 + below(30))));
    } else {
      let letters = "";
      for (let k = 1 + below(12); k > 0; k--) letters += String.fromCharCode((below(5) ? 97 : 65) + below(26));
      parts.push(Buffer.from(letters + (below(2) ? " " : "")));
    }
  }
  return Buffer.concat(parts);
}

// Files, in stretches; tiktoken is quadratic in a long piece, so what has one goes in smaller parts.
function files(megabytes, paths) {
  let left = megabytes * 1e6;
  for (const path of paths) {
    if (left <= 0) break;
    const data = readFileSync(path).subarray(0, 1 << 20);
    if (data.includes(0)) continue; // no text
    for (let at = 0; at < data.length && left > 0; at += 1 << 16) {
      const part = data.subarray(at, at + (1 << 16));
      const step = /[^ \n]{2000}|\s{2000}/.test(part.toString("latin1")) ? 1000 : part.length;
      for (let from = 0; from < part.length; from += step) add(part.subarray(from, from + step));
      left -= part.length;
    }
  }
}

if (task === "points") points(Number(rest[0]));
else if (task === "made-up") {
  state = Number(rest[1] ?? 1);
  for (let n = Number(rest[0]); n > 0; n--) add(one_made_up());
} else files(Number(rest[0]), readFileSync(0, "utf8").split("\n").filter(Boolean));
compare();
console.log(`${name}: ${compared.texts} texts, ${(compared.bytes / 1e6).toFixed(1)} MB, ${compared.tokens} tokens: no difference`);
