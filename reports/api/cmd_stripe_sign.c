#include <inttypes.h>
#include <stdio.h>

#include "reports/cmd.h"
#include "store/base/buf.h"
#include "store/base/time.h"
#include "store/event/stripe_event.h"
#include "store/net/stripe_sign.h"

static const struct conf_opt sign_opts[] = {
    {"at", NULL, CONF_TEXT, "TIME", 0, 0, NULL, false, "when it is signed (default: now)"},
};

static const struct conf_opt verify_opts[] = {
    {"header", NULL, CONF_TEXT, "VALUE", 0, 0, NULL, false,
     "what came in " STRIPE_SIGN_HEADER ", t=…,v1=…"},
    {"at", NULL, CONF_TEXT, "TIME", 0, 0, NULL, false, "when it came (default: now)"},
    CONF_ROW_JSON,
};

/* Bytes as they come: a line's end belongs to what is signed. */
static enum err_code
read_body(struct buf *body, struct err *err)
{
    if (!buf_reserve(body, STRIPE_EVENT_BODY_BYTES_MAX + 1))
        return err_set(err, ERR_LIMIT, "no memory");
    body->size_bytes = fread(body->data, 1, STRIPE_EVENT_BODY_BYTES_MAX + 1, stdin);
    if (ferror(stdin))
        return err_set(err, ERR_IO, "stdin cannot be read");
    if (body->size_bytes > STRIPE_EVENT_BODY_BYTES_MAX)
        return err_set(err, ERR_LIMIT, "stdin has over %d bytes", STRIPE_EVENT_BODY_BYTES_MAX);
    return ERR_OK;
}

static enum err_code
read_time(struct cli *cli, int64_t *ret_s, struct err *err)
{
    const char *text = conf_text(&cli->conf, "at");
    int64_t ms = clock_now_ms(&cli->clock);
    if (text != NULL && !time_parse(str_of(text), &ms))
        return err_set(err, ERR_USAGE, "--at must be a time such as 2026-11-24T08:15:30Z");
    *ret_s = ms / 1000;
    return ERR_OK;
}

/* What both need: the secrets, the time, the body. */
static enum err_code
begin(struct cli *cli, struct stripe_sign_secrets *secrets, int64_t *at_s, struct buf *body,
      struct err *err)
{
    *secrets = (struct stripe_sign_secrets){.count = 0};
    buf_init(body, STRIPE_EVENT_BODY_BYTES_MAX + 1);
    enum err_code code = stripe_sign_take(secrets, err);
    if (code == ERR_OK && secrets->count == 0)
        code = err_set(err, ERR_CONFIG,
                       STRIPE_SIGN_ENV " is not set; Stripe shows it where the endpoint is set up");
    if (code == ERR_OK)
        code = read_time(cli, at_s, err);
    return code == ERR_OK ? read_body(body, err) : code;
}

static enum err_code
run_sign(struct cli *cli, struct err *err)
{
    struct stripe_sign_secrets secrets;
    struct buf body;
    char header[STRIPE_SIGN_TEXT_BYTES];
    int64_t at_s = 0;
    enum err_code code = begin(cli, &secrets, &at_s, &body, err);
    if (code == ERR_OK) {
        stripe_sign_make(&secrets, (struct bytes){body.data, body.size_bytes}, at_s, header);
        puts(header);
    }
    buf_clear(&body);
    stripe_sign_clear(&secrets);
    return code;
}

static const char *
say(enum stripe_sign_verdict verdict)
{
    static const char *const words[STRIPE_SIGN_VERDICTS] = {
        [STRIPE_SIGNED] = "it is signed",
        [STRIPE_SIGN_NO_BODY] = "there is no body on stdin",
        [STRIPE_SIGN_NO_HEADER] = "the header is empty",
        [STRIPE_SIGN_MALFORMED] = "the header is none: t=SECONDS,v1=HEX is wanted",
        [STRIPE_SIGN_NO_V1] = "the header has no v1",
        [STRIPE_SIGN_MISMATCH] = "no v1 is this body's, at this time, under a secret that is set",
        [STRIPE_SIGN_STALE] = "it is signed, but more than 300 s ago",
    };
    return words[verdict];
}

static enum err_code
run_verify(struct cli *cli, struct err *err)
{
    struct stripe_sign_secrets secrets;
    struct buf body;
    int64_t now_s = 0, at_s;
    const char *header = conf_text(&cli->conf, "header");
    if (header == NULL)
        return err_set(err, ERR_USAGE, "--header is missing: what came in " STRIPE_SIGN_HEADER);
    enum err_code code = begin(cli, &secrets, &now_s, &body, err);
    if (code == ERR_OK) {
        enum stripe_sign_verdict verdict = stripe_sign_verify(
            &secrets, str_of(header), (struct bytes){body.data, body.size_bytes}, now_s, &at_s);
        const char *name = stripe_sign_verdict_name(verdict);
        if (conf_flag(&cli->conf, "json"))
            printf("{\"signed\":%s,\"verdict\":\"%s\"}\n",
                   verdict == STRIPE_SIGNED ? "true" : "false", name);
        else
            puts(name);
        if (verdict != STRIPE_SIGNED)
            code = err_set(err, ERR_DENIED, "%s", say(verdict));
    }
    buf_clear(&body);
    stripe_sign_clear(&secrets);
    return code;
}

const struct cli_cmd cmd_stripe_sign = {
    .name = "stripe sign",
    .args = "",
    .opts = sign_opts,
    .opt_count = CLI_COUNT(sign_opts),
    .run = run_sign,
    .summary = "sign what comes on stdin as Stripe signs what it sends to a webhook",
    .help = "Prints the value of " STRIPE_SIGN_HEADER ", by the secret in " STRIPE_SIGN_ENV " (of\n"
            "several one v1 each), to try the webhook of gbill api by hand:\n"
            "\n"
            "  curl -i -H \"" STRIPE_SIGN_HEADER ": $(gbill stripe sign <event.json)\" \\\n"
            "      --data-binary @event.json http://127.0.0.1:8080/api/billing/stripe/webhook\n"
            "\n"
            "Every byte counts, a newline at the end too.\n",
};

const struct cli_cmd cmd_stripe_verify = {
    .name = "stripe verify",
    .args = "",
    .opts = verify_opts,
    .opt_count = CLI_COUNT(verify_opts),
    .run = run_verify,
    .summary = "say whether what comes on stdin is what Stripe signed",
    .help =
        "Prints the verdict: signed, no_body, no_header, malformed, no_v1, mismatch or stale; the\n"
        "exit status is 0 when it is signed, else 9.  It is the judgement of the webhook of gbill\n"
        "api, which tells nobody why it refuses:\n"
        "\n"
        "  gbill stripe verify --header 't=1796000000,v1=…' <body\n"
        "\n"
        "Nothing is stored, and the secrets are those in " STRIPE_SIGN_ENV ".\n",
};
