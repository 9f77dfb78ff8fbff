#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ingest/client/gbill.h"
#include "ingest/client_err.h"
#include "ingest/cmd.h"
#include "ingest/replay.h"
#include "ingest/replay_azure.h"
#include "store/base/file.h"
#include "store/base/print.h"
#include "store/base/time.h"
#include "store/event/event.h"

enum {
    BAD_LINES_SHOWN_MAX = 20,
    INVALID_SHOWN_MAX = 3,
    WAIT_STEP_MS = 200,
    SHOW_EVERY_EVENTS = 256, /* how often the clock is looked at for the progress line */
};

#define NS_PER_S ((int64_t)1000000000)
#define SHOW_EVERY_NS (NS_PER_S / 5)

/* One run of the command. */
struct sender {
    const struct conf *conf;
    struct gbill *client;
    struct replay_options replay;
    struct replay_shift shift;
    bool is_tty; /* stderr shows progress */
    bool is_line_open;
    int64_t start_ns, shown_ns;
    int64_t progress_ns;      /* when an ack was last seen ... */
    uint64_t progress_events; /* ... and how many events were acknowledged then */
    uint64_t tracked;
    uint64_t bad_lines; /* not sent */
    uint64_t invalid;   /* sent, but the agent will quarantine them */
};

static uint64_t
per_second(uint64_t count, int64_t elapsed_ns)
{
    uint64_t elapsed_us = (uint64_t)elapsed_ns / 1000;
    return elapsed_us > 0 ? count * 1000000 / elapsed_us : 0;
}

static struct gbill_check
stats_of(const struct sender *s)
{
    struct gbill_check stats = {0};
    /* The numbers are asked for here; how the agent does shows in the calls that wait for it. */
    (void)!gbill_check(s->client, &stats);
    return stats;
}

static void
show_progress(struct sender *s)
{
    int64_t now_ns = clock_monotonic_ns();
    if (!s->is_tty || now_ns - s->shown_ns < SHOW_EVERY_NS)
        return;
    struct gbill_check stats = stats_of(s);
    s->shown_ns = now_ns;
    s->is_line_open = true;
    fprintf(stderr, "\r\033[K%" PRIu64 " events, %" PRIu64 " acknowledged, %" PRIu64 " events/s",
            stats.events_taken, stats.events_acked,
            per_second(stats.events_acked, now_ns - s->start_ns));
    fflush(stderr);
}

/* Begin a message of its own on stderr. */
static void
end_progress(struct sender *s)
{
    if (s->is_line_open)
        fputs("\r\033[K", stderr);
    s->is_line_open = false;
}

static void
note_bad_line(struct sender *s, const char *text)
{
    s->bad_lines++;
    end_progress(s);
    if (s->bad_lines <= BAD_LINES_SHOWN_MAX)
        fprintf(stderr, "gbill send: skipped %s\n", text);
    if (s->bad_lines == BAD_LINES_SHOWN_MAX)
        fputs("gbill send: further bad lines are counted, not shown\n", stderr);
}

/* The agent will say so in its quarantine; here the line is still known. */
static void
note_invalid(struct sender *s, const struct replay *file, const struct replay_event *e,
             int64_t now_utc_ms)
{
    struct event event;
    struct event_defect defect;
    if (event_parse(e->kind, e->record, e->utc_ms, &event, &defect) &&
        event_time_ok(&event, now_utc_ms, &defect))
        return;
    s->invalid++;
    if (s->invalid > INVALID_SHOWN_MAX)
        return;
    end_progress(s);
    fprintf(stderr, "gbill send: %s:%" PRIu64 ": %s: it is sent, and goes to the quarantine\n",
            replay_name(file), e->line, defect.text);
}

/* Sleep until event number count is due. */
static void
keep_rate(struct sender *s, uint64_t count)
{
    uint64_t rate = (uint64_t)conf_int(s->conf, "rate");
    if (rate == 0)
        return;
    int64_t due_ns = s->start_ns + (int64_t)(count / rate) * NS_PER_S +
                     (int64_t)(count % rate * (uint64_t)NS_PER_S / rate);
    for (;;) {
        int64_t left_ms = (due_ns - clock_monotonic_ns()) / 1000000;
        if (left_ms <= 0)
            return;
        show_progress(s);
        poll(NULL, 0, left_ms < 100 ? (int)left_ms : 100);
    }
}

