#include <inttypes.h>
#include <string.h>

#include "store/base/file.h"
#include "store/base/print.h"
#include "store/base/time.h"
#include "store/cmd.h"
#include "store/log/check.h"

enum { FAULTS_SHOWN_MAX = 1000 };

/* One run: sums by stream, and what was wrong. */
struct verify {
    struct print p;
    bool by_day;
    struct log_checked sums[LOG_STREAMS];
    uint64_t faults, lost[LOG_STREAMS];
    int64_t start_ns;
};

static const char *const stream_names[LOG_STREAMS] = {"events", "quarantine"};

static void
print_checked(struct verify *v, const struct log_checked *c)
{
    char chain[HASH_SHA256_TEXT_BYTES] = "", day[TIME_TEXT_BYTES];
    if (c->frames > 0)
        hash_hex(c->chain, HASH_SHA256_BYTES, chain);
    if (v->by_day) {
        time_format_day(c->day, day);
        print_text(&v->p, str_of(day));
    }
    print_text(&v->p, str_of(stream_names[c->stream]));
    print_whole(&v->p, c->events);
    print_whole(&v->p, c->frames);
    print_whole(&v->p, c->last_seq);
    print_text(&v->p, str_of(chain));
}

static void
see_checked(void *context, const struct log_checked *c)
{
    struct verify *v = context;
    struct log_checked *sum = &v->sums[c->stream];
    if (c->events > 0) {
        sum->events += c->events;
        sum->frames += c->frames;
        sum->raw_bytes += c->raw_bytes;
        sum->last_seq = c->last_seq;
        memcpy(sum->chain, c->chain, sizeof sum->chain);
        if (v->by_day)
            print_checked(v, c);
    }
}

static void
see_fault(void *context, const struct log_fault *f)
{
    struct verify *v = context;
    if (f->lost_from > 0)
        v->lost[f->stream] += f->lost_to - f->lost_from + 1;
    if (++v->faults > FAULTS_SHOWN_MAX)
        return;
    fprintf(stderr, "gbill log verify: %s", f->path);
    if (f->stream < LOG_STREAMS)
        fprintf(stderr, ": %s", stream_names[f->stream]);
    if (f->frame > 0)
        fprintf(stderr, ": frame %" PRIu64, f->frame);
    fprintf(stderr, ": %s", f->text);
    if (f->lost_from > 0)
        fprintf(stderr, "; %" PRIu64 " events cannot be read: %" PRIu64 " to %" PRIu64,
                f->lost_to - f->lost_from + 1, f->lost_from, f->lost_to);
    fputc('\n', stderr);
}

/* What has been checked, how fast, and what came of it. */
static enum err_code
conclude(const struct verify *v, bool json, struct err *err)
{
    uint64_t raw = v->sums[LOG_EVENTS].raw_bytes + v->sums[LOG_QUARANTINE].raw_bytes;
    uint64_t us = (uint64_t)(clock_monotonic_ns() - v->start_ns) / 1000 + 1;
    if (v->faults > FAULTS_SHOWN_MAX)
        fprintf(stderr, "gbill log verify: and %" PRIu64 " more\n", v->faults - FAULTS_SHOWN_MAX);
    if (v->faults > 0)
        return err_set(err, ERR_CORRUPT,
                       "%" PRIu64 " faults; %" PRIu64 " events and %" PRIu64
                       " of the quarantine cannot be read; restore the days named from a backup "
                       "(gbill log restore)",
                       v->faults, v->lost[LOG_EVENTS], v->lost[LOG_QUARANTINE]);
    if (!json)
        printf("Every checksum, every chain link and every event is as it was written.\n"
               "%" PRIu64 ".%" PRIu64 " MB of events in %" PRIu64 ".%03" PRIu64 " s: %" PRIu64
               " MB/s\n",
               raw / 1000000, raw / 100000 % 10, us / 1000000, us / 1000 % 1000, raw / us);
    return ERR_OK;
}

static enum err_code
run_verify(struct cli *cli, struct err *err)
{
    static const struct print_column columns[] = {{"day", PRINT_TEXT},      {"stream", PRINT_TEXT},
                                                  {"events", PRINT_WHOLE},  {"frames", PRINT_WHOLE},
                                                  {"lastSeq", PRINT_WHOLE}, {"chain", PRINT_TEXT}};
    bool json = conf_flag(&cli->conf, "json");
    struct verify v = {.by_day = conf_flag(&cli->conf, "days"), .start_ns = clock_monotonic_ns()};
    size_t skip = v.by_day ? 0 : 1;
    char directory[FILE_PATH_BYTES_MAX];
    uint64_t faults;
    enum err_code code = file_path(directory, conf_data_dir(&cli->conf), "log", err);
    if (code != ERR_OK)
        return code;
    struct log_check check = {.directory = directory,
                              .threads = (unsigned)conf_int(&cli->conf, "threads"),
                              .context = &v,
                              .fault = see_fault,
                              .checked = see_checked};
    print_begin(&v.p, stdout, json ? PRINT_JSON : PRINT_TABLE, columns + skip,
                CLI_COUNT(columns) - skip);
    code = log_check(&check, &faults, err);
    for (int s = 0; code == ERR_OK && !v.by_day && s < LOG_STREAMS; s++) {
        v.sums[s].stream = (enum log_stream)s;
        print_checked(&v, &v.sums[s]);
    }
    print_end(&v.p);
    return code == ERR_OK ? conclude(&v, json, err) : code;
}

static const struct conf_opt verify_opts[] = {
    CONF_ROW_DATA,
    {"days", NULL, CONF_FLAG, NULL, 0, 0, "false", false,
     "one line per UTC day of receipt, with the chain at its end"},
    {"threads", NULL, CONF_INT, "N", 0, 16, "0", false, "0: one for each processor"},
    CONF_ROW_JSON,
};

const struct cli_cmd cmd_log_verify = {
    .name = "log verify",
    .args = "",
    .opts = verify_opts,
    .opt_count = CLI_COUNT(verify_opts),
    .run = run_verify,
    .summary = "re-check every page, checksum, chain link and event",
    .help =
        "Reads the whole log, sealed or not, and checks every page of its files, every frame's\n"
        "checksum, that its SHA-256 chain follows from the frame before and from its events,\n"
        "that sequence numbers have no gap, and that every event can be read.  Each fault is\n"
        "told with its file and frame and with the events that are lost, and the rest is\n"
        "checked all the same; the exit status is then 12.  It may run beside the agent.\n"
        "\n"
        "Keep the printed chain elsewhere: it changes if any byte before it changes, and it is\n"
        "the same before and after a day is sealed.  With --days the chains at the end of each\n"
        "day, to compare with the roots that gbill audit --roots wrote, or that stand in\n"
        "Postgres (billing.log_days).\n",
};
