#include "reports/api/post_stripe.h"

#include <inttypes.h>

#include "reports/api/parcel.h"
#include "store/base/hash.h"
#include "store/base/log.h"
#include "store/event/stripe_event.h"
#include "store/event/stripe_object.h"

static void
refuse(const struct api_request *request, struct answer *answer, enum post_stripe_reason reason,
       const char *code, const char *detail, const char *remedy)
{
    request->stripe->refused[reason]++;
    answer_problem(answer, 400, code, detail, remedy);
}

/* Who cannot sign is told nothing that could help him to. */
static void
refuse_signature(const struct api_request *request, struct answer *answer,
                 enum stripe_sign_verdict verdict)
{
    bool stale = verdict == STRIPE_SIGN_STALE;
    if (stale)
        log_line(LOG_LEVEL_WARN, "stripe_stale",
                 "hint=\"a delivery of more than %d s ago: it was sent by somebody who caught it, "
                 "or this machine's clock is ahead\"",
                 STRIPE_SIGN_TOLERANCE_S);
    refuse(request, answer, stale ? POST_STRIPE_STALE : POST_STRIPE_SIGNATURE, "signature",
           "the signature does not hold",
           "give gbill api the endpoint's own secret in " STRIPE_SIGN_ENV
           ", and let the body through unchanged");
}

/* Was just this accepted before?  The answer does not hang on which of its signatures it brings. */
static bool
find_repeat(const struct api_request *request, int64_t at_s, struct repeat *ret)
{
    char text[HASH_SHA256_TEXT_BYTES], key[HASH_SHA256_TEXT_BYTES + 32];
    uint8_t digest[HASH_SHA256_BYTES];
    hash_sha256(&request->body, 1, digest);
    hash_hex(digest, sizeof digest, text);
    snprintf(key, sizeof key, "stripe/%" PRId64 "/%s", at_s, text);
    /* No organization has an empty name, so this is nobody's Idempotency-Key. */
    return repeats_find(request->repeats, "", key, (struct bytes){NULL, 0},
                        clock_now_ms(request->clock), ret) != REPEAT_NEW;
}

static void
refuse_event(const struct api_request *request, struct answer *answer, const char *why)
{
    log_line(LOG_LEVEL_WARN, "stripe_refused",
             "reason=\"%s\" body_bytes=%zu hint=\"signed by Stripe, but nothing that can be kept\"",
             why, request->body.size_bytes);
    refuse(request, answer, POST_STRIPE_EVENT, "event", why,
           "send events of API version 2026-10-28.endive as snapshots; schemas/stripe.md");
}

static enum err_code
add_event(const struct api_request *request, struct answer *answer, struct err *err)
{
    struct stripe_event e;
    struct event_defect defect;
    struct err why;
    enum err_code code = stripe_event_read(request->body, &e, &why);
    if (code == ERR_INPUT) {
        refuse_event(request, answer, why.text);
        return ERR_OK;
    }
    if (code != ERR_OK)
        return err_set(err, code, "%s", why.text);
    bool ok = parcel_add(request->parcel, EVENT_STRIPE, e.record, e.id, e.organization,
                         clock_now_ms(request->clock), &defect);
    if (ok) {
        request->receipt->any = true;
        request->receipt->known = stripe_type_matters(e.type);
        fputs("{\"received\":true}\n", answer->out);
    } else
        refuse_event(request, answer, defect.text);
    log_decision("stripe_told",
                 "id=\"%.*s\" type=\"%.*s\" organization=\"%s\" created=%" PRId64
                 " known=%s kept=%s why=\"%s\"",
                 STR_ARG(e.id), STR_ARG(e.type), e.organization, e.created_s,
                 stripe_type_matters(e.type) ? "yes" : "no", ok ? "yes" : "no",
                 ok ? "signed and understood" : defect.text);
    stripe_event_clear(&e);
    return ERR_OK;
}

enum err_code
post_stripe(const struct api_request *request, struct answer *answer, struct err *err)
{
    const char *header = request->header(request->context, STRIPE_SIGN_HEADER);
    int64_t now_ms = clock_now_ms(request->clock), at_s = 0;
    if (request->stripe->secrets == NULL || request->stripe->secrets->count == 0) {
        answer_problem(answer, 503, "not_configured", "no webhook of Stripe's is set up here",
                       "give gbill api the endpoint's secret in " STRIPE_SIGN_ENV);
        return ERR_OK;
    }
    enum stripe_sign_verdict verdict = stripe_sign_verify(request->stripe->secrets,
                                                          str_of(header != NULL ? header : ""),
                                                          request->body, now_ms / 1000, &at_s);
    log_decision("stripe_signature", "verdict=%s at=%" PRId64 " now=%" PRId64 " body_bytes=%zu",
                 stripe_sign_verdict_name(verdict), at_s, now_ms / 1000, request->body.size_bytes);
    if (verdict != STRIPE_SIGNED) {
        refuse_signature(request, answer, verdict);
        return ERR_OK;
    }
    if (find_repeat(request, at_s, &request->receipt->repeat)) {
        log_line(LOG_LEVEL_WARN, "stripe_replay",
                 "at=%" PRId64 " hint=\"just this delivery was accepted before\"", at_s);
        refuse(request, answer, POST_STRIPE_REPLAY, "replay",
               "just this delivery was accepted before",
               "nothing: what it says is stored; Stripe signs each attempt anew");
        return ERR_OK;
    }
    return add_event(request, answer, err);
}

void
post_stripe_settle(struct post_stripe *stripe, struct repeats *repeats,
                   const struct post_stripe_receipt *receipt, bool stored)
{
    if (!receipt->any)
        return;
    if (!stored) {
        stripe->refused[POST_STRIPE_UNSENT]++;
        return;
    }
    repeats_add(repeats, &receipt->repeat);
    if (receipt->known)
        stripe->known++;
    else
        stripe->other++;
}

void
post_stripe_print(const struct post_stripe *stripe, FILE *out)
{
    static const char *const reasons[POST_STRIPE_REASONS] = {
        [POST_STRIPE_SIGNATURE] = "signature", [POST_STRIPE_STALE] = "stale",
        [POST_STRIPE_REPLAY] = "replay",       [POST_STRIPE_EVENT] = "event",
        [POST_STRIPE_UNSENT] = "unsent",
    };
    fprintf(
        out,
        "# HELP gbill_api_stripe_accepted_total Events of Stripe's webhook that are with the agent; "
        "known: of a type that something follows from.\n"
        "# TYPE gbill_api_stripe_accepted_total counter\n"
        "gbill_api_stripe_accepted_total{type=\"known\"} %" PRIu64 "\n"
        "gbill_api_stripe_accepted_total{type=\"other\"} %" PRIu64 "\n"
        "# HELP gbill_api_stripe_refused_total Deliveries that were not accepted.\n"
        "# TYPE gbill_api_stripe_refused_total counter\n",
        stripe->known, stripe->other);
    for (int i = 0; i < POST_STRIPE_REASONS; i++)
        fprintf(out, "gbill_api_stripe_refused_total{reason=\"%s\"} %" PRIu64 "\n", reasons[i],
                stripe->refused[i]);
}
