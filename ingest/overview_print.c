#include <inttypes.h>
#include <string.h>

#include "ingest/overview.h"
#include "store/base/print.h"
#include "store/base/time.h"

enum { TEXT_BYTES = 48, LONG_S = 10 * 365 * 86400 };

/* ---- amounts for a person ---- */

/* 1,234,567 */
static const char *
count_text(uint64_t n, char text[TEXT_BYTES])
{
    char digits[24];
    int have = snprintf(digits, sizeof digits, "%" PRIu64, n), put = 0;
    for (int i = 0; i < have; i++) {
        if (i > 0 && (have - i) % 3 == 0)
            text[put++] = ',';
        text[put++] = digits[i];
    }
    text[put] = '\0';
    return text;
}

static const char *
bytes_text(uint64_t n, char text[TEXT_BYTES])
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    size_t unit = 0;
    double left = (double)n;
    for (; left >= 1024; unit++)
        left /= 1024;
    snprintf(text, TEXT_BYTES, "%.*f %s", unit > 0 ? 1 : 0, left, units[unit]);
    return text;
}

/* 850 us, 3.2 ms, 4.5 s, 12 min, 3 h 20 min, 5 d 4 h */
static const char *
time_text(uint64_t ns, char text[TEXT_BYTES])
{
    uint64_t us = ns / 1000, s = us / 1000000;
    if (us < 1000)
        snprintf(text, TEXT_BYTES, "%" PRIu64 " us", us);
    else if (us < 1000000)
        snprintf(text, TEXT_BYTES, "%" PRIu64 ".%" PRIu64 " ms", us / 1000, us / 100 % 10);
    else if (s < 120)
        snprintf(text, TEXT_BYTES, "%" PRIu64 ".%" PRIu64 " s", s, us / 100000 % 10);
    else if (s < 7200)
        snprintf(text, TEXT_BYTES, "%" PRIu64 " min", s / 60);
    else if (s < 2 * TIME_DAY_S)
        snprintf(text, TEXT_BYTES, "%" PRIu64 " h %" PRIu64 " min", s / 3600, s / 60 % 60);
    else
        snprintf(text, TEXT_BYTES, "%" PRIu64 " d %" PRIu64 " h", s / TIME_DAY_S, s / 3600 % 24);
    return text;
}

/* "<= 400 us": a histogram knows no more than the bucket. */
static const char *
quantile_text(const struct figures_histogram *h, unsigned permille, char text[TEXT_BYTES])
{
    char inner[TEXT_BYTES];
    uint64_t ns = figures_quantile(h, FIGURES_FIRST_NS, permille);
    if (ns == UINT64_MAX)
        snprintf(text, TEXT_BYTES, "> %s",
                 time_text((uint64_t)FIGURES_FIRST_NS << (FIGURES_BUCKETS - 1), inner));
    else
        snprintf(text, TEXT_BYTES, "<= %s", time_text(ns, inner));
    return text;
}

/* ---- for a person ---- */

static void
print_times(const char *label, const struct figures_histogram *h, FILE *out)
{
    char p50[TEXT_BYTES], p99[TEXT_BYTES], mean[TEXT_BYTES];
    uint64_t count = figures_count(h);
    if (count == 0)
        fprintf(out, "  %-12snone yet\n", label);
    else
        fprintf(out, "  %-12sp50 %s, p99 %s, mean %s\n", label, quantile_text(h, 500, p50),
                quantile_text(h, 990, p99), time_text(h->sum / count, mean));
}

/* Between two looks, or over the agent's life; a restart in between begins anew. */
static void
print_rates(const struct overview *v, const struct overview *before, FILE *out)
{
    const struct figures *f = &v->agent, *then = before != NULL ? &before->agent : NULL;
    char events[TEXT_BYTES], bytes[TEXT_BYTES];
    bool since = then != NULL && before->agent_answers && then->start_time_ns == f->start_time_ns &&
                 f->events >= then->events;
    int64_t from_ms = since ? before->now_utc_ms : (int64_t)(f->start_time_ns / 1000000);
    int64_t ms = v->now_utc_ms - from_ms;
    if (ms <= 0)
        return;
    uint64_t n = f->events - (since ? then->events : 0);
    uint64_t b = f->received_bytes - (since ? then->received_bytes : 0);
    fprintf(out, "  %-12s%s events/s, %s/s%s\n", "rate",
            count_text(n * 1000 / (uint64_t)ms, events), bytes_text(b * 1000 / (uint64_t)ms, bytes),
            since ? "" : " since it began");
}

