#!/usr/bin/env bash
# gbill tokens against npm's tiktoken, id for id; and what a person does with it.
#   TOKENS_STRINGS (made-up texts), TOKENS_MB (of files), TOKENS_STEP (of characters), SEED: for each of
#   the encodings; ./dev soak takes a million, 50 and 1
. "$(dirname "$0")/lib.sh"
begin tiktoken
strings=${TOKENS_STRINGS:-3000} megabytes=${TOKENS_MB:-1} step=${TOKENS_STEP:-400} seed=${SEED:-1}
encodings=$bin/encodings.bin
npm_dir=$bin/npm-tokens
if [ ! -d "$npm_dir/node_modules/tiktoken" ]; then
    mkdir -p "$npm_dir"
    npm install --loglevel error --no-audit --no-fund --fetch-retries 1 --prefix "$npm_dir" tiktoken@1.0.22 >/dev/null ||
        fail "npm cannot install tiktoken into $npm_dir; this test needs npm's registry"
fi
judge() { node tests/support/tokens_judge.mjs "$bin/tests/tokens_probe" "$1" "$npm_dir/node_modules" "${@:2}"; }

# Text of every machine: our own, Debian's, npm's; in an order that mixes them.
find README.md schemas tests/data store /usr/share/doc /usr/share/perl /usr/share/common-licenses /usr/share/i18n /usr/share/X11/locale \
    /usr/share/postgresql /usr/include /usr/lib/python3* "$npm_dir/node_modules" -type f -size +1k -size -3M \
    ! -name '*.gz' ! -name '*.pyc' ! -name '*.wasm' 2>/dev/null | awk '{print (NR * 7919) % 10007, $0}' | sort -n | cut -d' ' -f2- >"$dir/files"
for name in o200k_base cl100k_base p50k_base r50k_base; do
    judge "$encodings" "$name" made-up "$strings" "$seed" || fail "$name, seed $seed"
    judge "$encodings" "$name" points "$step" || fail "$name"
    judge "$encodings" "$name" files "$megabytes" <"$dir/files" || fail "$name"
done

# The judge notices one character that is in another class.
cp -r "${GBILL_RANKS:-build/ranks}" "$dir/ranks"
compile() { gbill tokens compile --ranks "$dir/ranks" --book schemas/encodings.json -o "$dir/e.bin" "$@"; }
sed 's/0061-007A:L/0061-0077:L 0078-0078:N 0079-007A:L/' schemas/unicode.txt >"$dir/unicode.txt"
compile --unicode "$dir/unicode.txt"
! judge "$dir/e.bin" o200k_base made-up 500 1 >"$dir/said" || fail "the judge takes x for a number"
compile
cmp "$dir/e.bin" "$encodings" || fail "the encodings file is not a function of the rank files"

# One rank less is not OpenAI's file.
sed -i '$d' "$dir/ranks/r50k_base.tiktoken"
expect 7 'r50k_base.tiktoken has the SHA-256 [0-9a-f]{64}, and OpenAI' compile
cmp -s "$dir/e.bin" "$encodings" || fail "a failed compilation changed the file"
rm "$dir/ranks/r50k_base.tiktoken"
expect 6 'r50k_base.tiktoken' compile

# By hand.
printf "Hello, world! don't <|endoftext|>" >"$dir/text"
same "$(gbill tokens count --model gpt-4o "$dir/text")" 12 "tokens of gpt-4o"
same "$(gbill tokens count --model gpt-4o-2024-08-06 <"$dir/text")" 12 "tokens of stdin"
same "$(gbill tokens count --model gpt-4o --special allow "$dir/text")" 7 "with the special token"
expect 4 'byte 20 begins the special token <\|endoftext\|>' gbill tokens count --model gpt-4o --special refuse "$dir/text"
expect 2 'special "x" is none of' gbill tokens count --model gpt-4o --special x "$dir/text"
gbill tokens encode --encoding o200k_base --special allow "$dir/text" >"$dir/ids"
gbill tokens decode --encoding o200k_base "$dir/ids" | cmp - "$dir/text" || fail "decoded, it is another text"
gbill tokens encode --encoding o200k_base --json "$dir/text" | gbill tokens decode --model gpt-4o | cmp - "$dir/text" ||
    fail "decoded from JSON, it is another text"
