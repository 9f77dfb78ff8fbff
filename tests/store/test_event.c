#include <criterion/criterion.h>
#include <stdio.h>

#include "store/event/event.h"
#include "store/event/event_fields.h"
#include "store/event/event_plain.h"
#include "tests/support/record.h"
#include "tests/support/same_event.h"

#define COMMON "'id': 'e1', 'organizationId': 'o1'"
#define CALL COMMON ", 'userId': 'u', 'type': 'chat', 'provider': 'openai', 'model': 'gpt-4o'"
#define COUNTS ", 'inputTokens': 10, 'outputTokens': 5"

static const int64_t entry_ms = 1795508130500; /* 2026-11-24T08:15:30.5Z */

/* Room for one record at a time: *ret points into it. */
static struct buf record;
static struct event_defect defect;

static bool
parse(enum event_kind kind, const char *json, struct event *ret)
{
    buf_clear(&record);
    record = record_of_json(json);
    defect.text[0] = '\0';
    return event_parse(kind, bytes_of_buf(&record), entry_ms, ret, &defect);
}

static void
clear_record(void)
{
    buf_clear(&record);
}

TestSuite(store_event, .fini = clear_record);

Test(store_event, every_declared_name_is_found_and_no_other)
{
    for (int f = 0; f < FIELD_COUNT; f++) {
        const char *name = event_field_name((enum event_field)f);
        char other[EVENT_NAME_BYTES_MAX + 2];
        cr_assert_eq(event_field_find(str_of(name)), (enum event_field)f, "%s", name);
        cr_assert_leq(strlen(name), (size_t)EVENT_NAME_BYTES_MAX);
        for (size_t i = 0; i < strlen(name); i++) {
            snprintf(other, sizeof other, "%s", name);
            other[i] ^= 0x20; /* the other case of a letter */
            cr_assert_eq(event_field_find(str_of(other)), FIELD_COUNT, "%s", other);
        }
        snprintf(other, sizeof other, "%sx", name);
        cr_assert_eq(event_field_find(str_of(other)), FIELD_COUNT, "%s", other);
    }
    static char huge[65536 + 5] = "usage";
    cr_assert_eq(event_field_find((struct str){huge, sizeof huge}), FIELD_COUNT);
    cr_assert_eq(event_field_find((struct str){NULL, 0}), FIELD_COUNT);
}

Test(store_event, the_required_fields_are_those_of_the_table)
{
    for (int k = EVENT_USAGE; k < EVENT_KINDS; k++) {
        const uint8_t *types = event_fields_of((enum event_kind)k);
        uint64_t want = 0;
        for (int f = 0; f < FIELD_COUNT; f++)
            want |= (uint64_t)((types[f] & FIELD_REQUIRED) != 0) << f;
        cr_assert_eq(event_fields_required((enum event_kind)k), want, "%s",
                     event_kind_name((enum event_kind)k));
    }
}

Test(store_event, every_kind_is_found_by_its_name)
{
    enum event_kind kind;
    for (int k = EVENT_USAGE; k < EVENT_KINDS; k++)
        cr_assert(event_kind_find(str_of(event_kind_name((enum event_kind)k)), &kind) &&
                  kind == (enum event_kind)k);
    cr_assert_not(event_kind_find(str_of("Usage"), &kind));
    cr_assert_not(event_kind_find((struct str){NULL, 0}, &kind));
}

Test(store_event, a_call_with_counts_is_read_by_its_provider_s_convention)
{
    struct event e;
    cr_assert(parse(EVENT_USAGE,
                    "{" CALL ", 'inputTokens': 1000, 'outputTokens': 200, 'cachedInputTokens': 400,"
                    "'cacheWriteTokens': 100, 'cacheWrite1hTokens': 50, 'reasoningTokens': 20,"
                    "'serviceTier': 'flex', 'latencyMs': 812.25, 'status': 'timeout',"
                    "'estimated': true, 'projectId': null, 'createdAt': '2026-11-24T08:00:00Z'}",
                    &e),
              "%s", defect.text);
    static const uint64_t inside[] = {450, 400, 100, 50, 200};
    cr_assert_arr_eq(e.usage.tokens, inside, sizeof inside);
    cr_assert_eq(e.usage.reasoning_tokens, 20u);
    cr_assert_eq(e.usage.latency_us, 812250u);
    cr_assert(e.usage.failed && e.usage.estimated && e.usage.project.size_bytes == 0);
    cr_assert(str_is(e.usage.tier, "flex") && str_is(e.usage.model, "gpt-4o"));
    cr_assert_eq(e.time_utc_ms, entry_ms - 930500);
    cr_assert(parse(EVENT_USAGE,
                    "{" COMMON ", 'userId': 'u', 'type': 'chat', 'provider': 'anthropic',"
                    "'model': 'claude', 'inputTokens': 10, 'outputTokens': 0,"
                    "'cachedInputTokens': 400, 'cacheWriteTokens': 100, 'status': 200}",
                    &e),
              "%s", defect.text);
    static const uint64_t beside[] = {10, 400, 100, 0, 0};
    cr_assert_arr_eq(e.usage.tokens, beside, sizeof beside);
    cr_assert_not(e.usage.failed);
    cr_assert_eq(e.time_utc_ms, entry_ms, "without createdAt the entry's time counts");
}