/* An error of the client's is one of ours, by its exit status. */
typedef enum gbill_code wait_call(struct gbill *client, uint32_t timeout_ms, struct gbill_err *err);

/* Wait in small steps until it has succeeded, or nothing is acknowledged for --timeout. */
static enum err_code
wait_for(struct sender *s, wait_call *call, struct err *err)
{
    int64_t timeout_ns = conf_int(s->conf, "timeout") * NS_PER_S;
    struct gbill_err why;
    s->progress_ns = clock_monotonic_ns();
    while (call(s->client, WAIT_STEP_MS, &why) != GBILL_OK) {
        struct gbill_check stats = stats_of(s);
        int64_t now_ns = clock_monotonic_ns();
        show_progress(s);
        if (stats.events_acked != s->progress_events) {
            s->progress_events = stats.events_acked;
            s->progress_ns = now_ns;
        } else if (now_ns - s->progress_ns >= timeout_ns) {
            return err_set(err, ERR_PEER,
                           "the agent acknowledged nothing for %" PRId64 " s (%s), %" PRIu64
                           " events are not acknowledged; see that gbill-agent runs and its disk "
                           "is not full, then send them again",
                           timeout_ns / NS_PER_S,
                           stats.trouble[0] != '\0' ? stats.trouble : "it is connected",
                           stats.events_taken - stats.events_acked);
        }
    }
    return ERR_OK;
}

static enum err_code
track(struct sender *s, const struct replay_event *e, struct err *err)
{
    struct gbill_err why;
    for (;;) {
        enum gbill_code code = gbill_track_record(s->client, event_kind_name(e->kind), e->utc_ms,
                                                  e->record.data, e->record.size_bytes, &why);
        if (code != GBILL_FULL)
            return client_err(code, &why, err);
        enum err_code waited = wait_for(s, gbill_wait, err);
        if (waited != ERR_OK)
            return waited;
    }
}

static enum err_code
send_event(struct sender *s, const struct replay *file, const struct replay_event *e,
           const struct clock *clock, struct err *err)
{
    keep_rate(s, s->tracked);
    if (s->tracked % SHOW_EVERY_EVENTS == 0)
        show_progress(s);
    enum err_code code = track(s, e, err);
    if (code == ERR_INPUT)
        return err_wrap(err, code, "%s:%" PRIu64, replay_name(file), e->line);
    if (code != ERR_OK)
        return code;
    s->tracked++;
    note_invalid(s, file, e, clock_now_ms(clock));
    return ERR_OK;
}

/* Everything before the bad line shall be in the log before the line is complained of. */
static enum err_code
stop_at_bad_line(struct sender *s, struct err *err)
{
    char line[ERR_TEXT_BYTES_MAX];
    snprintf(line, sizeof line, "%s", err->text);
    s->bad_lines++;
    enum err_code code = wait_for(s, gbill_flush, err);
    if (code != ERR_OK) {
        end_progress(s);
        fprintf(stderr, "gbill send: stopped at %s\n", line);
        return code;
    }
    return err_set(err, ERR_INPUT,
                   "%s; the %" PRIu64 " events before it are in the log; mend the line and send "
                   "the file again (nothing is counted twice), or use --skip-bad",
                   line, stats_of(s).events_acked);
}

static enum err_code
send_lines(struct sender *s, struct replay *file, const struct clock *clock, struct err *err)
{
    for (;;) {
        struct replay_event event;
        enum err_code code = replay_next(file, &event, err);
        if (code == ERR_OK && event.end)
            return ERR_OK;
        if (code == ERR_OK)
            code = send_event(s, file, &event, clock, err);
        if (code == ERR_INPUT && conf_flag(s->conf, "skip-bad")) {
            note_bad_line(s, err->text);
            continue;
        }
        if (code == ERR_INPUT)
            return stop_at_bad_line(s, err);
        if (code != ERR_OK)
            return code;
    }
}

