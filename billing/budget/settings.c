#include "billing/budget/settings.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "store/event/mp.h"

static const uint32_t default_percents[] = {50, 80, 100};

enum { PAUSE_PERCENT_DEFAULT = 100 };

static void
complain(char complaint[SETTINGS_COMPLAINT_BYTES], const char *what)
{
    if (complaint[0] == '\0')
        snprintf(complaint, SETTINGS_COMPLAINT_BYTES, "%s", what);
}

static bool
percent_of(const struct mp_value *value, uint32_t *ret)
{
    uint64_t whole;
    if (!mp_whole(value, &whole) || whole == 0 || whole > SETTINGS_PERCENT_MAX)
        return false;
    *ret = (uint32_t)whole;
    return true;
}

static void
remove_mark(struct budget_month *m, size_t i)
{
    m->mark_count--;
    memmove(&m->marks[i], &m->marks[i + 1], (m->mark_count - i) * sizeof m->marks[0]);
}

/* The mark of a percentage, in its place; NULL when there is no room. */
static struct budget_mark *
mark_at(struct budget_month *m, uint32_t percent)
{
    size_t i = 0;
    while (i < m->mark_count && m->marks[i].percent < percent)
        i++;
    if (i < m->mark_count && m->marks[i].percent == percent)
        return &m->marks[i];
    if (m->mark_count == BUDGET_MARKS_MAX)
        return NULL;
    memmove(&m->marks[i + 1], &m->marks[i], (m->mark_count - i) * sizeof m->marks[0]);
    m->mark_count++;
    m->marks[i] = (struct budget_mark){.percent = percent};
    return &m->marks[i];
}

static size_t
listed_count(const struct budget_month *m)
{
    size_t n = 0;
    for (size_t i = 0; i < m->mark_count; i++)
        n += m->marks[i].listed;
    return n;
}

static void
list_threshold(struct budget_month *m, uint32_t percent, struct str name,
               char complaint[SETTINGS_COMPLAINT_BYTES])
{
    if (listed_count(m) == SETTINGS_THRESHOLDS_MAX) {
        complain(complaint, "alertThresholds has more than 32; the others are left out");
        return;
    }
    struct budget_mark *mark = mark_at(m, percent);
    assert(mark != NULL); /* half of the room is for those that are no longer listed */
    if (mark->listed)
        return; /* two names for one percentage: the first */
    mark->listed = true;
    snprintf(mark->name, sizeof mark->name, "%.*s", STR_ARG(name));
}

/* Names are cut by bytes nowhere: a longer one is left out, the threshold is not. */
static struct str
short_name(struct str name)
{
    return name.size_bytes <= ALERT_NAME_BYTES_MAX ? name : (struct str){0};
}

static void
read_thresholds(struct bytes msgpack, struct budget_month *m,
                char complaint[SETTINGS_COMPLAINT_BYTES])
{
    static const char bad[] =
        "alertThresholds has an entry that is no whole percentage from 1 to 1000; it is left out";
    struct mp at = mp_of(msgpack);
    struct mp_value head = {0}, key = {0}, value = {0};
    bool ok = mp_read(&at, &head);
    for (uint32_t i = 0; ok && i < head.count; i++) {
        struct str name = {0};
        uint32_t percent = 0;
        if (head.type == MP_MAP) {
            ok = mp_read(&at, &key);
            name = ok && key.type == MP_STR ? mp_str(&key) : name;
        }
        struct mp peek = at;
        ok = ok && mp_read(&peek, &value) && mp_skip(&at);
        if (ok && !percent_of(&value, &percent))
            complain(complaint, bad);
        else if (ok && head.type == MP_MAP && str_is(name, "forecast"))
            m->forecast_percent = percent;
        else if (ok)
            list_threshold(m, percent, short_name(name), complaint);
    }
}

static void
read_auto_limits(struct bytes msgpack, struct budget_month *m,
                 char complaint[SETTINGS_COMPLAINT_BYTES])
{
    struct mp at = mp_of(msgpack);
    struct mp_value head = {0}, key = {0}, value = {0};
    uint32_t percent = PAUSE_PERCENT_DEFAULT;
    bool enabled = false, ok = mp_read(&at, &head);
    if (ok && head.type != MP_MAP) {
        complain(complaint, "autoLimits is no map such as {\"enabled\": true, \"pauseAt\": 100}; "
                            "nothing is paused");
        return;
    }
    for (uint32_t i = 0; ok && i < head.count; i++) {
        ok = mp_read(&at, &key);
        struct mp peek = at;
        ok = ok && mp_read(&peek, &value) && mp_skip(&at);
        if (!ok || key.type != MP_STR)
            continue;
        if (str_is(mp_str(&key), "enabled"))
            enabled = value.type == MP_BOOL && value.b;
        else if (str_is(mp_str(&key), "pauseAt") && !percent_of(&value, &percent))
            complain(complaint, "autoLimits.pauseAt is no whole percentage from 1 to 1000; 100 is "
                                "taken");
    }
    m->pause_percent = enabled ? percent : 0;
}

void
settings_apply(const struct budget *budget, struct budget_month *month,
               char complaint[SETTINGS_COMPLAINT_BYTES])
{
    complaint[0] = '\0';
    month->has_monthly = budget->has_monthly;
    month->monthly_minor = budget->monthly_minor;
    month->pause_percent = month->forecast_percent = 0;
    for (size_t i = month->mark_count; i-- > 0;) {
        month->marks[i].listed = false;
        if (!month->marks[i].reported)
            remove_mark(month, i);
    }
    /* What was reported and is no longer listed is remembered while there is room. */
    for (size_t i = month->mark_count; month->mark_count > SETTINGS_THRESHOLDS_MAX; i--)
        remove_mark(month, i - 1);
    if (budget->thresholds.size_bytes > 0) {
        read_thresholds(budget->thresholds, month, complaint);
    } else {
        for (size_t i = 0; i < sizeof default_percents / sizeof default_percents[0]; i++)
            list_threshold(month, default_percents[i], (struct str){0}, complaint);
    }
    if (budget->limits.size_bytes > 0)
        read_auto_limits(budget->limits, month, complaint);
}
