#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ingest/client/gbill.h"
#include "ingest/client_err.h"
#include "ingest/cmd.h"
#include "store/base/file.h"
#include "store/base/print.h"
#include "store/base/time.h"
#include "store/event/act_tell.h"
#include "store/log/quarantine.h"
#include "store/log/reader.h"
#include "store/log/redriven.h"

/*
 * A quarantined event is judged by the contract as this program knows it.  What
 * passes is sent through the agent's socket like any other: same kind, record and
 * entry time, so same id; the agent judges it again, and the fold counts an id
 * once however often it comes.
 */

enum {
    NOTES_MAX = 4096,
    ACKS_TIMEOUT_MS = 30000,
};

/* What becomes of one. */
enum outcome { FAILS, TOO_OLD, CUT, DONE_BEFORE, SENT, OUTCOMES };

static const char *const outcome_names[OUTCOMES] = {
    [FAILS] = "still breaks the contract",
    [TOO_OLD] = "is older than 35 days: send an adjustment",
    [CUT] = "was cut when it was stored",
    [DONE_BEFORE] = "was sent before",
    [SENT] = "passes",
};

struct redrive {
    const struct conf *conf;
    struct clock clock;
    struct print print;
    struct gbill *client; /* NULL: nothing is sent */
    struct list before;   /* struct redriven */
    int64_t day, number;  /* -1: any */
    uint64_t notes[NOTES_MAX];
    size_t note_count; /* sent, to be noted once they are acknowledged */
    uint64_t counts[OUTCOMES];
};

/* What the record says before it is known to be sound: text fields of its top level. */
static struct str
text_field(struct bytes record, const char *name)
{
    struct mp m = mp_of(record);
    struct mp_value head, key, value;
    if (!mp_read(&m, &head) || head.type != MP_MAP)
        return (struct str){0};
    for (uint32_t i = 0; i < head.count; i++) {
        if (!mp_read(&m, &key) || key.type != MP_STR)
            return (struct str){0};
        struct mp at = m;
        if (str_is(mp_str(&key), name) && mp_read(&at, &value) && value.type == MP_STR)
            return mp_str(&value);
        if (!mp_skip(&m))
            return (struct str){0};
    }
    return (struct str){0};
}

static bool
contains(struct str text, const char *part)
{
    size_t n = strlen(part);
    for (size_t i = 0; n <= text.size_bytes && i <= text.size_bytes - n; i++) {
        if (memcmp(text.data + i, part, n) == 0)
            return true;
    }
    return false;
}

static bool
is_wanted(const struct redrive *r, uint64_t number, int64_t receive_utc_ms,
          const struct quarantined *q)
{
    const char *reason = conf_text(r->conf, "reason"), *org = conf_text(r->conf, "org");
    return (r->number < 0 || (uint64_t)r->number == number) &&
           (r->day < 0 || receive_utc_ms / TIME_DAY_MS == r->day) &&
           (reason == NULL || contains(q->reason, reason)) &&
           (org == NULL || str_is(text_field(q->record, "organizationId"), org));
}

/* Would it enter now?  The kind is what the tag said. */
static enum outcome
judge(const struct redrive *r, const struct quarantined *q, struct event *ret_event,
      struct event_defect *defect)
{
    static const char prefix[] = "gbill.";
    size_t n = sizeof prefix - 1;
    enum event_kind kind;
    if (q->record.size_bytes >= QUARANTINE_BYTES_MAX)
        return CUT;
    if (q->tag.size_bytes < n || memcmp(q->tag.data, prefix, n) != 0 ||
        !event_kind_find((struct str){q->tag.data + n, q->tag.size_bytes - n}, &kind)) {
        event_defect_set(defect, "unknown tag");
        return FAILS;
    }
    if (!event_parse(kind, q->record, q->entry_utc_ms, ret_event, defect))
        return FAILS;
    if (event_time_ok(ret_event, clock_now_ms(&r->clock), defect))
        return SENT;
    return ret_event->time_utc_ms < clock_now_ms(&r->clock) ? TOO_OLD : FAILS;
}

static void
print_one(struct redrive *r, uint64_t number, const struct quarantined *q, enum outcome outcome,
          const struct event_defect *defect)
{
    print_whole(&r->print, number);
    print_text(&r->print, text_field(q->record, "organizationId"));
    print_text(&r->print, text_field(q->record, "id"));
    print_text(&r->print, str_of(outcome != SENT     ? outcome_names[outcome]
                                 : r->client != NULL ? "sent"
                                                     : "would be sent"));
    print_text(&r->print, outcome == FAILS ? str_of(defect->text) : (struct str){0});
}

typedef enum gbill_code wait_call(struct gbill *client, uint32_t timeout_ms, struct gbill_err *err);

/* The agent has half a minute for each step of the way. */
static enum err_code
wait_for_acks(struct redrive *r, wait_call *call, struct err *err)
{
    struct gbill_err why;
    return client_err(call(r->client, ACKS_TIMEOUT_MS, &why), &why, err);
}