static void
print_agent(const struct overview *v, const struct overview *before, FILE *out)
{
    const struct figures *f = &v->agent;
    char a[TEXT_BYTES], b[TEXT_BYTES], c[TEXT_BYTES], d[TEXT_BYTES], e[TEXT_BYTES];
    uint64_t now_ns = (uint64_t)v->now_utc_ms * 1000000;
    uint64_t up_ns = now_ns > f->start_time_ns ? now_ns - f->start_time_ns : 0;
    uint64_t commits = figures_count(&f->commits.events);
    fprintf(out, "agent         version %s, up %s, %s resident, %s of processor\n", f->version,
            time_text(up_ns, a), bytes_text(f->resident_bytes, b), time_text(f->cpu_ns, c));
    fprintf(out, "  connections %s open of %s; %s accepted, %s refused, %s rejected,",
            count_text(f->connections, a), count_text(f->connections_max, b),
            count_text(f->accepted, c), count_text(f->refused, d), count_text(f->rejected, e));
    fprintf(out, " %s cut\n", count_text(f->cut, a));
    fprintf(out, "  taken       %s events in %s messages, %s\n", count_text(f->events, a),
            count_text(f->messages, b), bytes_text(f->received_bytes, c));
    print_rates(v, before, out);
    fprintf(out, "  quarantined %s (%s record, %s time, %s tag); %s undeclared fields left out\n",
            count_text(f->quarantined_record + f->quarantined_time + f->quarantined_tag, a),
            count_text(f->quarantined_record, b), count_text(f->quarantined_time, c),
            count_text(f->quarantined_tag, d), count_text(f->undeclared, e));
    fprintf(out, "  commits     %s, of %s events in the mean\n", count_text(commits, a),
            count_text(commits > 0 ? f->commits.events.sum / commits : 0, b));
    print_times("flush", &f->commits.flush_ns, out);
    print_times("ack", &f->ack_ns, out);
    fprintf(out, "  stalls      %s behind the commit (%s), %s for want of disk (%s)\n",
            count_text(f->stalls_commit, a), time_text(f->stalled_commit_ns, b),
            count_text(f->stalls_disk_full, c), time_text(f->stalled_disk_full_ns, d));
    if (f->live_checks + f->live_reserves + f->holds > 0)
        fprintf(out, "  limits      %s checks and %s reservations asked for, %s refused; %s held\n",
                count_text(f->live_checks, a), count_text(f->live_reserves, b),
                count_text(f->live_refused, c), count_text(f->holds, d));
}

static void
print_disk(const struct overview *v, FILE *out)
{
    char free_text[TEXT_BYTES], left[TEXT_BYTES], rate[TEXT_BYTES];
    if (v->free_bytes == UINT64_MAX)
        fprintf(out, "disk          free space not known\n");
    else if (v->left_s == UINT64_MAX)
        fprintf(out, "disk          %s free\n", bytes_text(v->free_bytes, free_text));
    else
        fprintf(out, "disk          %s free, for %s at %s a day\n",
                bytes_text(v->free_bytes, free_text),
                v->left_s > LONG_S ? "over ten years" : time_text(v->left_s * 1000000000, left),
                bytes_text(v->growth_bytes_per_day, rate));
}

static void
print_fold(const struct overview *v, FILE *out)
{
    char a[TEXT_BYTES], b[TEXT_BYTES], c[TEXT_BYTES];
    if (!v->folded)
        fprintf(out, "rollup        has not run here yet: %s events wait",
                count_text(v->behind_events, a));
    else if (v->behind_events == 0)
        fprintf(out, "rollup        at %s, the log's end", count_text(v->fold_seq, a));
    else
        fprintf(out, "rollup        at %s, %s events behind", count_text(v->fold_seq, a),
                count_text(v->behind_events, b));
    if (v->oldest_ms > 0)
        fprintf(out, ", the oldest for %s", time_text((uint64_t)v->oldest_ms * 1000000, c));
    fprintf(out, "\n");
    if (!v->folded)
        return;
    if (v->unpriced_events > 0)
        fprintf(out, "unpriced      %s events: add their models to the price book\n",
                count_text(v->unpriced_events, a));
    fprintf(out, "publish       %s rows owed to Postgres\n", count_text(v->owed_rows, a));
}