/* The format of one file: as told, else by its name. */
static enum err_code
find_format(const struct conf *conf, const char *path, enum replay_format *ret, struct err *err)
{
    const char *told = conf_text(conf, "format");
    if (told != NULL)
        return replay_format_find(str_of(told), ret)
                   ? ERR_OK
                   : err_set(err, ERR_USAGE, "--format is \"%s\", must be jsonl, csv or azure-llm",
                             told);
    if (replay_format_of_path(path, ret))
        return ERR_OK;
    return err_set(err, ERR_USAGE,
                   "%s: its name does not end in .jsonl, .ndjson or .csv; say --format jsonl, csv "
                   "or azure-llm",
                   strcmp(path, "-") == 0 ? "standard input" : path);
}

static enum err_code
send_file(struct sender *s, const char *path, const struct clock *clock, struct err *err)
{
    struct replay *file = NULL;
    struct replay_options options = s->replay;
    enum err_code code = find_format(s->conf, path, &options.format, err);
    if (code == ERR_OK)
        code = replay_open(&file, path, &options, err);
    if (code != ERR_OK)
        return code;
    if (replay_unused_columns(file)[0] != '\0') {
        end_progress(s);
        fprintf(stderr, "gbill send: %s: not sent, since no field takes them: columns %s\n", path,
                replay_unused_columns(file));
    }
    code = send_lines(s, file, clock, err);
    replay_close(file);
    return code;
}

/* Missing files and wrong names shall show before anything is sent. */
static enum err_code
check_files(const struct conf *conf, struct err *err)
{
    for (size_t i = 0; i < conf->arg_count; i++) {
        enum replay_format format;
        const char *path = conf->args[i];
        enum err_code code = find_format(conf, path, &format, err);
        if (code != ERR_OK)
            return code;
        if (strcmp(path, "-") != 0 && access(path, R_OK) != 0)
            return err_set_errno(err, errno, "cannot open %s", path);
    }
    return ERR_OK;
}

static enum err_code
find_start_day(const struct conf *conf, int64_t *ret_day, struct err *err)
{
    const char *text = conf_text(conf, "start");
    int64_t utc_ms;
    *ret_day = -1;
    if (text == NULL)
        return ERR_OK;
    if (!time_parse(str_of(text), &utc_ms) || utc_ms % TIME_DAY_MS != 0)
        return err_set(err, ERR_USAGE, "--start is \"%s\", must be a date such as 2026-11-01",
                       text);
    *ret_day = utc_ms / TIME_DAY_MS;
    return ERR_OK;
}

/* Find out where the traces go; what cannot be read twice needs to be told. */
static enum err_code
place_traces(struct sender *s, const struct clock *clock, struct err *err)
{
    struct replay_azure_span span = {0};
    struct stat st;
    int64_t start_day;
    enum err_code code = find_start_day(s->conf, &start_day, err);
    bool is_azure = conf_text(s->conf, "format") != NULL &&
                    strcmp(conf_text(s->conf, "format"), "azure-llm") == 0;
    if (code == ERR_OK && start_day >= 0 && !is_azure)
        return err_set(err, ERR_USAGE, "--start is for --format azure-llm only");
    if (code != ERR_OK || !is_azure)
        return code;
    s->shift.start_day = start_day;
    for (size_t i = 0; code == ERR_OK && i < s->conf->arg_count; i++) {
        const char *path = s->conf->args[i];
        bool is_file = strcmp(path, "-") != 0 && stat(path, &st) == 0 && !S_ISFIFO(st.st_mode) &&
                       !S_ISCHR(st.st_mode) && !S_ISSOCK(st.st_mode);
        if (is_file)
            code = replay_azure_scan(path, &span, err);
        else if (start_day < 0)
            return err_set(err, ERR_USAGE,
                           "%s cannot be read twice, so say with --start which day the trace's "
                           "first day becomes",
                           strcmp(path, "-") == 0 ? "standard input" : path);
        else if (s->conf->arg_count > 1)
            return err_set(err, ERR_USAGE, "%s must be the only FILE with --format azure-llm",
                           path);
    }
    if (code != ERR_OK || !span.any)
        return code;
    code = replay_azure_place(&span, start_day, clock_now_ms(clock), &s->shift.days, err);
    s->shift.known = code == ERR_OK;
    s->shift.start_day = span.first_utc_ms / TIME_DAY_MS + s->shift.days;
    return code;
}