static enum err_code
track(struct redrive *r, const struct event *event, const struct quarantined *q, struct err *err)
{
    struct gbill_err why;
    for (;;) {
        enum gbill_code code = gbill_track_record(r->client, event_kind_name(event->kind),
                                                  q->entry_utc_ms, q->record.data,
                                                  q->record.size_bytes, &why);
        if (code != GBILL_FULL)
            return client_err(code, &why, err);
        enum err_code waited = wait_for_acks(r, gbill_wait, err);
        if (waited != ERR_OK)
            return waited;
    }
}

/* Wait for the acks of what was sent, and note it. */
static enum err_code
settle(struct redrive *r, struct err *err)
{
    if (r->client == NULL || r->note_count == 0)
        return ERR_OK;
    enum err_code code = wait_for_acks(r, gbill_flush, err);
    if (code == ERR_OK)
        code = redriven_add(conf_data_dir(r->conf), r->notes, r->note_count,
                            clock_now_ms(&r->clock), err);
    r->note_count = 0;
    return code;
}

static enum err_code
redrive_one(struct redrive *r, uint64_t number, const struct quarantined *q, struct err *err)
{
    struct event event;
    struct event_defect defect = {""};
    int64_t at;
    enum err_code code = ERR_OK;
    enum outcome outcome = judge(r, q, &event, &defect);
    if (outcome == SENT && !conf_flag(r->conf, "again") && redriven_find(&r->before, number, &at))
        outcome = DONE_BEFORE;
    if (outcome == SENT && r->client != NULL) {
        code = track(r, &event, q, err);
        r->notes[r->note_count++] = number;
        if (code == ERR_OK && r->note_count == NOTES_MAX)
            code = settle(r, err);
    }
    if (code != ERR_OK)
        return err_wrap(err, code, "quarantined event %" PRIu64, number);
    r->counts[outcome]++;
    print_one(r, number, q, outcome, &defect);
    return ERR_OK;
}

/*
 * The quarantine as it is now: what is sent may come back into it, and must not be
 * sent again for ever.
 */
static enum err_code
redrive_all(struct redrive *r, const char *log, struct err *err)
{
    struct log_reader *reader;
    struct log_frame frame;
    bool more = true;
    int64_t started_ms = clock_now_ms(&r->clock);
    enum err_code code = log_reader_open(log, LOG_QUARANTINE, LOG_OLDEST, &reader, err);
    if (code != ERR_OK)
        return code;
    while ((code = log_reader_next(reader, &frame, &more, err)) == ERR_OK && more &&
           frame.receive_utc_ms < started_ms) {
        struct mp m = mp_of(frame.events);
        struct quarantined q;
        for (uint32_t i = 0; code == ERR_OK && i < frame.event_count; i++) {
            uint64_t number = frame.first_seq + i;
            if (!quarantine_read(&m, &q))
                code = err_set(err, ERR_CORRUPT, "quarantined event %" PRIu64 " cannot be read",
                               number);
            else if (is_wanted(r, number, frame.receive_utc_ms, &q))
                code = redrive_one(r, number, &q, err);
        }
        if (code != ERR_OK)
            break;
    }
    log_reader_close(reader);
    return code == ERR_OK ? settle(r, err) : code;
}

static enum err_code
open_client(struct redrive *r, struct err *err)
{
    char path[FILE_PATH_BYTES_MAX];
    const char *socket = conf_text(r->conf, "socket");
    enum err_code code = ERR_OK;
    if (socket == NULL) {
        code = file_path(path, conf_data_dir(r->conf), "agent.sock", err);
        socket = path;
    }
    if (code != ERR_OK)
        return code;
    const struct gbill_options options = {.socket_path = socket};
    struct gbill_check now;
    struct gbill_err why;
    code = client_err(gbill_open(&r->client, &options, &why), &why, err);
    if (code != ERR_OK)
        return code;
    /* Said now, not after half a minute. */
    why.code = gbill_check(r->client, &now);
    snprintf(why.text, sizeof why.text, "%s", now.trouble);
    return client_err(why.code, &why, err);
}

static enum err_code
read_filters(struct redrive *r, struct err *err)
{
    const char *day = conf_text(r->conf, "day");
    int64_t utc_ms;
    r->day = -1;
    r->number = conf_int(r->conf, "number");
    if (day == NULL)
        return ERR_OK;
    if (!time_parse(str_of(day), &utc_ms) || utc_ms % TIME_DAY_MS != 0)
        return err_set(err, ERR_USAGE, "--day is \"%s\", must be a date such as 2026-11-01", day);
    r->day = utc_ms / TIME_DAY_MS;
    return ERR_OK;
}