void
overview_print(const struct overview *overview, const struct overview *before, FILE *out)
{
    const struct overview *v = overview;
    char when[TIME_TEXT_BYTES];
    char a[TEXT_BYTES], b[TEXT_BYTES], c[TEXT_BYTES], d[TEXT_BYTES], e[TEXT_BYTES];
    time_format_ms(v->now_utc_ms - v->now_utc_ms % 1000, when);
    fprintf(out, "state         %s\n", overview_state_name(v->state));
    fprintf(out, "data          %s at %s\n", v->data, when);
    if (v->agent_answers)
        print_agent(v, before, out);
    else
        fprintf(out, "agent         does not answer\n");
    fprintf(out, "log           %s events at %s, %s days, %s; %s in the quarantine\n",
            count_text(v->log.next_seq[LOG_EVENTS] - v->log.first_seq[LOG_EVENTS], a),
            count_text(v->log.next_seq[LOG_EVENTS] - 1, b), count_text(v->log.day_count, c),
            bytes_text(v->log.bytes, d),
            count_text(v->log.next_seq[LOG_QUARANTINE] - v->log.first_seq[LOG_QUARANTINE], e));
    print_disk(v, out);
    print_fold(v, out);
}

/* ---- JSON ---- */

static void
print_json_histogram(const char *name, const struct figures_histogram *h, uint64_t first,
                     const char *unit, FILE *out)
{
    fprintf(out, ",\n    \"%s\": {\"count\": %" PRIu64 ", \"sum%s\": %" PRIu64 ", \"buckets\": [",
            name, figures_count(h), unit, h->sum);
    for (int i = 0; i < FIGURES_BUCKETS; i++)
        fprintf(out, "{\"le%s\": %" PRIu64 ", \"count\": %" PRIu64 "}, ", unit, first << i,
                h->buckets[i]);
    fprintf(out, "{\"le%s\": null, \"count\": %" PRIu64 "}]}", unit, h->buckets[FIGURES_BUCKETS]);
}

/* start_time_ns is "startTimeNs". */
static void
print_json_figure(void *context, const char *field, uint64_t value)
{
    FILE *out = context;
    fputs(",\n    \"", out);
    for (const char *p = field; *p != '\0'; p++) {
        if (*p == '_' && p[1] >= 'a' && p[1] <= 'z')
            fputc(*++p - 'a' + 'A', out);
        else
            fputc(*p, out);
    }
    fprintf(out, "\": %" PRIu64, value);
}

static void
print_json_agent(const struct figures *f, FILE *out)
{
    fprintf(out, "  \"agent\": {\n    \"version\": ");
    print_json_text(out, str_of(f->version));
    figures_each(f, print_json_figure, out);
    print_json_histogram("flush", &f->commits.flush_ns, FIGURES_FIRST_NS, "Ns", out);
    print_json_histogram("ack", &f->ack_ns, FIGURES_FIRST_NS, "Ns", out);
    print_json_histogram("commitEvents", &f->commits.events, FIGURES_FIRST_COUNT, "Events", out);
    fprintf(out, "\n  },\n");
}

/* A number, or null for what is not known. */
static void
print_json_known(const char *name, uint64_t value, FILE *out)
{
    if (value == UINT64_MAX)
        fprintf(out, "\"%s\": null", name);
    else
        fprintf(out, "\"%s\": %" PRIu64, name, value);
}