static void
tell_place(const struct sender *s)
{
    char first[TIME_TEXT_BYTES];
    if (s->shift.start_day <= 0)
        return;
    time_format_day(s->shift.start_day, first);
    fprintf(stderr, "gbill send: the trace is moved to %s, its first day (--start sets it)\n",
            first);
}

/* Is there an agent at all?  Said at once, and not after --timeout. */
static enum err_code
check_agent(struct sender *s, struct err *err)
{
    struct gbill_check stats;
    enum gbill_code code = gbill_check(s->client, &stats);
    if (code == GBILL_OK)
        return ERR_OK;
    gbill_close(s->client);
    s->client = NULL;
    struct gbill_err why = {.code = code};
    snprintf(why.text, sizeof why.text, "%s", stats.trouble);
    return client_err(code, &why, err);
}

static enum err_code
open_client(struct sender *s, struct err *err)
{
    const struct conf *conf = s->conf;
    char path[FILE_PATH_BYTES_MAX];
    const char *socket = conf_text(conf, "socket");
    if (socket == NULL) {
        enum err_code code = file_path(path, conf_data_dir(conf), "agent.sock", err);
        if (code != ERR_OK)
            return code;
        socket = path;
    }
    const struct gbill_options options = {
        .socket_path = socket,
        .chunk_events = (uint32_t)conf_int(conf, "chunk"),
    };
    struct gbill_err why;
    enum gbill_code code = gbill_open(&s->client, &options, &why);
    if (code != GBILL_OK)
        return client_err(code, &why, err);
    return conf_flag(conf, "wait") ? ERR_OK : check_agent(s, err);
}

static void
print_summary(const struct sender *s, int64_t elapsed_ns)
{
    static const struct print_column columns[] = {
        {"sent", PRINT_WHOLE},           {"acked", PRINT_WHOLE},
        {"chunksResent", PRINT_WHOLE},   {"badLines", PRINT_WHOLE},
        {"toQuarantine", PRINT_WHOLE},   {"elapsedMs", PRINT_WHOLE},
        {"eventsPerSecond", PRINT_WHOLE}};
    struct gbill_check stats = stats_of(s);
    struct print p;
    print_begin(&p, stdout, conf_flag(s->conf, "json") ? PRINT_JSON : PRINT_TABLE, columns,
                CLI_COUNT(columns));
    print_whole(&p, stats.events_taken);
    print_whole(&p, stats.events_acked);
    print_whole(&p, stats.chunks_resent);
    print_whole(&p, s->bad_lines);
    print_whole(&p, s->invalid);
    print_whole(&p, (uint64_t)elapsed_ns / 1000000);
    print_whole(&p, per_second(stats.events_acked, elapsed_ns));
    print_end(&p);
}

static void
print_warnings(const struct sender *s)
{
    if (s->invalid > 0)
        fprintf(stderr,
                "gbill send: to the quarantine, since they break the contract (schemas/event.md): "
                "%" PRIu64 " in all\n",
                s->invalid);
}

static enum err_code
send_all(struct sender *s, struct cli *cli, struct err *err)
{
    s->start_ns = clock_monotonic_ns();
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < cli->conf.arg_count && code == ERR_OK; i++)
        code = send_file(s, cli->conf.args[i], &cli->clock, err);
    /* A file that cannot be read says nothing against the events before it. */
    struct err flush_err;
    enum err_code flush_code = code != ERR_PEER ? wait_for(s, gbill_flush, &flush_err) : ERR_OK;
    if (code == ERR_OK && flush_code != ERR_OK)
        code = err_set(err, flush_code, "%s", flush_err.text);
    int64_t elapsed_ns = clock_monotonic_ns() - s->start_ns;
    end_progress(s);
    print_summary(s, elapsed_ns);
    print_warnings(s);
    if (code == ERR_OK && s->bad_lines > 0)
        code = err_set(err, ERR_INPUT,
                       "%" PRIu64 " bad %s skipped; the %" PRIu64 " other events are in the log",
                       s->bad_lines, s->bad_lines == 1 ? "line was" : "lines were",
                       stats_of(s).events_acked);
    return code;
}