Test(store_event, the_tier_an_app_names_wins_over_the_object_s)
{
    struct event e;
    cr_assert(parse(EVENT_USAGE,
                    "{" CALL ", 'usage': {'prompt_tokens': 5, 'service_tier': 'default'},"
                    "'serviceTier': 'batch'}",
                    &e));
    cr_assert(str_is(e.usage.tier, "batch"));
    cr_assert(parse(EVENT_USAGE,
                    "{" CALL ", 'usage': {'prompt_tokens': 5, 'service_tier': 'flex'}}", &e));
    cr_assert(str_is(e.usage.tier, "flex"));
}

Test(store_event, each_other_kind_says_what_it_says)
{
    struct event e;
    cr_assert(parse(EVENT_RESOURCE,
                    "{" COMMON ", 'resource': 'member', 'action': 'deleted', 'resourceId': 'm'}",
                    &e));
    cr_assert(e.resource.type == EVENT_MEMBER && !e.resource.created);
    cr_assert(parse(EVENT_SUBSCRIPTION,
                    "{" COMMON ", 'plan': 'pro', 'effectiveAt': '2026-12', 'currency': 'USD'}",
                    &e));
    cr_assert(e.subscription.action == EVENT_PLAN_SET && str_is(e.subscription.plan, "pro"));
    cr_assert_eq(e.subscription.effective_ms, INT64_C(1796083200000));
    cr_assert(parse(EVENT_SUBSCRIPTION, "{" COMMON ", 'action': 'cancelled'}", &e));
    cr_assert_eq(e.subscription.action, EVENT_PLAN_CANCELLED);
    cr_assert_eq(e.subscription.effective_ms, entry_ms);
    cr_assert(e.subscription.anchor_ms == EVENT_TIME_NONE && !e.subscription.at_period_end);
    cr_assert_eq(e.subscription.trial_end_ms, EVENT_TIME_NONE);
    cr_assert(parse(EVENT_SUBSCRIPTION,
                    "{" COMMON ", 'plan': 'pro', 'when': 'periodEnd', 'anchor': '2026-12', "
                    "'trialEnd': '2026-12', 'taxPercent': '7.25'}",
                    &e));
    cr_assert(e.subscription.at_period_end && str_is(e.subscription.tax_percent, "7.25"));
    cr_assert_eq(e.subscription.anchor_ms, INT64_C(1796083200000));
    cr_assert_eq(e.subscription.trial_end_ms, INT64_C(1796083200000));
    cr_assert(parse(EVENT_SUBSCRIPTION, "{" COMMON ", 'action': 'settings', 'when': 'now'}", &e));
    cr_assert_eq(e.subscription.action, EVENT_PLAN_SETTINGS);
    cr_assert(parse(EVENT_BUDGET,
                    "{" COMMON ", 'monthlyBudget': 5000, 'alertThresholds': [50, 80]}", &e));
    cr_assert(e.budget.has_monthly && e.budget.monthly_cents == 5000);
    cr_assert(parse(EVENT_BUDGET, "{" COMMON ", 'monthlyBudget': null}", &e));
    cr_assert_not(e.budget.has_monthly);
    cr_assert(parse(EVENT_ADJUSTMENT,
                    "{" COMMON ", 'amount': -1250, 'currency': 'EUR', 'reason': 'gift'}", &e));
    cr_assert_eq(e.adjustment.amount_minor, -1250);
    cr_assert(
        parse(EVENT_PAYMENT, "{" COMMON ", 'invoice': 'i', 'status': 'paid', 'amount': 2900}", &e));
    cr_assert_eq(e.payment.amount_minor, 2900);
    cr_assert(parse(EVENT_VOID, "{" COMMON ", 'voids': 'e0', 'at': 1795508130000}", &e));
    cr_assert(e.voided.at_ms == 1795508130000 && str_is(e.voided.voids, "e0"));
    cr_assert(
        parse(EVENT_FEEDBACK, "{" COMMON ", 'recommendation': 'r', 'status': 'dismissed'}", &e));
    cr_assert(str_is(e.feedback.status, "dismissed"));
    cr_assert(parse(EVENT_ACT,
                    "{" COMMON ", 'actor': 'key 0', 'action': 'budget.put', 'target': 'b1',"
                    "'status': 'failed', 'reason': 'disk'}",
                    &e),
              "%s", defect.text);
    cr_assert(e.act.failed && str_is(e.act.actor, "key 0") && str_is(e.act.target, "b1"));
    cr_assert(parse(EVENT_STRIPE,
                    "{" COMMON ", 'type': 'invoice.paid', 'object': {'id': 'in_1', 'total': 2900}}",
                    &e),
              "%s", defect.text);
    cr_assert(str_is(e.stripe.type, "invoice.paid"));
    cr_assert_eq(e.stripe.object.data[0], 0x82, "the map, with its head");
    cr_assert_eq(e.stripe.object.data + e.stripe.object.size_bytes,
                 e.record.data + e.record.size_bytes);
}

#define LONG_65 "0123456789012345678901234567890123456789012345678901234567890123X"