void
overview_print_json(const struct overview *overview, FILE *out)
{
    const struct overview *v = overview;
    char when[TIME_TEXT_BYTES];
    time_format_ms(v->now_utc_ms, when);
    fprintf(out, "{\n  \"state\": \"%s\",\n  \"reason\": ", overview_state_name(v->state));
    print_json_text(out, str_of(v->state == OVERVIEW_OK ? "" : v->why.text));
    fprintf(out, ",\n  \"time\": \"%s\",\n  \"data\": ", when);
    print_json_text(out, str_of(v->data));
    fprintf(out, ",\n");
    if (v->agent_answers)
        print_json_agent(&v->agent, out);
    else
        fprintf(out, "  \"agent\": null,\n");
    fprintf(out,
            "  \"log\": {\"position\": %" PRIu64 ", \"quarantinePosition\": %" PRIu64
            ", \"firstSeq\": %" PRIu64 ", \"firstQuarantineSeq\": %" PRIu64
            ", \"days\": %zu, \"bytes\": %" PRIu64 "},\n",
            v->log.next_seq[LOG_EVENTS] - 1, v->log.next_seq[LOG_QUARANTINE] - 1,
            v->log.first_seq[LOG_EVENTS], v->log.first_seq[LOG_QUARANTINE], v->log.day_count,
            v->log.bytes);
    fprintf(out, "  \"disk\": {");
    print_json_known("freeBytes", v->free_bytes, out);
    fprintf(out, ", \"growthBytesPerDay\": %" PRIu64 ", ", v->growth_bytes_per_day);
    print_json_known("leftSeconds", v->left_s, out);
    fprintf(out,
            "},\n  \"rollup\": {\"position\": %" PRIu64 ", \"behindEvents\": %" PRIu64
            ", \"oldestMs\": %" PRId64 ", \"unpricedEvents\": %" PRIu64
            "},\n  \"publish\": {\"owedRows\": %" PRIu64 "}\n}\n",
            v->fold_seq, v->behind_events, v->oldest_ms, v->unpriced_events, v->owed_rows);
}

/* ---- Prometheus ---- */

static bool
write_gauge(struct buf *out, const char *name, const char *help, const char *labels, uint64_t value)
{
    return (help == NULL || buf_printf(out, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name)) &&
           buf_printf(out, "%s%s %" PRIu64 "\n", name, labels, value);
}

bool
overview_write_prometheus(const struct overview *overview, struct buf *out)
{
    const struct overview *v = overview;
    bool ok = !v->agent_answers || buf_append(out, v->agent_text.data, v->agent_text.size_bytes);
    ok = ok &&
         write_gauge(out, "gbill_agent_up", "1 when the agent answers.", "", v->agent_answers) &&
         write_gauge(out, "gbill_log_position", "The last sequence number of a stream of the log.",
                     "{stream=\"events\"}", v->log.next_seq[LOG_EVENTS] - 1) &&
         write_gauge(out, "gbill_log_position", NULL, "{stream=\"quarantine\"}",
                     v->log.next_seq[LOG_QUARANTINE] - 1) &&
         write_gauge(out, "gbill_log_days", "Day files of the log.", "", v->log.day_count) &&
         write_gauge(out, "gbill_log_bytes", "Bytes on the disk of the log.", "", v->log.bytes);
    if (v->free_bytes != UINT64_MAX)
        ok = ok && write_gauge(out, "gbill_disk_free_bytes", "Bytes free for the log.", "",
                               v->free_bytes);
    if (v->left_s != UINT64_MAX)
        ok = ok && write_gauge(out, "gbill_disk_left_seconds",
                               "Time until the disk is full at the log's rate of two days.", "",
                               v->left_s);
    ok = ok &&
         write_gauge(out, "gbill_rollup_position", "The last sequence number rolled up.", "",
                     v->fold_seq) &&
         write_gauge(out, "gbill_rollup_behind_events", "Events of the log not rolled up.", "",
                     v->behind_events) &&
         buf_printf(out,
                    "# HELP gbill_rollup_oldest_seconds Time since the receipt of the oldest event "
                    "not rolled up, 0 when all are.\n"
                    "# TYPE gbill_rollup_oldest_seconds gauge\n"
                    "gbill_rollup_oldest_seconds %" PRId64 ".%03" PRId64 "\n",
                    v->oldest_ms / 1000, v->oldest_ms % 1000) &&
         write_gauge(out, "gbill_unpriced_events", "Events that no price is known for.", "",
                     v->unpriced_events) &&
         write_gauge(out, "gbill_publish_owed_rows", "Rows that Postgres does not have yet.", "",
                     v->owed_rows);
    return ok;
}
