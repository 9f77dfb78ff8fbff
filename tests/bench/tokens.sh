#!/usr/bin/env bash
# ./dev bench tokens [ENCODING]: gbill beside npm's tokenizers on documentation, in one run.
set -euo pipefail
dir=$1 name=${2:-o200k_base}
bin=${GBILL_BIN:?}
npm_dir=$bin/npm-bench
if [ ! -d "$npm_dir/node_modules/gpt-tokenizer" ]; then
    mkdir -p "$npm_dir"
    npm install --loglevel error --no-audit --no-fund --prefix "$npm_dir" tiktoken@1.0.22 gpt-tokenizer@4.0.0 >/dev/null ||
        { echo "npm cannot install tiktoken and gpt-tokenizer into $npm_dir; this needs npm's registry" >&2; exit 1; }
fi
# Manuals, readmes and licences of this machine, 8 MB at most; UTF-8.
{ find README.md schemas /usr/share/doc /usr/share/perl /usr/share/common-licenses "$npm_dir" -type f -size +2k \
    \( -name '*.md' -o -name '*.pod' -o -name '*.txt' -o -name 'README*' -o -path '*licenses/*' \) ! -name '*.gz' -print0 2>/dev/null |
    sort -z | xargs -0 cat || true; } | iconv -c -f UTF-8 -t UTF-8 2>/dev/null | head -c 8000000 | iconv -c -f UTF-8 -t UTF-8 >"$dir/text" || true
"$bin/tests/bench_tokens" "$bin/encodings.bin" "$name" "$dir/text" >"$dir/said"
rate=$(awk '/^gbill_tokens_per_s/ {print $2}' "$dir/said")
sed '/^gbill_tokens_per_s/d; /^  1 MB/,$d' "$dir/said"
node tests/bench/bench_tokens.mjs "$npm_dir/node_modules" "$name" "$dir/text" "$rate"
sed -n '/^  1 MB/,$p' "$dir/said" | sed '/^gbill_tokens_per_s/d'
