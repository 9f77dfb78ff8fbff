#include "ingest/figures.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

#define FIGURES_NS ((uint64_t)1000000000)

struct row {
    const char *field, *name, *labels, *help;
    enum figures_type type;
    size_t offset;
};

static const struct row rows[] = {
#define FIGURES_ROW(field, name, labels, type, help) \
    {#field, "gbill_agent_" name, labels, help, FIGURES_##type, offsetof(struct figures, field)},
    FIGURES(FIGURES_ROW)
#undef FIGURES_ROW
};

static const struct {
    const char *name, *help;
    uint64_t first;
    bool seconds;
    size_t offset;
} histograms[] = {
    {"gbill_agent_flush_seconds", "Time to append one commit to the log and flush it.",
     FIGURES_FIRST_NS, true, offsetof(struct figures, commits.flush_ns)},
    {"gbill_agent_ack_seconds", "Time from the first message of a commit to its acks.",
     FIGURES_FIRST_NS, true, offsetof(struct figures, ack_ns)},
    {"gbill_agent_commit_events", "Events in one commit, quarantined ones included.",
     FIGURES_FIRST_COUNT, false, offsetof(struct figures, commits.events)},
};

enum {
    ROW_COUNT = sizeof rows / sizeof rows[0],
    HISTOGRAM_COUNT = sizeof histograms / sizeof histograms[0],
    VALUE_TEXT_BYTES = 40,
    NAME_BYTES_MAX = 96,
};

static bool
in_seconds(enum figures_type type)
{
    return type == FIGURES_COUNTER_S || type == FIGURES_GAUGE_S;
}

static bool
is_counter(enum figures_type type)
{
    return type == FIGURES_COUNTER || type == FIGURES_COUNTER_S;
}

static void
format_value(uint64_t value, bool seconds, char text[VALUE_TEXT_BYTES])
{
    if (seconds)
        snprintf(text, VALUE_TEXT_BYTES, "%" PRIu64 ".%09" PRIu64, value / FIGURES_NS,
                 value % FIGURES_NS);
    else
        snprintf(text, VALUE_TEXT_BYTES, "%" PRIu64, value);
}

/* Bounds are whole tens of microseconds: "0.0001", "3.2768". */
static void
format_bound(uint64_t bound, bool seconds, char text[VALUE_TEXT_BYTES])
{
    format_value(bound, seconds, text);
    size_t n = strlen(text);
    while (seconds && n > 0 && text[n - 1] == '0')
        text[--n] = '\0';
    if (seconds && n > 0 && text[n - 1] == '.')
        text[n - 1] = '\0';
}

static uint64_t
value_of(const struct figures *f, const struct row *row)
{
    uint64_t value;
    memcpy(&value, (const char *)f + row->offset, sizeof value);
    return value;
}

void
figures_each(const struct figures *figures,
             void (*see)(void *context, const char *field, uint64_t value), void *context)
{
    for (size_t i = 0; i < ROW_COUNT; i++)
        see(context, rows[i].field, value_of(figures, &rows[i]));
}

/* ---- writing ---- */

static bool
write_head(struct buf *out, const char *name, const char *help, const char *type)
{
    return buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static bool
write_row(const struct figures *f, const struct row *row, struct buf *out)
{
    char text[VALUE_TEXT_BYTES];
    format_value(value_of(f, row), in_seconds(row->type), text);
    return (row->help[0] == '\0' ||
            write_head(out, row->name, row->help, is_counter(row->type) ? "counter" : "gauge")) &&
           buf_printf(out, "%s%s %s\n", row->name, row->labels, text);
}

static bool
write_histogram(const struct figures *f, size_t which, struct buf *out)
{
    const struct figures_histogram *h = (const void *)((const char *)f + histograms[which].offset);
    const char *name = histograms[which].name;
    bool seconds = histograms[which].seconds;
    bool ok = write_head(out, name, histograms[which].help, "histogram");
    uint64_t below = 0;
    char text[VALUE_TEXT_BYTES];
    for (int i = 0; ok && i < FIGURES_BUCKETS; i++) {
        below += h->buckets[i];
        format_bound(histograms[which].first << i, seconds, text);
        ok = buf_printf(out, "%s_bucket{le=\"%s\"} %" PRIu64 "\n", name, text, below);
    }
    below += h->buckets[FIGURES_BUCKETS];
    format_value(h->sum, seconds, text);
    return ok &&
           buf_printf(out, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n%s_sum %s\n%s_count %" PRIu64 "\n",
                      name, below, name, text, name, below);
}

bool
figures_write(const struct figures *figures, struct buf *out)
{
    bool ok = write_head(out, "gbill_agent_build_info", "The agent's version.", "gauge") &&
              buf_printf(out, "gbill_agent_build_info{version=\"%s\"} 1\n", figures->version);
    for (size_t i = 0; ok && i < ROW_COUNT; i++)
        ok = write_row(figures, &rows[i], out);
    for (size_t i = 0; ok && i < HISTOGRAM_COUNT; i++)
        ok = write_histogram(figures, i, out);
    return ok;
}

/* ---- reading ---- */

/* What stands behind "name " at the beginning of a line. */
static bool
find_sample(struct str text, const char *name, struct str *ret)
{
    size_t n = strlen(name);
    const char *at = text.data, *end = text.data + text.size_bytes;
    while (at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        if (stop == NULL)
            stop = end;
        if ((size_t)(stop - at) > n && memcmp(at, name, n) == 0 && at[n] == ' ') {
            *ret = (struct str){at + n + 1, (size_t)(stop - at) - n - 1};
            return true;
        }
        at = stop + 1;
    }
    return false;
}

/* A number as format_value() writes it; digits behind the ninth decimal are left out. */
static bool
parse_value(struct str s, bool seconds, uint64_t *ret)
{
    uint64_t value = 0, unit = FIGURES_NS;
    size_t i = 0;
    for (; i < s.size_bytes && s.data[i] >= '0' && s.data[i] <= '9'; i++) {
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(s.data[i] - '0'), &value))
            return false;
    }
    bool ok = i > 0;
    if (seconds && __builtin_mul_overflow(value, FIGURES_NS, &value))
        return false;
    if (seconds && i < s.size_bytes && s.data[i] == '.') {
        for (i++; i < s.size_bytes && s.data[i] >= '0' && s.data[i] <= '9'; i++) {
            unit /= 10;
            if (__builtin_add_overflow(value, unit * (uint64_t)(s.data[i] - '0'), &value))
                return false;
        }
    }
    if (!ok || i != s.size_bytes)
        return false;
    *ret = value;
    return true;
}