/* Which of them somebody sent. */
static enum err_code
tell(const struct redrive *r, const struct outlet *outlet, struct err *err)
{
    char actor[ACT_ACTOR_BYTES], reason[EVENT_REASON_BYTES_MAX];
    const char *organization = conf_text(r->conf, "org"), *day = conf_text(r->conf, "day");
    const char *part = conf_text(r->conf, "reason");
    const struct act_told told = {ACT_NOBODY, actor, "quarantine.redrive", NULL, reason, false};
    snprintf(reason, sizeof reason, "number %" PRId64 ", org %.64s, day %.10s, reason %.64s%s",
             r->number, organization != NULL ? organization : "any", day != NULL ? day : "any",
             part != NULL ? part : "any", conf_flag(r->conf, "again") ? ", again" : "");
    act_user(actor);
    return act_tell(outlet, &r->clock, &told, err);
}

enum err_code
cmd_redrive_run(struct cli *cli, const struct outlet *outlet, struct err *err)
{
    static const struct print_column columns[] = {{"number", PRINT_WHOLE},
                                                  {"organizationId", PRINT_TEXT},
                                                  {"id", PRINT_TEXT},
                                                  {"outcome", PRINT_TEXT},
                                                  {"reason", PRINT_TEXT}};
    const struct conf *conf = &cli->conf;
    char log[FILE_PATH_BYTES_MAX], lock_path[FILE_PATH_BYTES_MAX];
    bool dry = conf_flag(conf, "dry-run"), json = conf_flag(conf, "json");
    int lock_fd = -1;
    struct redrive *r = calloc(1, sizeof *r);
    if (r == NULL)
        return err_set(err, ERR_LIMIT, "no memory");
    r->conf = conf;
    r->clock = cli->clock;
    list_init(&r->before, sizeof(struct redriven));
    enum err_code code = read_filters(r, err);
    if (code == ERR_OK)
        code = file_path(log, conf_data_dir(conf), "log", err);
    if (code == ERR_OK)
        code = file_path(lock_path, conf_data_dir(conf), "redrive.lock", err);
    if (code == ERR_OK)
        code = file_lock(lock_path, "gbill quarantine redrive", &lock_fd, err);
    if (code == ERR_OK)
        code = redriven_read(conf_data_dir(conf), &r->before, err);
    if (code == ERR_OK && !dry)
        code = open_client(r, err);
    if (code == ERR_OK && !dry)
        code = tell(r, outlet, err);
    if (code == ERR_OK) {
        print_begin(&r->print, stdout, json ? PRINT_JSON : PRINT_TABLE, columns,
                    CLI_COUNT(columns));
        code = redrive_all(r, log, err);
        print_end(&r->print);
    }
    if (code == ERR_OK && !json)
        printf("%" PRIu64 " %s, %" PRIu64 " sent before, %" PRIu64
               " still break the contract, %" PRIu64 " too old, %" PRIu64 " cut\n",
               r->counts[SENT], dry ? "would be sent" : "sent", r->counts[DONE_BEFORE],
               r->counts[FAILS], r->counts[TOO_OLD], r->counts[CUT]);
    gbill_close(r->client);
    list_clear(&r->before);
    if (lock_fd >= 0)
        close(lock_fd);
    free(r);
    return code;
}

static const struct conf_opt opts[] = {
    CONF_ROW_DATA,
    {"socket", "GBILL_SOCKET", CONF_TEXT, "PATH", 0, 0, NULL, false,
     "the agent's socket (default: agent.sock in the data directory)"},
    {"number", NULL, CONF_INT, "N", -1, INT64_MAX, "-1", false, "only this one; -1: any"},
    {"reason", NULL, CONF_TEXT, "TEXT", 0, 0, NULL, false, "only those with TEXT in their reason"},
    {"org", NULL, CONF_TEXT, "ID", 0, 0, NULL, false, "only this organization's"},
    {"day", NULL, CONF_TEXT, "DATE", 0, 0, NULL, false, "only those received on this UTC day"},
    {"again", NULL, CONF_FLAG, NULL, 0, 0, "false", false,
     "also those that were sent before; harmless, an id counts once"},
    {"dry-run", NULL, CONF_FLAG, NULL, 0, 0, "false", false,
     "send nothing, say what would be sent"},
    CONF_ROW_JSON,
};

const struct cli_cmd cmd_quarantine_redrive = {
    .name = "quarantine redrive",
    .args = "",
    .opts = opts,
    .opt_count = CLI_COUNT(opts),
    .run = NULL, /* gbill.c: it knows an outlet */
    .summary = "send again what was refused and passes now",
    .help =
        "Judges quarantined events by the contract of this gbill, and sends those that pass to\n"
        "gbill-agent as what they were: kind, record, id and time are the client's; only the\n"
        "uid is that of whoever runs this.  An id counts once, so nothing is billed twice, also\n"
        "where the client has sent a mended one itself, or this is run again.\n"
        "\n"
        "An event whose time lies more than 35 days back is not sent: the agent would refuse it\n"
        "again, since the months it belongs to may be invoiced.  Send an adjustment for it.\n"
        "\n"
        "The quarantine is not changed.  What was sent is noted in redriven.jsonl, which gbill\n"
        "quarantine list shows.  That somebody did it, and for which events, is in gbill audit --acts.\n",
};
