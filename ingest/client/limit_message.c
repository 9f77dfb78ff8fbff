#include "ingest/client/limit_message.h"

#include <stddef.h>

#include "store/event/mp.h"
#include "store/event/pack.h"

/* The connection is this question's alone until it is answered, so any chunk will do. */
static const char chunk[] = "q";

/* As in usage.c: the packer's answer is 0 or -1, so failures can be or-ed. */
static int
pack_text(msgpack_packer *pk, const char *text)
{
    return text != NULL ? msgpack_pack_str_with_body(pk, text, strlen(text)) : msgpack_pack_nil(pk);
}

static int
pack_whole(msgpack_packer *pk, const char *key, uint64_t value)
{
    int failed = pack_text(pk, key);
    return failed | (value != 0 ? msgpack_pack_uint64(pk, value) : msgpack_pack_nil(pk));
}

bool
limit_message_pack(const char *op, const struct gbill_limit_question *q, const char *hold,
                   struct buf *out)
{
    const char *action = q->action != NULL ? q->action : "ai";
    const char *const texts[] = {"op",     op,     "organizationId", q->organization_id,
                                 "action", action, "hold",           hold};
    msgpack_packer pk;
    msgpack_packer_init(&pk, out, pack_to_buf);
    int failed = msgpack_pack_array(&pk, 4);
    failed |= pack_text(&pk, "gbill.live");
    failed |= msgpack_pack_int(&pk, 0);
    failed |= msgpack_pack_map(&pk, 7);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        failed |= pack_text(&pk, texts[i]);
    failed |= pack_whole(&pk, "tokens", q->tokens);
    failed |= pack_whole(&pk, "maxTokens", q->max_tokens);
    failed |= pack_whole(&pk, "lifeMs", q->life_ms);
    failed |= msgpack_pack_map(&pk, 1);
    failed |= pack_text(&pk, "chunk");
    failed |= pack_text(&pk, chunk);
    return failed == 0;
}

enum kind { TEXT, WHOLE, TRUTH };

struct field {
    const char *name;
    enum kind kind;
    size_t at, size_bytes;
};

#define FIELD(name, kind, member)                                \
    {                                                            \
        name, kind, offsetof(struct gbill_limit_answer, member), \
            sizeof(((struct gbill_limit_answer *)0)->member)     \
    }

static const struct field fields[] = {
    FIELD("allowed", TRUTH, allowed),
    FIELD("known", TRUTH, known),
    FIELD("state", TEXT, state),
    FIELD("reason", TEXT, reason),
    FIELD("used", WHOLE, used),
    FIELD("held", WHOLE, held),
    FIELD("limit", WHOLE, limit),
    FIELD("remaining", WHOLE, remaining),
    FIELD("resetAt", WHOLE, reset_at_utc_ms),
    FIELD("plan", TEXT, plan),
    FIELD("upgradeTo", TEXT, upgrade_to),
    FIELD("requestsPerMinute", WHOLE, requests_per_minute),
    FIELD("tokensPerMinute", WHOLE, tokens_per_minute),
    FIELD("position", WHOLE, position),
    FIELD("expiresInMs", WHOLE, expires_in_ms),
};

/* A value of another type is as one that is not there. */
static void
take_field(const struct field *f, const struct mp_value *v, struct gbill_limit_answer *a)
{
    void *to = (char *)a + f->at;
    if (f->kind == TRUTH && v->type == MP_BOOL) {
        memcpy(to, &v->b, sizeof v->b);
    } else if (f->kind == WHOLE && v->type == MP_UINT) {
        memcpy(to, &v->u, sizeof v->u);
    } else if (f->kind == TEXT && v->type == MP_STR) {
        size_t n = v->count < f->size_bytes ? v->count : f->size_bytes - 1;
        memset(to, 0, f->size_bytes);
        memcpy(to, v->data, n);
    }
}

enum err_code
limit_message_read(struct bytes answer, struct gbill_limit_answer *ret, struct err *err)
{
    struct mp m = mp_of(answer);
    struct mp_value head, key, v;
    struct gbill_limit_answer a = {.limit = GBILL_UNLIMITED,
                                   .remaining = GBILL_UNLIMITED,
                                   .requests_per_minute = GBILL_UNLIMITED,
                                   .tokens_per_minute = GBILL_UNLIMITED};
    bool is_told = false;
    bool sound = mp_read(&m, &head) && head.type == MP_MAP;
    for (uint32_t i = 0; sound && i < head.count; i++) {
        sound = mp_read(&m, &key) && key.type == MP_STR;
        struct mp value = m;
        sound = sound && mp_skip(&m) && mp_read(&value, &v);
        if (!sound)
            break;
        struct str name = mp_str(&key);
        if (str_is(name, "error") && v.type == MP_STR)
            return err_set(err, ERR_INPUT, "the agent refuses the question: %.*s",
                           STR_ARG(mp_str(&v)));
        is_told = is_told || (str_is(name, "allowed") && v.type == MP_BOOL);
        for (size_t f = 0; f < sizeof fields / sizeof fields[0]; f++) {
            if (str_is(name, fields[f].name))
                take_field(&fields[f], &v, &a);
        }
    }
    if (!sound)
        return err_set(err, ERR_PEER, "what answers there is no gbill-agent");
    if (!is_told)
        return err_set(err, ERR_PEER,
                       "it does not know questions about limits: is it of this version of gbill?");
    *ret = a;
    return ERR_OK;
}