expect 4 '"?200001"? is no token of o200k_base' gbill tokens decode --encoding o200k_base <<<"1 200001"
expect 4 'byte 2 is no part of a list of ids' gbill tokens decode --encoding o200k_base <<<"1 x"
: >"$dir/empty"
same "$(gbill tokens count --encoding cl100k_base "$dir/empty")" 0 "tokens of nothing"
gbill tokens count --encoding cl100k_base --json "$dir/text" "$dir/empty" | python3 -c '
import json, sys
rows = json.load(sys.stdin)
assert [r["tokens"] for r in rows] == [12, 0] and rows[0]["by"] == "exact" and rows[0]["bytes"] == 33, rows'

# A chat is its texts and what is around them (schemas/encodings.json).
cat >"$dir/chat.json" <<'JSON'
[{"role": "system", "content": "You write grant proposals."},
 {"role": "user", "name": "ada", "content": [{"type": "text", "text": "Write "}, {"type": "text", "text": "one."}]}]
JSON
texts=0
for text in system "You write grant proposals." user ada "Write one."; do
    texts=$((texts + $(printf %s "$text" | gbill tokens count --model gpt-4)))
done
same "$(gbill tokens count --chat --model gpt-4 "$dir/chat.json")" $((texts + 2 * 3 + 1 + 3)) "a chat"
same "$(gbill tokens count --chat --model gpt-3.5-turbo-0301 "$dir/chat.json")" $((texts + 2 * 4 - 1 + 3)) "a chat of 2023"
expect 2 'chat needs --model, of a model that chats' gbill tokens count --chat --model text-embedding-3-small "$dir/chat.json"
expect 4 'message 0 has no role' gbill tokens count --chat --model gpt-4 <<<'[{"content": "x"}]'
expect 4 'content\[0\] is no text; images' gbill tokens count --chat --model gpt-4 <<<'[{"role": "user", "content": [{"type": "image_url"}]}]'
expect 4 'no JSON array of messages' gbill tokens count --chat --model gpt-4 <<<'{}'

# What is not there, or not public, or not whole.
expect 2 'give --model or --encoding' gbill tokens count "$dir/text"
expect 6 'no encoding "x"; gbill tokens encodings' gbill tokens count --encoding x "$dir/text"
expect 6 'tokenizer of claude-opus-4-1 is not public' gbill tokens encode --model claude-opus-4-1 "$dir/text"
expect 6 'no encodings file .*/none; ./dev build makes it' gbill tokens count --encodings "$dir/none" --model gpt-4o "$dir/text"
expect 12 'text is no encodings file' gbill tokens count --encodings "$dir/text" --model gpt-4o "$dir/text"
head -c 1000000 "$encodings" >"$dir/short"
expect 12 'short is damaged or of another version' gbill tokens count --encodings "$dir/short" --model gpt-4o "$dir/text"
cp "$encodings" "$dir/changed"
printf x | dd of="$dir/changed" bs=1 seek=20000000 conv=notrunc 2>/dev/null
same "$(gbill tokens count --encodings "$dir/changed" --model gpt-4o "$dir/text")" 12 "another encoding is whole"
for name in cl100k_base p50k_base r50k_base; do
    gbill tokens count --encodings "$dir/changed" --encoding "$name" "$dir/text" >/dev/null 2>"$dir/err" || break
done
grep -q 'is damaged in its file' "$dir/err" || fail "a changed byte was not noticed: $(cat "$dir/err")"
expect 6 'nowhere' gbill tokens count --model gpt-4o "$dir/nowhere"
echo "tokens: as tiktoken counts them"
