// Write OpenAI's rank files from what npm's tiktoken carries: node ranks.mjs TIKTOKEN_FOLDER OUT NAME...
// Its form: lines of "! FIRST_ID TOKEN TOKEN ...", tokens in base64.  The result is the published form, a
// line "TOKEN ID" each; gbill tokens compile holds it against OpenAI's SHA-256.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const [folder, out, ...names] = process.argv.slice(2);
mkdirSync(out, { recursive: true });
for (const name of names) {
  const { bpe_ranks } = JSON.parse(readFileSync(join(folder, "encoders", `${name}.json`), "utf8"));
  const lines = bpe_ranks.split("\n").flatMap((line) => {
    const [, first, ...tokens] = line.split(" ");
    return tokens.map((token, i) => `${token} ${Number(first) + i}\n`);
  });
  writeFileSync(join(out, `${name}.tiktoken`), lines.join(""));
}
