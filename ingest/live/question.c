#include "ingest/live/question.h"

#include <assert.h>
#include <string.h>

#include "store/event/event.h"

static const char tag[] = "gbill.live";
static const char no_bound[] = "maxTokens is no whole number in tokens to 10^12";

bool
question_is(struct bytes m)
{
    size_t n = sizeof tag - 1;
    if (m.size_bytes < n + 3 || (m.data[0] & 0xf0) != 0x90)
        return false;
    return (m.data[1] == (0xa0 | n) && memcmp(m.data + 2, tag, n) == 0) ||
           (m.data[1] == 0xd9 && m.data[2] == n && memcmp(m.data + 3, tag, n) == 0);
}

static bool
take_op(struct str word, struct question *q)
{
    static const char *const words[QUESTION_OPS] = {"check", "reserve", "release", "board"};
    for (int i = 0; i < QUESTION_OPS; i++) {
        if (str_is(word, words[i])) {
            q->op = (enum question_op)i;
            return true;
        }
    }
    return false;
}

/* A name as an event's would have to be. */
static bool
take_name(struct str text, struct str *ret)
{
    *ret = text;
    return text.size_bytes >= 1 && text.size_bytes <= EVENT_TEXT_BYTES_MAX;
}

static const char *
take_field(struct question *q, struct str key, const struct mp_value *v)
{
    struct str text = v->type == MP_STR ? mp_str(v) : (struct str){0};
    uint64_t n = 0;
    bool whole = mp_whole(v, &n);
    if (str_is(key, "op"))
        return take_op(text, q) ? NULL : "op is not check, reserve, release or board";
    if (str_is(key, "action"))
        return judge_action(text, &q->dimension) ? NULL
                                                 : "action is not ai, project, document or member";
    if (str_is(key, "organizationId"))
        return take_name(text, &q->organization) ? NULL
                                                 : "organizationId is no text of 1 to 64 bytes";
    if (str_is(key, "hold"))
        return take_name(text, &q->hold) ? NULL : "hold is no text of 1 to 64 bytes";
    if (str_is(key, "tokens")) {
        q->amount = n;
        return whole && n <= EVENT_COUNT_MAX ? NULL : "tokens is no whole number in 0 to 10^12";
    }
    if (str_is(key, "maxTokens")) {
        q->bound = n;
        return whole && n > 0 && n <= EVENT_COUNT_MAX ? NULL : no_bound;
    }
    if (str_is(key, "lifeMs")) {
        q->life_ms = (int64_t)(n <= QUESTION_LIFE_MS_MAX ? n : 0);
        return whole && q->life_ms > 0 ? NULL : "lifeMs is no whole number in 1 to 3600000";
    }
    return NULL; /* a newer client's */
}

/* Where there is no bound, the amount is one. */
static const char *
take_amounts(struct question *q)
{
    bool is_ai = q->dimension == LIMIT_AI_CREDITS;
    if (!is_ai || q->amount == 0)
        q->amount = 1;
    if (q->bound == 0 || q->op == QUESTION_RELEASE)
        q->bound = q->amount;
    else if (!is_ai)
        return "maxTokens is for action ai alone: leave it out";
    return q->bound >= q->amount ? NULL : no_bound;
}

static const char *
read_record(struct bytes record, struct question *q)
{
    struct mp m = mp_of(record);
    struct mp_value head, key, v;
    if (!mp_read(&m, &head) || head.type != MP_MAP)
        return "the record is not a map";
    const char *defect = NULL;
    for (uint32_t i = 0; i < head.count && defect == NULL; i++) {
        if (!mp_read(&m, &key) || key.type != MP_STR)
            return "a key of the record is no text";
        struct mp value = m;
        if (!mp_skip(&m) || !mp_read(&value, &v))
            return "the record is not whole";
        if (v.type != MP_NIL)
            defect = take_field(q, mp_str(&key), &v);
    }
    if (defect != NULL)
        return defect;
    if (q->op == QUESTION_OPS)
        return "op is missing";
    if (q->op == QUESTION_BOARD)
        return NULL;
    if (q->organization.size_bytes == 0)
        return "organizationId is missing";
    if (q->op != QUESTION_CHECK && q->hold.size_bytes == 0)
        return "hold is missing: an id of the caller's choice";
    if (q->dimension == LIMIT_DIMENSIONS && q->op != QUESTION_RELEASE)
        return "action is missing";
    return take_amounts(q);
}

