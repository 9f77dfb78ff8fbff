#include "ingest/overview.h"

#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#include "ingest/status_ask.h"
#include "store/base/file.h"
#include "store/base/time.h"
#include "store/tables/balance.h"
#include "store/tables/cursor.h"

enum { OVERVIEW_RATE_FROM_MS = 3600000 /* a younger log has no rate worth a guess */ };

#define OVERVIEW_LEFT_S_MAX 1e18 /* fits; nobody waits that long */

static const struct {
    const char *name;
    enum err_code code;
} states[] = {
#define OVERVIEW_ROW(state, name, code) {name, ERR_##code},
    OVERVIEW_STATES(OVERVIEW_ROW)
#undef OVERVIEW_ROW
};

const char *
overview_state_name(enum overview_state state)
{
    return states[state].name;
}

enum err_code
overview_state_code(enum overview_state state)
{
    return states[state].code;
}

static enum err_code
ask_agent(const struct overview_options *o, struct overview *v, struct err *err)
{
    char path[FILE_PATH_BYTES_MAX];
    enum err_code code = ERR_OK;
    if (o->status_socket != NULL)
        snprintf(path, sizeof path, "%s", o->status_socket);
    else
        code = file_path(path, o->data, "status.sock", err);
    if (code != ERR_OK)
        return code;
    code = status_ask(path, &v->agent_text, &v->why);
    struct str text = {(const char *)v->agent_text.data, v->agent_text.size_bytes};
    if (code == ERR_OK && !figures_read(text, &v->agent))
        code = err_set(&v->why, ERR_PEER, "what answers at %s is no gbill-agent", path);
    v->agent_answers = code == ERR_OK;
    return ERR_OK;
}

static void
guess_time_left(struct overview *v)
{
    int64_t span_ms = v->now_utc_ms - v->log.recent_from_utc_ms;
    v->left_s = UINT64_MAX;
    if (v->log.recent_from_utc_ms == 0 || span_ms < OVERVIEW_RATE_FROM_MS ||
        v->log.recent_bytes == 0 || v->free_bytes == UINT64_MAX)
        return;
    double per_ms = (double)v->log.recent_bytes / (double)span_ms;
    double left_s = (double)v->free_bytes / per_ms / 1000;
    v->growth_bytes_per_day = (uint64_t)(per_ms * (double)TIME_DAY_MS);
    v->left_s = left_s < OVERVIEW_LEFT_S_MAX ? (uint64_t)left_s : UINT64_MAX;
}

static enum err_code
look_at_log(const struct overview_options *o, struct overview *v, struct err *err)
{
    char path[FILE_PATH_BYTES_MAX];
    if (access(o->data, R_OK | X_OK) != 0)
        return err_set_errno(err, errno, "cannot look into the data directory %s", o->data);
    v->free_bytes = file_free_bytes(o->data);
    enum err_code code = file_path(path, o->data, "log", err);
    if (code == ERR_OK)
        code = log_tip_read(path, &v->log, err);
    if (code == ERR_NOT_FOUND) {
        code = ERR_OK; /* no agent ever ran here */
        v->log.next_seq[LOG_EVENTS] = v->log.next_seq[LOG_QUARANTINE] = 1;
        v->log.first_seq[LOG_EVENTS] = v->log.first_seq[LOG_QUARANTINE] = 1;
    }
    guess_time_left(v);
    return code;
}

static enum err_code
look_at_tables(const struct overview_options *o, struct overview *v, struct err *err)
{
    struct tables *tables = NULL;
    struct tables_txn *txn = NULL;
    enum err_code code = tables_open(o->data, TABLES_READ, &tables, err);
    if (code == ERR_NOT_FOUND)
        return ERR_OK;
    if (code == ERR_OK)
        code = tables_begin(tables, TABLES_READ, &txn, err);
    if (code == ERR_OK) {
        v->folded = true;
        v->fold_seq = cursor_get(txn).seq;
        v->unpriced_events = balance_total(txn).events[BALANCE_UNPRICED];
        v->owed_rows = tables_count(txn, TABLE_DIRTY);
        tables_abort(txn);
    }
    tables_close(tables);
    return code;
}

/* The log was looked at first, so the fold may be further by now. */
static enum err_code
look_at_fold(const struct overview_options *o, struct overview *v, struct err *err)
{
    char path[FILE_PATH_BYTES_MAX];
    int64_t received_ms = 0;
    uint64_t end = v->log.next_seq[LOG_EVENTS] - 1;
    if (v->fold_seq >= end)
        return ERR_OK;
    v->behind_events = end - v->fold_seq;
    enum err_code code = file_path(path, o->data, "log", err);
    if (code == ERR_OK)
        code = log_received_after(path, v->fold_seq, &received_ms, err);
    if (code == ERR_OK && received_ms != 0 && v->now_utc_ms > received_ms)
        v->oldest_ms = v->now_utc_ms - received_ms;
    return code;
}

static void
judge(const struct overview_options *o, struct overview *v)
{
    struct err *why = &v->why;
    if (!v->agent_answers)
        v->state = why->code == ERR_DENIED ? OVERVIEW_AGENT_HIDDEN : OVERVIEW_AGENT_DOWN;
    else if (v->agent.disk_full != 0) {
        v->state = OVERVIEW_DISK_FULL;
        (void)err_set(why, ERR_FULL, "%s: the disk is full: the agent takes nothing; make room",
                      o->data);
    } else if (o->space_s > 0 && v->left_s < (uint64_t)o->space_s) {
        v->state = OVERVIEW_LOW_SPACE;
        (void)err_set(why, ERR_LIMIT,
                      "%s: full in %" PRIu64 " h at the rate of the last days, limit is %" PRId64
                      " h (--space)",
                      o->data, v->left_s / 3600, o->space_s / 3600);
    } else if (o->behind_s > 0 && v->oldest_ms / 1000 > o->behind_s) {
        v->state = OVERVIEW_BEHIND;
        (void)err_set(why, ERR_LIMIT,
                      "%" PRIu64 " events are not rolled up, the oldest for %" PRId64
                      " s, limit is %" PRId64 " s (--behind); does gbill run, or its timer, run?",
                      v->behind_events, v->oldest_ms / 1000, o->behind_s);
    }
}

enum err_code
overview_look(const struct overview_options *options, const struct clock *clock,
              struct overview *ret, struct err *err)
{
    struct overview *v = ret;
    *v = (struct overview){.data = options->data,
                           .now_utc_ms = clock_now_ms(clock),
                           .state = OVERVIEW_OK,
                           .left_s = UINT64_MAX};
    buf_init(&v->agent_text, STATUS_ASK_BYTES_MAX);
    enum err_code code = ask_agent(options, v, err);
    if (code == ERR_OK)
        code = look_at_log(options, v, err);
    if (code == ERR_OK)
        code = look_at_tables(options, v, err);
    if (code == ERR_OK)
        code = look_at_fold(options, v, err);
    judge(options, v);
    return code;
}

void
overview_clear(struct overview *overview)
{
    buf_clear(&overview->agent_text);
}
