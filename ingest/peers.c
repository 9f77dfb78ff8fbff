#include "ingest/peers.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static const char no_uid[] = "this uid may not connect: the peers file does not name it";
static const char no_host[] = "this host may not connect: the peers file does not name it";
static const char no_memory[] = "out of memory";

static int64_t
milli_tokens_max(const struct peer_rule *rule)
{
    return rule->quota_per_s * 1000; /* a second's worth */
}

static bool
has_quota(const struct peer *p)
{
    return p->rule != NULL && p->rule->quota_per_s > 0;
}

/* What came in since it was counted last. */
static void
refill(struct peer *p, int64_t now_ms)
{
    int64_t max = milli_tokens_max(p->rule), passed_ms = now_ms - p->counted_ms;
    int64_t lacking = max - p->milli_tokens;
    p->counted_ms = now_ms;
    if (passed_ms >= lacking / p->rule->quota_per_s + 1)
        p->milli_tokens = max;
    else
        p->milli_tokens += passed_ms * p->rule->quota_per_s;
}

bool
peers_charge(struct peer *p, uint64_t event_count, int64_t now_ms)
{
    if (!has_quota(p))
        return true;
    refill(p, now_ms);
    p->milli_tokens -= (int64_t)event_count * 1000;
    return p->milli_tokens >= 0;
}

int64_t
peers_ready_ms(const struct peer *p)
{
    if (!has_quota(p) || p->milli_tokens >= 0)
        return p->counted_ms;
    return p->counted_ms + -p->milli_tokens / p->rule->quota_per_s + 1;
}

static int
compare_orgs(const void *a, const void *b)
{
    return str_compare(*(const struct str *)a, *(const struct str *)b);
}

bool
peers_may_write(const struct peer_rule *rule, struct str organization)
{
    if (rule == NULL || rule->orgs == NULL)
        return true;
    return bsearch(&organization, rule->orgs, rule->org_count, sizeof *rule->orgs, compare_orgs) !=
           NULL;
}

/* The rule that names it, else the one for any of its sort. */
static const struct peer_rule *
find_rule(const struct peers *peers, bool is_host, uint32_t uid, struct str host)
{
    const struct peer_rule *any = NULL;
    for (size_t i = 0; i < peers->rule_count; i++) {
        const struct peer_rule *r = &peers->rules[i];
        if (r->is_host != is_host)
            continue;
        if (r->is_any)
            any = r;
        else if (is_host ? str_equal(r->host, host) : r->uid == uid)
            return r;
    }
    return any;
}

const struct peer_rule *
peers_host_rule(const struct peers *peers, struct str host)
{
    return find_rule(peers, true, PEERS_NO_UID, host);
}

/* Those without a connection go, unless they would come back with a full bucket too early. */
static void
forget_idle(struct peers *peers, int64_t now_ms)
{
    for (struct peer **at = &peers->all; *at != NULL;) {
        struct peer *p = *at;
        if (has_quota(p))
            refill(p, now_ms);
        if (p->conn_count == 0 && (!has_quota(p) || p->milli_tokens == milli_tokens_max(p->rule))) {
            *at = p->next;
            free(p);
        } else {
            at = &p->next;
        }
    }
}

static struct peer *
join(struct peers *peers, const char *name, uint32_t uid, const struct peer_rule *rule,
     int64_t now_ms)
{
    for (struct peer *p = peers->all; p != NULL; p = p->next) {
        if (strcmp(p->name, name) == 0) {
            p->conn_count++;
            return p;
        }
    }
    forget_idle(peers, now_ms);
    struct peer *p = calloc(1, sizeof *p);
    if (p == NULL)
        return NULL;
    snprintf(p->name, sizeof p->name, "%s", name);
    p->uid = uid;
    p->rule = rule;
    p->conn_count = 1;
    p->counted_ms = now_ms;
    p->milli_tokens = rule != NULL ? milli_tokens_max(rule) : 0;
    p->resting.list = CONN_RESTING;
    p->next = peers->all;
    peers->all = p;
    return p;
}

struct peer *
peers_join_uid(struct peers *peers, uint32_t uid, int64_t now_ms, const char **ret_reason)
{
    char name[PEERS_NAME_BYTES];
    const struct peer_rule *rule = find_rule(peers, false, uid, (struct str){NULL, 0});
    if (rule == NULL && peers->path != NULL) {
        *ret_reason = no_uid;
        return NULL;
    }
    snprintf(name, sizeof name, "uid=%" PRIu32, uid);
    *ret_reason = no_memory;
    return join(peers, name, uid, rule, now_ms);
}

struct peer *
peers_join_host(struct peers *peers, struct str host, int64_t now_ms, const char **ret_reason)
{
    char name[PEERS_NAME_BYTES];
    const struct peer_rule *rule = peers_host_rule(peers, host);
    if (rule == NULL && peers->path != NULL) {
        *ret_reason = no_host;
        return NULL;
    }
    snprintf(name, sizeof name, "host=%.*s", STR_ARG(host));
    *ret_reason = no_memory;
    return join(peers, name, PEERS_NO_UID, rule, now_ms);
}

void
peers_leave(struct peer *peer)
{
    peer->conn_count--;
}
