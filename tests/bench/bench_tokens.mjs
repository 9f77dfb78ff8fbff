// The same text by npm's tokenizers: node bench_tokens.mjs NODE_MODULES ENCODING TEXT_FILE GBILL_TOKENS_PER_S
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const [modules, name, path, gbill] = process.argv.slice(2);
const require = createRequire(join(modules, "x.js"));
const text = readFileSync(path, "utf8");
const bytes = Buffer.byteLength(text);

function best(label, rounds, count, goal) {
  let least = Infinity, tokens = 0;
  for (let i = 0; i < rounds; i++) {
    const from = process.hrtime.bigint();
    tokens = count();
    const s = Number(process.hrtime.bigint() - from) / 1e9;
    if (s < least) least = s;
  }
  const rate = tokens / least;
  console.log(`  ${label.padEnd(23)} ${(bytes / least / 1e6).toFixed(1).padStart(8)} MB/s   ${(rate / 1e6).toFixed(2).padStart(6)} M tokens/s   gbill is ${(gbill / rate).toFixed(1)} times as fast (goal: ${goal})`);
}

const encoding = require("tiktoken").get_encoding(name);
best("npm tiktoken", 2, () => encoding.encode(text, [], []).length, 15);
const { countTokens } = require(`gpt-tokenizer/encoding/${name}`);
// Warm: the first rounds fill its cache.
best("npm gpt-tokenizer, warm", 4, () => countTokens(text, { disallowedSpecial: new Set() }), 7);
