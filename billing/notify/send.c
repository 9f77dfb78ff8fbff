#include "billing/notify/send.h"

#include <inttypes.h>
#include <stdio.h>

#include "billing/notify/message.h"
#include "store/base/base64.h"
#include "store/base/hash.h"

enum { ANSWER_BYTES_MAX = 64 * 1024, HEADER_BYTES = 128, SIGNATURES_BYTES = 512, GONE = 410 };

static enum err_code
full(struct err *err)
{
    return err_set(err, ERR_LIMIT, "no memory for a message");
}

enum err_code
send_sign(const struct notify_destination *destination, const char *id, int64_t timestamp_s,
          struct bytes body, struct buf *text, struct err *err)
{
    struct buf signed_text;
    uint8_t digest[HASH_SHA256_BYTES];
    char encoded[HASH_SHA256_BYTES * 2];
    buf_init(&signed_text, 2 * MESSAGE_BYTES_MAX);
    bool ok = buf_printf(&signed_text, "%s.%" PRId64 ".", id, timestamp_s) &&
              buf_append(&signed_text, body.data, body.size_bytes);
    for (size_t i = 0; ok && i < destination->secret_count; i++) {
        const struct bytes key = {destination->secrets[i].key, destination->secrets[i].key_bytes};
        const struct bytes all = {signed_text.data, signed_text.size_bytes};
        hash_hmac_sha256(key, &all, 1, digest);
        base64_encode((struct bytes){digest, sizeof digest}, encoded);
        ok = buf_printf(text, "%sv1,%s", i > 0 ? " " : "", encoded);
    }
    buf_clear(&signed_text);
    return ok ? ERR_OK : full(err);
}

static void
judge_status(const struct net_answer *answer, struct send_outcome *out)
{
    out->delivered = answer->status >= 200 && answer->status < 300;
    out->gone = answer->status == GONE;
    out->retry_after_s = answer->retry_after_s;
    snprintf(out->says, sizeof out->says, "HTTP %ld%s", answer->status,
             answer->status >= 300 && answer->status < 400 ? " (redirects are not followed)" : "");
}

/* Whatever went wrong on the way, another try may go well. */
static void
judge_failure(const struct err *failure, struct send_outcome *out)
{
    *out = (struct send_outcome){0};
    snprintf(out->says, sizeof out->says, "%s", failure->text);
}

static void
post(const struct send *s, struct bytes body, const char *const *headers, struct send_outcome *out)
{
    struct net_request r = {.method = "POST",
                            .url = s->destination->address,
                            .allow = notify_conf_allow(s->conf),
                            .body = body,
                            .answer_bytes_max = ANSWER_BYTES_MAX};
    struct net_answer answer = {0};
    struct err failure;
    for (size_t i = 0; headers[i] != NULL; i++)
        r.headers[i] = headers[i];
    if (net_http(s->net, &r, &answer, &failure) == ERR_OK)
        judge_status(&answer, out);
    else
        judge_failure(&failure, out);
    buf_clear(&answer.body);
}

static enum err_code
send_webhook(const struct send *s, struct bytes body, struct send_outcome *out, struct err *err)
{
    char id[HEADER_BYTES], timestamp[HEADER_BYTES], idempotency[HEADER_BYTES];
    struct buf signature;
    int64_t now_s = s->now_ms / 1000;
    snprintf(id, sizeof id, "webhook-id: %s", s->key);
    snprintf(idempotency, sizeof idempotency, "Idempotency-Key: %s", s->key);
    snprintf(timestamp, sizeof timestamp, "webhook-timestamp: %" PRId64, now_s);
    buf_init(&signature, SIGNATURES_BYTES);
    enum err_code code = buf_printf(&signature, "webhook-signature: ") ? ERR_OK : full(err);
    if (code == ERR_OK)
        code = send_sign(s->destination, s->key, now_s, body, &signature, err);
    if (code == ERR_OK && !buf_append(&signature, "", 1))
        code = full(err);
    const char *const headers[] = {"Content-Type: application/json", id,  idempotency, timestamp,
                                   (const char *)signature.data,     NULL};
    if (code == ERR_OK)
        post(s, body, headers, out);
    buf_clear(&signature);
    return code;
}

static void
send_mail(const struct send *s, struct bytes message, struct send_outcome *out)
{
    const struct notify_smtp *smtp = notify_conf_smtp(s->conf);
    const struct net_mail mail = {.host = smtp->host,
                                  .port = smtp->port,
                                  .security = smtp->security,
                                  .user = smtp->user,
                                  .password = smtp->password,
                                  .from = smtp->from,
                                  .to = s->destination->address,
                                  .message = message};
    struct err failure;
    if (net_mail(s->net, &mail, &failure) != ERR_OK) {
        judge_failure(&failure, out);
        return;
    }
    out->delivered = true;
    snprintf(out->says, sizeof out->says, "taken by %.100s", smtp->host);
}

static enum err_code
make_body(const struct send *s, struct buf *body, struct err *err)
{
    const struct notify_smtp *smtp = notify_conf_smtp(s->conf);
    const struct message_mail mail = {.from = smtp->from,
                                      .from_name = smtp->from_name,
                                      .to = s->destination->address,
                                      .key = s->key};
    switch (s->destination->kind) {
    case NOTIFY_EMAIL:
        return message_mail(s->about, &mail, body, err);
    case NOTIFY_SLACK:
        return message_slack(s->about, body, err);
    default:
        return message_webhook(s->about, body, err);
    }
}

enum err_code
send_message(const struct send *send, struct send_outcome *ret, struct err *err)
{
    static const char *const slack_headers[] = {"Content-Type: application/json", NULL};
    struct send_outcome out = {0};
    struct buf body;
    buf_init(&body, MESSAGE_BYTES_MAX);
    enum err_code code = make_body(send, &body, err);
    const struct bytes bytes = {body.data, body.size_bytes};
    if (code == ERR_OK && send->destination->kind == NOTIFY_EMAIL)
        send_mail(send, bytes, &out);
    else if (code == ERR_OK && send->destination->kind == NOTIFY_SLACK)
        post(send, bytes, slack_headers, &out);
    else if (code == ERR_OK)
        code = send_webhook(send, bytes, &out, err);
    buf_clear(&body);
    if (code == ERR_OK)
        *ret = out;
    return code;
}