static enum err_code
run(struct cli *cli, struct err *err)
{
    const struct conf *conf = &cli->conf;
    struct sender s = {.conf = conf, .is_tty = isatty(STDERR_FILENO) == 1};
    enum event_kind kind;
    if (!event_kind_find(str_of(conf_text(conf, "kind")), &kind))
        return err_set(err, ERR_USAGE,
                       "--kind is \"%s\", must be usage, resource, subscription, budget, "
                       "adjustment, payment, void, feedback, act or stripe",
                       conf_text(conf, "kind"));
    s.replay = (struct replay_options){.kind = kind,
                                       .map = conf_text(conf, "map"),
                                       .seed = (uint64_t)conf_int(conf, "seed"),
                                       .now_utc_ms = clock_now_ms(&cli->clock),
                                       .shift = &s.shift};
    enum err_code code = check_files(conf, err);
    if (code == ERR_OK)
        code = place_traces(&s, &cli->clock, err);
    if (code == ERR_OK)
        code = open_client(&s, err);
    if (code != ERR_OK)
        return code;
    tell_place(&s);
    code = send_all(&s, cli, err);
    gbill_close(s.client);
    return code;
}

static const struct conf_opt opts[] = {
    CONF_ROW_DATA,
    {"socket", "GBILL_SOCKET", CONF_TEXT, "PATH", 0, 0, NULL, false,
     "the agent's socket (default: agent.sock in the data directory)"},
    {"format", NULL, CONF_TEXT, "NAME", 0, 0, NULL, false,
     "jsonl, csv or azure-llm (default: by the end of the file's name)"},
    {"map", NULL, CONF_TEXT, "FIELD=COLUMN,…", 0, 0, NULL, false,
     "csv: take FIELD from the column of this name"},
    {"kind", NULL, CONF_TEXT, "KIND", 0, 0, "usage", false,
     "kind of the events that do not say it themselves"},
    {"chunk", NULL, CONF_INT, "N", 1, GBILL_CHUNK_EVENTS_MAX, "500", false,
     "events in a chunk, which is acknowledged as a whole"},
    {"start", NULL, CONF_TEXT, "DATE", 0, 0, NULL, false,
     "azure-llm: the day that the trace's first day becomes"},
    {"seed", NULL, CONF_INT, "N", 0, INT64_MAX, "1", false,
     "goes into the ids, and into who is assigned to a trace's calls"},
    {"rate", NULL, CONF_INT, "N", 0, 10000000, "0", false, "events per second; 0: no limit"},
    {"timeout", NULL, CONF_INT, "SECONDS", 1, 3600, "30", false,
     "give up when nothing is acknowledged for so long"},
    {"wait", NULL, CONF_FLAG, NULL, 0, 0, "false", false,
     "wait for an agent that is not there yet"},
    {"skip-bad", NULL, CONF_FLAG, NULL, 0, 0, "false", false,
     "report malformed lines and go on (exit status 4 all the same)"},
    CONF_ROW_JSON,
};

const struct cli_cmd cmd_send = {
    .name = "send",
    .args = "FILE…",
    .args_min = 1,
    .args_max = CONF_ARGS_MAX,
    .opts = opts,
    .opt_count = CLI_COUNT(opts),
    .run = run,
    .summary = "replay files of events into the agent",
    .help =
        "Sends the events of each FILE (\"-\": standard input) to gbill-agent, and ends when all\n"
        "of them are on its disk.  If the agent goes away and comes back, what it had not\n"
        "acknowledged is sent again.\n"
        "\n"
        "jsonl      one JSON object a line, with the fields of schemas/event.md; a key \"kind\"\n"
        "           says what kind of event it is\n"
        "csv        RFC 4180 with a header row; columns are taken by their name, or by --map\n"
        "           userId=customer,inputTokens=tokens_in\n"
        "azure-llm  the traces of Azure/AzurePublicDataset.  Each call is given an organization\n"
        "           (org-01 to org-12), a user, a project, a type, a provider and a model by a\n"
        "           rule that depends on the line and --seed alone (ingest/replay_azure.h).  All\n"
        "           times are moved by whole days: the first day becomes the 1st of this month,\n"
        "           or of the last one if the trace would not lie wholly in the past\n"
        "\n"
        "An event without an id gets one: the first 32 hexadecimal digits of\n"
        "SHA-256(\"SEED:LINE:\" and the line without its line end).  So a file sent twice counts\n"
        "once.  Mend a bad line in place: the numbers of the lines after it must stay.\n",
};