bool
question_read(struct bytes message, struct question *ret, const char **ret_defect,
              const char **ret_reason)
{
    struct forward f;
    struct forward_entry entry, more;
    *ret = (struct question){
        .op = QUESTION_OPS, .dimension = LIMIT_DIMENSIONS, .life_ms = QUESTION_LIFE_MS};
    *ret_defect = NULL;
    if (!forward_open(message, &f, ret_reason))
        return false;
    ret->chunk = f.chunk;
    if (f.packing != FORWARD_PLAIN) {
        *ret_defect = "a question is not compressed";
        return true;
    }
    enum forward_step step = forward_next(&f, &entry, ret_reason);
    enum forward_step then = step == FORWARD_ENTRY ? forward_next(&f, &more, ret_reason) : step;
    if (step == FORWARD_BAD || then == FORWARD_BAD)
        return false;
    *ret_defect = step == FORWARD_END || then == FORWARD_ENTRY ? "a question has one entry"
                                                               : read_record(entry.record, ret);
    return true;
}

/* ---- the answer ---- */

static uint8_t *
put_text(uint8_t *p, const char *text)
{
    size_t n = strlen(text);
    assert(n < ANSWER_REASON_BYTES);
    *p++ = 0xda;
    put_be16(p, (uint16_t)n);
    memcpy(p + 2, text, n);
    return p + 2 + n;
}

static uint8_t *
put_whole(uint8_t *p, const char *key, uint64_t value)
{
    p = put_text(p, key);
    *p++ = 0xcf;
    put_be64(p, value);
    return p + 8;
}

/* nil stands for what there is none of. */
static uint8_t *
put_whole_but(uint8_t *p, const char *key, uint64_t value, uint64_t none)
{
    if (value != none)
        return put_whole(p, key, value);
    p = put_text(p, key);
    *p++ = 0xc0;
    return p;
}

static uint8_t *
put_bool(uint8_t *p, const char *key, bool value)
{
    p = put_text(p, key);
    *p++ = value ? 0xc3 : 0xc2;
    return p;
}

static uint8_t *
put_name(uint8_t *p, const char *key, const char *text)
{
    p = put_text(p, key);
    if (text != NULL)
        return put_text(p, text);
    *p++ = 0xc0;
    return p;
}

/* {"ack": chunk} as any ack, and more pairs behind it. */
static uint8_t *
put_head(const struct question *q, unsigned pairs, uint8_t *out)
{
    size_t n = forward_ack(&q->chunk, out + 2);
    assert(out[2] == 0x81);
    out[0] = 0xde;
    put_be16(out + 1, (uint16_t)(pairs + 1));
    /* The map's head takes three bytes here, one there. */
    return out + 2 + n;
}

size_t
answer_write(const struct question *q, const struct answer *a, uint8_t out[ANSWER_BYTES_MAX])
{
    uint8_t *p = put_head(q, 15, out);
    p = put_bool(p, "allowed", a->allowed);
    p = put_bool(p, "known", a->known);
    p = put_name(p, "state", a->state);
    p = put_name(p, "reason", a->reason);
    p = put_whole(p, "used", a->used);
    p = put_whole(p, "held", a->held);
    p = put_whole_but(p, "limit", a->limit, LIMIT_UNLIMITED);
    p = put_whole_but(p, "remaining", answer_remaining(a), LIMIT_UNLIMITED);
    p = put_whole_but(p, "resetAt", (uint64_t)a->reset_ms, 0);
    p = put_name(p, "plan", a->plan);
    p = put_name(p, "upgradeTo", a->upgrade);
    p = put_whole_but(p, "requestsPerMinute", a->requests_per_minute, LIMIT_UNLIMITED);
    p = put_whole_but(p, "tokensPerMinute", a->tokens_per_minute, LIMIT_UNLIMITED);
    p = put_whole(p, "position", a->position);
    p = put_whole_but(p, "expiresInMs", (uint64_t)a->expires_in_ms, 0);
    return (size_t)(p - out);
}

size_t
answer_write_error(const struct question *q, const char *defect, uint8_t out[ANSWER_BYTES_MAX])
{
    uint8_t *p = put_head(q, 2, out);
    p = put_bool(p, "allowed", false);
    p = put_name(p, "error", defect);
    return (size_t)(p - out);
}