Test(store_event, what_breaks_the_contract_is_refused_and_the_field_is_named)
{
    static const struct {
        enum event_kind kind;
        const char *json, *says;
    } cases[] = {
        {EVENT_USAGE, "[]", "not a map"},
        {EVENT_USAGE, "{}", "id is missing"},
        {EVENT_USAGE, "{'id': 'e1'}", "organizationId is missing"},
        {EVENT_USAGE, "{'id': ''}", "id has 0 bytes"},
        {EVENT_USAGE, "{'id': '" LONG_65 "'}", "id has 65 bytes, must have 1 to 64"},
        {EVENT_USAGE, "{'id': 5}", "id is not a text"},
        {EVENT_USAGE, "{'id': 'a\\nb'}", "control character"},
        {EVENT_USAGE, "{'id': 'a\\u0000b'}", "control character"},
        {EVENT_USAGE, "{'id': 'a\\u007f'}", "control character"},
        {EVENT_USAGE, "{" CALL "}", "inputTokens is missing"},
        {EVENT_USAGE, "{" CALL ", 'inputTokens': 5}", "outputTokens is missing"},
        {EVENT_USAGE, "{" CALL ", 'inputTokens': -1, 'outputTokens': 0}", "inputTokens"},
        {EVENT_USAGE, "{" CALL ", 'inputTokens': 1000000000001}", "inputTokens"},
        {EVENT_USAGE, "{" CALL COUNTS ", 'cachedInputTokens': 11}", "exceed inputTokens (10)"},
        {EVENT_USAGE, "{" CALL COUNTS ", 'reasoningTokens': 6}",
         "exceed the text of outputTokens (5)"},
        {EVENT_USAGE, "{" CALL COUNTS ", 'usage': {'prompt_tokens': 1}}", "both usage and"},
        {EVENT_USAGE, "{" CALL ", 'usage': {}}", "neither prompt_tokens"},
        {EVENT_USAGE, "{" CALL ", 'usage': [1]}", "usage is not a map"},
        {EVENT_USAGE, "{" CALL COUNTS ", 'latencyMs': -1}", "latencyMs"},
        {EVENT_USAGE, "{" CALL COUNTS ", 'status': true}", "status"},
        {EVENT_USAGE, "{" CALL COUNTS ", 'estimated': 1}", "estimated is not true or false"},
        {EVENT_USAGE, "{" CALL COUNTS ", 'metadata': {'a': {}}}", "metadata holds a map"},
        {EVENT_USAGE, "{" CALL COUNTS ", 'metadata': {'a': [1]}}", "metadata holds a map"},
        {EVENT_USAGE, "{" CALL COUNTS ", 'metadata': 'a'}", "metadata is not a map"},
        {EVENT_USAGE, "{" CALL COUNTS ", 'createdAt': 'yesterday'}", "createdAt"},
        {EVENT_USAGE, "{" CALL COUNTS ", 'createdAt': 253402300800000}", "createdAt"},
        {EVENT_USAGE, "{" CALL COUNTS ", 'createdAt': -1}", "createdAt"},
        {EVENT_RESOURCE, "{" COMMON ", 'resource': 'team', 'action': 'created', 'resourceId': 'x'}",
         "must be one of: project, document, member"},
        {EVENT_RESOURCE,
         "{" COMMON ", 'resource': 'project', 'action': 'moved', 'resourceId': 'x'}",
         "created, deleted"},
        {EVENT_SUBSCRIPTION, "{" COMMON "}", "plan is missing"},
        {EVENT_SUBSCRIPTION, "{" COMMON ", 'action': 'upgraded'}", "must be one of"},
        {EVENT_SUBSCRIPTION, "{" COMMON ", 'plan': 'pro', 'currency': 'usd'}", "three capital"},
        {EVENT_SUBSCRIPTION, "{" COMMON ", 'plan': 'pro', 'currency': 'EURO'}", "three capital"},
        {EVENT_SUBSCRIPTION, "{" COMMON ", 'plan': 'pro', 'when': 'later'}", "now, periodEnd"},
        {EVENT_SUBSCRIPTION, "{" COMMON ", 'action': 'paused', 'when': 'periodEnd'}",
         "only a change or cancellation"},
        {EVENT_SUBSCRIPTION, "{" COMMON ", 'plan': 'pro', 'taxPercent': 20}", "no decimal text"},
        {EVENT_SUBSCRIPTION, "{" COMMON ", 'plan': 'pro', 'taxPercent': '-1'}", "no decimal text"},
        {EVENT_SUBSCRIPTION, "{" COMMON ", 'plan': 'pro', 'taxPercent': '100.1'}",
         "no decimal text"},
        {EVENT_SUBSCRIPTION, "{" COMMON ", 'plan': 'pro', 'taxPercent': '1.0000001'}",
         "no decimal text"},
        {EVENT_SUBSCRIPTION, "{" COMMON ", 'plan': 'pro', 'trialEnd': 'soon'}", "trialEnd"},
        {EVENT_BUDGET, "{" COMMON ", 'monthlyBudget': -5}", "monthlyBudget"},
        {EVENT_BUDGET, "{" COMMON ", 'alertThresholds': 80}", "not a map or an array"},
        {EVENT_ADJUSTMENT, "{" COMMON ", 'amount': 1.5, 'currency': 'USD', 'reason': 'r'}",
         "amount"},
        {EVENT_ADJUSTMENT,
         "{" COMMON ", 'amount': 1000000000001, 'currency': 'USD', 'reason': 'r'}", "amount"},
        {EVENT_ADJUSTMENT, "{" COMMON ", 'amount': 1, 'currency': 'USD'}", "reason is missing"},
        {EVENT_PAYMENT, "{" COMMON ", 'invoice': 'i', 'status': 'paid', 'amount': '5'}", "amount"},
        {EVENT_VOID, "{" COMMON ", 'voids': 'e0'}", "at is missing"},
        {EVENT_FEEDBACK, "{" COMMON ", 'recommendation': 'r', 'status': 'liked'}", "dismissed"},
        {EVENT_ACT, "{" COMMON ", 'action': 'key.create', 'status': 'done'}", "actor is missing"},
        {EVENT_ACT, "{" COMMON ", 'actor': 'a', 'action': 'b', 'status': 'tried'}", "done, failed"},
        {EVENT_STRIPE, "{" COMMON ", 'object': {}}", "type is missing"},
        {EVENT_STRIPE, "{" COMMON ", 'type': 'invoice.paid'}", "object is missing"},
        {EVENT_STRIPE, "{" COMMON ", 'type': 'ping', 'object': [1]}", "object is not a map"},
        {EVENT_STRIPE, "{" COMMON ", 'type': 'ping', 'object': {'a': {}}}", "a map or an array"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct event e = {.peer_uid = 4711};
        cr_assert_not(parse(cases[i].kind, cases[i].json, &e), "%s", cases[i].json);
        cr_assert_not_null(strstr(defect.text, cases[i].says), "%s: %s", cases[i].json,
                           defect.text);
        cr_assert_eq(e.peer_uid, 4711u, "a refused event must leave ret alone");
    }
}

Test(store_event, the_bounds_themselves_are_in)
{
    struct event e;
    char json[20000] = "{" CALL ", 'inputTokens': 1000000000000, 'outputTokens': 1000000000000,"
                       "'latencyMs': 1000000000000, 'metadata': {";
    for (int i = 0; i < EVENT_METADATA_PAIRS_MAX; i++)
        snprintf(json + strlen(json), sizeof json - strlen(json), "%s'k%d': %d.5", i > 0 ? "," : "",
                 i, i);
    size_t n = strlen(json);
    snprintf(json + n, sizeof json - n, "}}");
    cr_assert(parse(EVENT_USAGE, json, &e), "%s", defect.text);
    snprintf(json + n, sizeof json - n, ", 'one more': null}}");
    cr_assert_not(parse(EVENT_USAGE, json, &e));
    cr_assert_not_null(strstr(defect.text, "33 pairs"));
    char text[EVENT_MAP_BYTES_MAX + 100];
    /* Twenty texts under one-letter keys: 6 bytes of heads each but for the first map head. */
    for (int size = 195; size <= 210; size++) {
        snprintf(json, sizeof json, "{" CALL COUNTS ", 'metadata': {");
        for (int i = 0; i < 20; i++)
            snprintf(json + strlen(json), sizeof json - strlen(json), "%s'%c': '%0*d'",
                     i > 0 ? "," : "", 'a' + i, size, i);
        snprintf(text, sizeof text, "}}");
        snprintf(json + strlen(json), sizeof json - strlen(json), "%s", text);
        int map_bytes = 3 + 20 * (2 + 2 + size);
        cr_assert_eq(parse(EVENT_USAGE, json, &e), map_bytes <= EVENT_MAP_BYTES_MAX, "%d: %s",
                     map_bytes, defect.text);
    }
}

Test(store_event, utf_8_is_judged_as_rfc_3629_has_it)
{
    uint8_t text[] = {0xdf, 0, 0, 0, 1, 0xa2, 'i', 'd', 0xa4, 0, 0, 0, 0};
    struct event e;
    /* All sequences of a lead byte and three others from a set that has every edge. */
    static const uint8_t tails[] = {0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f,
                                    0xa0, 0xbf, 0xc0, 0xc2, 0xff};
    for (int lead = 0x80; lead < 0x100; lead++) {
        for (size_t i = 0; i < 11 * 11 * 11; i++) {
            uint8_t *p = text + 9;
            p[0] = (uint8_t)lead;
            p[1] = tails[i % 11];
            p[2] = tails[i / 11 % 11];
            p[3] = tails[i / 121];
            /* The judge decodes, and asks whether the shortest form was used for a character. */
            bool ok = true;
            for (size_t at = 0; ok && at < 4;) {
                int n = p[at] < 0x80   ? 1
                        : p[at] < 0xc0 ? 9
                        : p[at] < 0xe0 ? 2
                        : p[at] < 0xf0 ? 3
                        : p[at] < 0xf8 ? 4
                                       : 9;
                uint32_t c = n == 1 ? p[at] : p[at] & (0x7fu >> n);
                ok = at + (size_t)n <= 4 && p[at] != 0x7f;
                for (int k = 1; ok && k < n; k++) {
                    ok = (p[at + (size_t)k] & 0xc0) == 0x80;
                    c = c << 6 | (p[at + (size_t)k] & 0x3f);
                }
                static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
                ok = ok && c >= least[n] && c <= 0x10ffff && (c < 0xd800 || c > 0xdfff);
                at += (size_t)n;
            }
            struct bytes bytes = {text, sizeof text};
            cr_assert_not(event_parse(EVENT_USAGE, bytes, entry_ms, &e, &defect));
            cr_assert_eq(strstr(defect.text, "UTF-8") == NULL, ok, "%02x %02x %02x %02x", p[0],
                         p[1], p[2], p[3]);
        }
    }
}

Test(store_event, a_field_given_twice_and_bytes_behind_the_record_are_refused)
{
    struct event e;
    cr_assert(parse(EVENT_USAGE, "{" CALL COUNTS "}", &e));
    cr_assert(buf_append(&record, "\xc0", 1));
    cr_assert_not(event_parse(EVENT_USAGE, bytes_of_buf(&record), entry_ms, &e, &defect));
    cr_assert_not_null(strstr(defect.text, "1 bytes follow"));
    record.size_bytes--;
    record.data[0]++; /* one pair more */
    cr_assert(buf_append(&record,
                         "\xa2id\xa2"
                         "e2",
                         6));
    cr_assert_not(event_parse(EVENT_USAGE, bytes_of_buf(&record), entry_ms, &e, &defect));
    cr_assert_str_eq(defect.text, "id is given twice");
}

Test(store_event, any_cut_of_a_record_is_refused)
{
    struct event e;
    cr_assert(parse(EVENT_USAGE,
                    "{" CALL ", 'usage': {'prompt_tokens': 5, 'prompt_tokens_details':"
                    "{'cached_tokens': 1}}, 'metadata': {'a': 1, 'b': 'x'}}",
                    &e));
    for (size_t n = 0; n < record.size_bytes; n++) {
        uint8_t *exact = malloc(n + 1);
        cr_assert_not_null(exact);
        memcpy(exact, record.data, n);
        struct bytes cut = {exact, n};
        cr_assert_not(event_parse(EVENT_USAGE, cut, entry_ms, &e, &defect), "%zu", n);
        free(exact);
    }
}

/* Store, read, and return the stored bytes. */
static struct buf
stored(const struct event *e, struct event *back)
{
    struct buf out;
    buf_init(&out, 100000);
    cr_assert(event_store(e, &out));
    struct mp m = mp_of(bytes_of_buf(&out));
    cr_assert(event_read(&m, back, &defect), "%s", defect.text);
    cr_assert_eq(m.p, m.end);
    return out;
}

Test(store_event, a_stored_event_reads_back_with_the_client_s_bytes)
{
    static const struct {
        enum event_kind kind;
        const char *json;
    } cases[] = {
        {EVENT_USAGE, "{" CALL COUNTS ", 'metadata': {'a': 1.25, 'b': null}, 'projectId': null}"},
        {EVENT_RESOURCE,
         "{" COMMON ", 'resource': 'project', 'action': 'created', 'resourceId': 'p'}"},
        {EVENT_SUBSCRIPTION, "{" COMMON ", 'plan': 'team', 'anchor': '2026-11-01'}"},
        {EVENT_BUDGET, "{" COMMON ", 'autoLimits': {'enabled': false, 'pauseAt': 100}}"},
        {EVENT_ADJUSTMENT, "{" COMMON ", 'amount': -5, 'currency': 'USD', 'reason': 'r'}"},
        {EVENT_PAYMENT, "{" COMMON ", 'invoice': 'i', 'status': 's', 'amount': 5}"},
        {EVENT_VOID, "{" COMMON ", 'voids': 'e0', 'at': '2026-11-24'}"},
        {EVENT_FEEDBACK, "{" COMMON ", 'recommendation': 'r', 'status': 'applied'}"},
        {EVENT_ACT, "{" COMMON ", 'actor': 'user root', 'action': 'log.prune', 'status': 'done'}"},
        {EVENT_STRIPE, "{" COMMON ", 'type': 'ping', 'object': {'id': 'in_1', 'livemode': false}}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct event e, back;
        cr_assert(parse(cases[i].kind, cases[i].json, &e), "%s", defect.text);
        e.peer_uid = 4294967295u;
        struct buf out = stored(&e, &back);
        cr_assert(back.kind == e.kind && back.time_utc_ms == entry_ms && back.undeclared == 0);
        cr_assert_eq(back.peer_uid, 4294967295u);
        cr_assert_eq(back.record.size_bytes, record.size_bytes);
        cr_assert_arr_eq(back.record.data, record.data, record.size_bytes);
        buf_clear(&out);
    }
}

Test(store_event, undeclared_fields_are_counted_and_never_stored)
{
    struct event e, back;
    cr_assert(parse(EVENT_USAGE,
                    "{'prompt': 'the user wrote this', " CALL ", 'messages': [{'role': 'user'}],"
                    "'inputTokens': 10, 'voids': 'of another kind', 'outputTokens': 5}",
                    &e),
              "%s", defect.text);
    cr_assert_eq(e.undeclared, 3u);
    struct buf out = stored(&e, &back);
    struct buf want = record_of_json("{" CALL COUNTS "}");
    cr_assert_eq(back.record.size_bytes, want.size_bytes);
    cr_assert_arr_eq(back.record.data, want.data, want.size_bytes);
    cr_assert_null(memmem(out.data, out.size_bytes, "user wrote", 10));
    buf_clear(&out);
    buf_clear(&want);
}

Test(store_event, storing_into_a_full_buffer_changes_nothing)
{
    struct event e;
    struct buf out;
    cr_assert(parse(EVENT_USAGE, "{'x': 1, " CALL COUNTS "}", &e));
    for (size_t cap = 3; cap < record.size_bytes; cap++) {
        buf_init(&out, cap);
        cr_assert(buf_append(&out, "abc", 3));
        cr_assert_not(event_store(&e, &out));
        cr_assert_eq(out.size_bytes, 3u);
        buf_clear(&out);
    }
}

Test(store_event, what_is_accepted_can_be_read_back_however_deep)
{
    /* An undeclared field may be deep as well: it must not make the rest unreadable. */
    for (int depth = 1; depth < 20; depth++) {
        char json[400] = "{" COMMON ", 'spikeDetection': ";
        for (int i = 0; i < depth; i++)
            snprintf(json + strlen(json), sizeof json - strlen(json), "[");
        for (int i = 0; i < depth; i++)
            snprintf(json + strlen(json), sizeof json - strlen(json), "]");
        snprintf(json + strlen(json), sizeof json - strlen(json), "}");
        struct event e, back;
        bool ok = parse(EVENT_BUDGET, json, &e);
        /* The innermost array is empty and opens no level; two stand around the value. */
        cr_assert_eq(ok, depth - 1 + 2 <= MP_DEPTH_MAX, "%d: %s", depth, defect.text);
        if (!ok)
            continue;
        struct buf out = stored(&e, &back);
        struct mp m = mp_of(bytes_of_buf(&out));
        cr_assert(mp_skip(&m), "a reader may step over any stored event");
        buf_clear(&out);
    }
}

Test(store_event, no_stored_event_is_read_from_a_wrong_envelope)
{
    static const char *const bad[] = {"[]",
                                      "[1, 5, 0]",
                                      "[0, 5, 0, {}]",
                                      "[9, 5, 0, {}]",
                                      "[1, -5, 0, {}]",
                                      "[1, 253402300800000, 0, {}]",
                                      "[1, 5, 4294967296, {}]",
                                      "[1, 5, 0, {}]",
                                      "[1, 5, 0, []]",
                                      "['usage', 5, 0, {}]",
                                      "[1, 5, 0, {}, 0]",
                                      "{'a': 1}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct event e;
        buf_clear(&record);
        record = record_of_json(bad[i]);
        struct mp m = mp_of(bytes_of_buf(&record));
        cr_assert_not(event_read(&m, &e, &defect), "%s", bad[i]);
        cr_assert_eq(m.p, record.data);
    }
}

Test(store_event, the_time_window_is_closed_on_both_ends)
{
    struct event e = {.time_utc_ms = entry_ms};
    cr_assert(event_time_ok(&e, entry_ms, &defect));
    cr_assert(event_time_ok(&e, entry_ms + EVENT_AGE_MS_MAX, &defect));
    cr_assert_not(event_time_ok(&e, entry_ms + EVENT_AGE_MS_MAX + 1, &defect));
    cr_assert_not_null(strstr(defect.text, "2026-11-24T08:15:30.500Z"), "%s", defect.text);
    cr_assert(event_time_ok(&e, entry_ms - EVENT_AHEAD_MS_MAX, &defect));
    cr_assert_not(event_time_ok(&e, entry_ms - EVENT_AHEAD_MS_MAX - 1, &defect));
    cr_assert_not_null(strstr(defect.text, "in the future"));
}

Test(store_event, audio_and_images_given_by_hand_stand_inside_the_other_counts)
{
    struct event e;
    cr_assert(parse(EVENT_USAGE,
                    "{" CALL ", 'inputTokens': 100, 'outputTokens': 50, 'cachedInputTokens': 40,"
                    " 'cacheWriteTokens': 5, 'audioInputTokens': 30, 'audioCachedInputTokens': 10,"
                    " 'audioOutputTokens': 20, 'imageInputTokens': 12, 'imageCachedInputTokens': 4,"
                    " 'imageOutputTokens': 3, 'region': 'eu', 'speed': 'fast'}",
                    &e),
              "%s", defect.text);
    static const uint64_t want[EVENT_CLASSES] = {27, 26, 5, 0, 27, 20, 10, 20, 8, 4, 3};
    cr_assert_arr_eq(e.usage.tokens, want, sizeof want);
    cr_assert(e.usage.media);
    cr_assert(str_is(e.usage.region, "eu"));
    cr_assert(str_is(e.usage.speed, "fast"));
    static const struct {
        const char *fields, *says;
    } bad[] = {
        {"'audioInputTokens': 101", "uncached audio and image tokens (101) exceed"},
        {"'audioInputTokens': 5, 'audioCachedInputTokens': 6",
         "audioCachedInputTokens (6) exceed audioInputTokens (5)"},
        {"'imageInputTokens': 5, 'imageCachedInputTokens': 6", "imageCachedInputTokens (6)"},
        {"'audioInputTokens': 5, 'audioCachedInputTokens': 5",
         "cached audio and image tokens (5) exceed cachedInputTokens (0)"},
        {"'audioOutputTokens': 30, 'imageOutputTokens': 21", "(51) exceed outputTokens (50)"},
        {"'webSearches': -1", "webSearches"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char json[512];
        snprintf(json, sizeof json, "{" CALL ", 'inputTokens': 100, 'outputTokens': 50, %s}",
                 bad[i].fields);
        cr_assert_not(parse(EVENT_USAGE, json, &e), "%s", bad[i].fields);
        cr_assert_not_null(strstr(defect.text, bad[i].says), "%s", defect.text);
    }
}

Test(store_event, uses_charged_by_the_piece_may_stand_beside_the_provider_s_object)
{
    struct event e;
    cr_assert(parse(EVENT_USAGE,
                    "{" CALL ", 'usage': {'prompt_tokens': 1}, 'webSearches': 2, 'webFetches': 3,"
                    " 'fileSearches': 4, 'codeSessions': 5, 'region': 'us'}",
                    &e),
              "%s", defect.text);
    static const uint64_t want[EVENT_FEES] = {2, 3, 4, 5};
    cr_assert_arr_eq(e.usage.fees, want, sizeof want);
    cr_assert(e.usage.charged_uses);
    cr_assert(str_is(e.usage.region, "us"));
    cr_assert(parse(EVENT_USAGE,
                    "{" CALL ", 'usage': {'prompt_tokens': 1, 'server_tool_use':"
                    " {'web_search_requests': 2}}, 'webSearches': 2}",
                    &e));
    cr_assert_not(parse(EVENT_USAGE,
                        "{" CALL ", 'usage': {'prompt_tokens': 1, 'server_tool_use':"
                        " {'web_search_requests': 2}}, 'webSearches': 3}",
                        &e));
    cr_assert_not_null(strstr(defect.text, "webSearches is 3, but usage says 2"), "%s",
                       defect.text);
    cr_assert_not(
        parse(EVENT_USAGE, "{" CALL ", 'usage': {'prompt_tokens': 1}, 'audioInputTokens': 1}", &e));
    cr_assert_not_null(strstr(defect.text, "both usage and audioInputTokens"), "%s", defect.text);
}

Test(store_event, a_call_that_says_nothing_of_its_tokens_is_a_defect)
{
    struct event e;
    cr_assert_not(parse(EVENT_USAGE, "{" CALL ", 'usage': null, 'status': 'ok'}", &e));
    cr_assert_not_null(strstr(defect.text, "inputTokens is missing (or give usage, or inputBytes)"),
                       "%s", defect.text);
    cr_assert_not(parse(EVENT_USAGE, "{" CALL ", 'usage': {}}", &e));
    cr_assert(parse(EVENT_USAGE,
                    "{" CALL ", 'usage': null, 'inputTokens': 7, 'outputTokens': 9,"
                    " 'estimated': true}",
                    &e),
              "%s", defect.text);
    cr_assert(e.usage.estimated);
}

Test(store_event, a_side_without_a_count_is_known_by_its_bytes_and_parts_need_their_whole)
{
    static const struct {
        const char *fields;
        unsigned uncounted;
        uint64_t sent, received, input, output;
    } right[] = {
        {"'inputBytes': 400, 'outputBytes': 90", 3, 400, 90, 0, 0},
        {"'inputTokens': 10, 'outputBytes': 90", 2, 0, 90, 10, 0},
        {"'inputBytes': 400, 'outputTokens': 5", 1, 400, 0, 0, 5},
        {"'inputTokens': 10, 'outputTokens': 5, 'inputBytes': 400, 'outputBytes': 90", 0, 400, 90,
         10, 5},
        {"'inputBytes': 400, 'outputBytes': 0", 1, 400, 0, 0, 0}, /* no text is no tokens */
        {"'inputBytes': 0, 'outputBytes': 0", 0, 0, 0, 0, 0},
        {"'inputTokens': 10, 'cachedInputTokens': 4, 'outputBytes': 1000000000000", 2, 0,
         1000000000000, 6, 0},
        {"'usage': {'prompt_tokens': 10, 'completion_tokens': 5}, 'inputBytes': 400,"
         " 'outputBytes': 90",
         0, 400, 90, 10, 5},
        {"'usage': {'prompt_tokens': 10}, 'outputBytes': 90", 0, 0, 90, 10, 0},
    };
    static const struct {
        const char *fields, *says;
    } wrong[] = {
        {"'inputBytes': 400", "outputTokens is missing (or give usage, or outputBytes)"},
        {"'outputBytes': 400", "inputTokens is missing (or give usage, or inputBytes)"},
        {"'inputTokens': 400", "outputTokens is missing"},
        {"'inputBytes': -1, 'outputBytes': 1", "inputBytes is not a whole number"},
        {"'inputBytes': 1, 'outputBytes': 1000000000001", "outputBytes is not a whole number"},
        {"'inputBytes': 'text', 'outputBytes': 1", "inputBytes is not a whole number"},
        {"'inputBytes': 1, 'outputBytes': 1, 'cachedInputTokens': 1",
         "cachedInputTokens is given without inputTokens"},
        {"'inputBytes': 1, 'outputTokens': 1, 'imageInputTokens': 1",
         "imageInputTokens is given without inputTokens"},
        {"'inputTokens': 1, 'outputBytes': 1, 'reasoningTokens': 1",
         "reasoningTokens is given without outputTokens"},
    };
    struct event e;
    char json[512];
    for (size_t i = 0; i < sizeof right / sizeof right[0]; i++) {
        snprintf(json, sizeof json, "{" CALL ", %s}", right[i].fields);
        cr_assert(parse(EVENT_USAGE, json, &e), "%s: %s", json, defect.text);
        const struct event_usage *u = &e.usage;
        cr_expect_eq(u->uncounted, right[i].uncounted, "%s", json);
        cr_expect_eq(u->bytes[EVENT_SENT], right[i].sent, "%s", json);
        cr_expect_eq(u->bytes[EVENT_RECEIVED], right[i].received, "%s", json);
        cr_expect_eq(u->tokens[EVENT_INPUT], right[i].input, "%s", json);
        cr_expect_eq(u->tokens[EVENT_OUTPUT], right[i].output, "%s", json);
        cr_expect_not(u->estimated, "%s: only who estimates says so", json);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        snprintf(json, sizeof json, "{" CALL ", %s}", wrong[i].fields);
        cr_assert_not(parse(EVENT_USAGE, json, &e), "%s", json);
        cr_expect_not_null(strstr(defect.text, wrong[i].says), "%s: %s", json, defect.text);
    }
}

/* A record of random declared fields with right and wrong values, in a random order. */
static void
random_record(uint64_t *seed, char *json, size_t size)
{
    static const char *const pairs[] = {
        "'id': 'e1'",           "'organizationId': 'o1'", "'userId': 'u'",
        "'type': 'chat'",       "'provider': 'openai'",   "'model': 'gpt-4o'",
        "'inputTokens': 70000", "'outputTokens': 5",
    };
    static const char *const more[] = {
        "'projectId': 'p'",
        "'projectId': ''",
        "'serviceTier': 'flex'",
        "'cachedInputTokens': 3",
        "'cachedInputTokens': 70001",
        "'cacheWriteTokens': 2",
        "'cacheWrite1hTokens': 1",
        "'reasoningTokens': 5",
        "'reasoningTokens': 6",
        "'latencyMs': 12",
        "'latencyMs': 1.5",
        "'status': 'error'",
        "'status': 'ok'",
        "'status': 500",
        "'createdAt': 1795508130500",
        "'createdAt': '2026-11-24T08:15:30Z'",
        "'createdAt': 'today'",
        "'estimated': true",
        "'metadata': {'a': 1}",
        "'region': 'us'",
        "'webSearches': 1",
        "'audioInputTokens': 1",
        "'inputTokens': 7",
        "'provider': 'anthropic'",
        "'prompt': 'secret'",
        "'userId': null",
        "'outputTokens': -1",
        "'model': 5",
        "'inputTokens': 70000.0",
        "'usage': {'x': 1}",
        "'inputBytes': 9",
        "'outputBytes': 1000000000001",
    };
    size_t n = 0;
    json[n++] = '{';
    uint64_t first = random_next(seed) % 8;
    for (size_t i = 0; i < 8; i++) {
        /* Now and then one is missing. */
        if (random_next(seed) % 40 != 0)
            n += (size_t)snprintf(json + n, size - n, "%s%s", n > 1 ? ", " : "",
                                  pairs[(first + i) % 8]);
    }
    for (uint64_t extra = random_next(seed) % 4; extra > 0; extra--)
        n += (size_t)snprintf(json + n, size - n, "%s%s", n > 1 ? ", " : "",
                              more[random_next(seed) % (sizeof more / sizeof more[0])]);
    snprintf(json + n, size - n, "}");
}

Test(store_event, the_short_way_for_plain_usage_says_what_the_general_parser_says)
{
    uint64_t seed = 11;
    int plain = 0, wrong = 0;
    for (int i = 0; i < 20000; i++) {
        char json[1024];
        struct event a, b;
        random_record(&seed, json, sizeof json);
        buf_clear(&record);
        record = record_of_json(json);
        struct mp m = mp_of(bytes_of_buf(&record)), n = m;
        bool any = event_parse_any(EVENT_USAGE, &m, entry_ms, i % 2 == 0, &a, &defect);
        wrong += !any;
        if (!event_parse_plain(&n, entry_ms, i % 2 == 0, &b)) {
            cr_assert_eq(n.p, record.data, "it stays where it was");
            continue;
        }
        plain++;
        cr_assert(any, "%s: %s", json, defect.text);
        cr_assert_eq(m.p, n.p);
        cr_assert(same_event(&a, &b), "%s", json);
    }
    cr_assert_gt(plain, 5000);
    cr_assert_gt(wrong, 3000);
}
