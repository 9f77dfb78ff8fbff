# tests/e2e/lib_stripe.sh - the double of Stripe, for scripts that have sourced lib.sh.
#
#   stripe_packages    npm's stripe and typescript into $npm_dir, once
#   double_start       start it: $double is its port, $dir/stripe.log its log; gbill is told where
#   admin NAME [JSON]  have it do that; its answer is printed
#   field NAME         of an answer of it on stdin
#   object KEY         the id of the one object with that gbill_key
#   agree [NUMBER...]  gbill and the double agree, but for these invoices; or fail

stripe_packages() {
    npm_dir=$bin/npm-stripe
    [ ! -f "$npm_dir/ready" ] || return 0
    mkdir -p "$npm_dir"
    npm install --loglevel error --no-audit --no-fund --fetch-retries 1 --prefix "$npm_dir" stripe@23.1.0 typescript@5.9.3 >/dev/null ||
        fail "npm cannot install stripe and typescript into $npm_dir; this test needs npm's registry"
    touch "$npm_dir/ready"
}

double_start() {
    tests/support/stripe_server.py "$dir/stripe.log" "$dir/stripe.port" "${1:-1}" 2>"$dir/stripe.err" &
    children="$children $!"
    wait_for "$dir/stripe.port"
    double=$(cat "$dir/stripe.port")
    export STRIPE_SECRET_KEY=sk_test_double STRIPE_API_BASE=http://127.0.0.1:$double
}

admin() {
    local body=${2:-}
    curl -sf --data-binary "${body:-"{}"}" "http://127.0.0.1:$double/admin/$1" ||
        fail "admin $1 $body: $(curl -s --data-binary "${body:-"{}"}" "http://127.0.0.1:$double/admin/$1")"
}

field() { sed -n "s/^  \"$1\": \"\{0,1\}\([^\",]*\)\"\{0,1\},\{0,1\}\$/\1/p"; }

object() { admin find "{\"key\": \"$1\"}" | field id; }

agree() {
    local number
    mkdir -p "$dir/lines"
    gbill invoice list --json >"$dir/invoices.json"
    for number in $(sed -n 's/.*"number":\([0-9]*\),.*/\1/p' "$dir/invoices.json"); do
        # Lines of a final one never change.
        [ -e "$dir/lines/$number.json" ] || gbill invoice show --number "$number" --json >"$dir/lines/$number.json"
    done
    tests/support/stripe_agree.py "$double" "$dir/invoices.json" "$dir/lines" ${1:+--but "$@"} >"$dir/agreed" ||
        fail "gbill and Stripe disagree: $(cat "$dir/agreed")"
    [ ! -s "$dir/stripe.err" ] || fail "the double: $(tail -5 "$dir/stripe.err")"
}