static uint64_t
read_sample(struct str text, const char *name, const char *labels, bool seconds)
{
    char whole[NAME_BYTES_MAX];
    struct str found;
    uint64_t value = 0;
    snprintf(whole, sizeof whole, "%s%s", name, labels);
    return find_sample(text, whole, &found) && parse_value(found, seconds, &value) ? value : 0;
}

static void
read_histogram(struct str text, size_t which, struct figures *f)
{
    struct figures_histogram h = {.sum = 0};
    char name[NAME_BYTES_MAX], labels[NAME_BYTES_MAX], bound[VALUE_TEXT_BYTES];
    uint64_t before = 0;
    snprintf(name, sizeof name, "%s_bucket", histograms[which].name);
    for (int i = 0; i <= FIGURES_BUCKETS; i++) {
        format_bound(histograms[which].first << i, histograms[which].seconds, bound);
        snprintf(labels, sizeof labels, "{le=\"%s\"}", i < FIGURES_BUCKETS ? bound : "+Inf");
        uint64_t below = read_sample(text, name, labels, false);
        h.buckets[i] = below > before ? below - before : 0;
        before = below > before ? below : before;
    }
    snprintf(name, sizeof name, "%s_sum", histograms[which].name);
    h.sum = read_sample(text, name, "", histograms[which].seconds);
    memcpy((char *)f + histograms[which].offset, &h, sizeof h);
}

bool
figures_read(struct str text, struct figures *ret)
{
    static const char info[] = "gbill_agent_build_info{version=\"";
    struct figures f = {.version = ""};
    const char *at = text.size_bytes > 0 ? memmem(text.data, text.size_bytes, info, sizeof info - 1)
                                         : NULL;
    if (at == NULL)
        return false;
    at += sizeof info - 1;
    for (size_t i = 0; i + 1 < sizeof f.version && at<text.data + text.size_bytes && * at> ' ' &&
                       *at != '"' && *at < 0x7f;)
        f.version[i++] = *at++;
    for (size_t i = 0; i < ROW_COUNT; i++) {
        uint64_t value = read_sample(text, rows[i].name, rows[i].labels, in_seconds(rows[i].type));
        memcpy((char *)&f + rows[i].offset, &value, sizeof value);
    }
    for (size_t i = 0; i < HISTOGRAM_COUNT; i++)
        read_histogram(text, i, &f);
    *ret = f;
    return true;
}

uint64_t
figures_count(const struct figures_histogram *h)
{
    uint64_t count = 0;
    for (int i = 0; i <= FIGURES_BUCKETS; i++)
        count += h->buckets[i];
    return count;
}

uint64_t
figures_quantile(const struct figures_histogram *h, uint64_t first, unsigned permille)
{
    uint64_t count = figures_count(h), below = 0;
    uint64_t want = count / 1000 * permille + (count % 1000 * permille + 999) / 1000;
    if (count == 0)
        return 0;
    for (int i = 0; i < FIGURES_BUCKETS; i++) {
        below += h->buckets[i];
        if (below >= want)
            return first << i;
    }
    return UINT64_MAX;
}
