#include <inttypes.h>
#include <stdlib.h>

#include "rollup/cmd_audit.h"
#include "rollup/roots.h"
#include "store/base/cli.h"
#include "store/base/time.h"
#include "store/event/event.h"
#include "store/log/reader.h"
#include "store/tables/act.h"
#include "store/tables/conflict.h"
#include "store/tables/dict.h"
#include "store/tables/void.h"

/* The log, for single events of it with growing numbers. */
struct look {
    struct log_reader *reader;
    struct log_frame frame;
    struct mp at;
    uint64_t next_seq; /* of the event at `at`; 0: in no frame */
};

static enum err_code
look_open(struct look *look, const struct conf *conf, struct err *err)
{
    char directory[FILE_PATH_BYTES_MAX];
    *look = (struct look){0};
    enum err_code code = file_path(directory, conf_data_dir(conf), "log", err);
    if (code == ERR_OK)
        code = log_reader_open(directory, LOG_EVENTS, 0, &look->reader, err);
    return code;
}

/* *ret_there is false when the log no longer has it, or not yet. */
static enum err_code
look_up(struct look *l, uint64_t seq, struct event *ret, bool *ret_there, struct err *err)
{
    struct event_defect defect;
    enum err_code code = ERR_OK;
    bool in_frame = l->next_seq != 0 && seq >= l->next_seq &&
                    seq < l->frame.first_seq + l->frame.event_count;
    *ret_there = true;
    if (!in_frame) {
        l->next_seq = 0;
        code = log_reader_seek(l->reader, seq - 1, err);
        if (code == ERR_OK)
            code = log_reader_next(l->reader, &l->frame, ret_there, err);
        if (code == ERR_NOT_FOUND) {
            *ret_there = false;
            return ERR_OK;
        }
        if (code != ERR_OK || !*ret_there)
            return code;
        l->next_seq = l->frame.first_seq;
        l->at = mp_of(l->frame.events);
    }
    for (; l->next_seq <= seq; l->next_seq++) {
        if (!event_read(&l->at, ret, &defect))
            return err_set(err, ERR_CORRUPT, "event %" PRIu64 " cannot be read: %s", l->next_seq,
                           defect.text);
    }
    return ERR_OK;
}

static void
put_time(struct print *p, const struct event *e)
{
    char text[TIME_TEXT_BYTES];
    time_format_ms(e->time_utc_ms, text);
    print_text(p, str_of(text));
}

/* What a program gets for an event that the log no longer has: empty cells. */
static void
put_nothing(struct print *p, size_t cells)
{
    while (cells-- > 0)
        print_text(p, str_of(""));
}

enum err_code
cmd_audit_conflicts(const struct conf *conf, struct tables_txn *txn, struct err *err)
{
    static const struct print_column columns[] = {
        {"seq", PRINT_WHOLE}, {"firstSeq", PRINT_WHOLE},      {"kind", PRINT_TEXT},
        {"id", PRINT_TEXT},   {"organizationId", PRINT_TEXT}, {"time", PRINT_TEXT}};
    struct conflict_scan scan;
    struct look look;
    struct print p;
    enum err_code code = look_open(&look, conf, err);
    if (code != ERR_OK)
        return code;
    print_begin(&p, stdout, cmd_audit_form(conf), columns, CLI_COUNT(columns));
    conflict_scan_begin(&scan, txn);
    while (code == ERR_OK && conflict_scan_next(&scan)) {
        struct event e;
        bool there;
        code = look_up(&look, scan.row.seq, &e, &there, err);
        if (code != ERR_OK)
            break;
        print_whole(&p, scan.row.seq);
        print_whole(&p, scan.row.first_seq);
        if (!there) {
            put_nothing(&p, 4);
            continue;
        }
        print_text(&p, str_of(event_kind_name(e.kind)));
        print_text(&p, e.id);
        print_text(&p, e.organization);
        put_time(&p, &e);
    }
    conflict_scan_end(&scan);
    print_end(&p);
    log_reader_close(look.reader);
    return code;
}

static int
by_void_seq(const void *a, const void *b)
{
    const struct void_row *x = a, *y = b;
    return (x->void_seq > y->void_seq) - (x->void_seq < y->void_seq);
}

/* All rows in log order; ret is a list of struct void_row. */
static enum err_code
read_voids(struct tables_txn *txn, struct list *ret, struct err *err)
{
    bool ok = true;
    for (int waiting = 0; waiting < 2; waiting++) {
        struct void_scan scan;
        void_scan_begin(&scan, txn, waiting != 0);
        while (ok && void_scan_next(&scan))
            ok = list_add(ret, &scan.row);
        void_scan_end(&scan);
    }
    if (!ok)
        return err_set(err, ERR_LIMIT, "no memory for %zu voids", ret->count);
    if (ret->count > 1)
        qsort(ret->items, ret->count, sizeof(struct void_row), by_void_seq);
    return ERR_OK;
}

static void
put_void(struct print *p, const struct void_row *row, const struct event *e)
{
    print_whole(p, row->void_seq);
    if (e != NULL && e->kind == EVENT_VOID) {
        put_time(p, e);
        print_text(p, e->organization);
        print_text(p, e->voided.voids);
    } else {
        put_nothing(p, 3);
    }
    if (row->target_seq != 0)
        print_whole(p, row->target_seq);
    else
        print_amount(p, p->form == PRINT_JSON ? "null" : "");
    print_text(p, str_of(void_outcome_text(row->outcome)));
}

enum err_code
cmd_audit_voids(const struct conf *conf, struct tables_txn *txn, struct err *err)
{
    static const struct print_column columns[] = {
        {"seq", PRINT_WHOLE},  {"time", PRINT_TEXT},       {"organizationId", PRINT_TEXT},
        {"voids", PRINT_TEXT}, {"voidedSeq", PRINT_WHOLE}, {"outcome", PRINT_TEXT}};
    struct look look;
    struct print p;
    struct list rows;
    list_init(&rows, sizeof(struct void_row));
    enum err_code code = look_open(&look, conf, err);
    if (code != ERR_OK)
        return code;
    code = read_voids(txn, &rows, err);
    print_begin(&p, stdout, cmd_audit_form(conf), columns, CLI_COUNT(columns));
    for (size_t i = 0; code == ERR_OK && i < rows.count; i++) {
        const struct void_row *row = (const struct void_row *)rows.items + i;
        struct event e;
        bool there;
        code = look_up(&look, row->void_seq, &e, &there, err);
        if (code == ERR_OK)
            put_void(&p, row, there ? &e : NULL);
    }
    print_end(&p);
    list_clear(&rows);
    log_reader_close(look.reader);
    return code;
}

static enum err_code
put_act(struct print *p, struct tables_txn *txn, const struct act *row, struct err *err)
{
    struct event e;
    struct event_defect defect;
    if (!event_parse(EVENT_ACT, row->record, row->time_utc_ms, &e, &defect))
        return err_set(err, ERR_CORRUPT, "the act of event %" PRIu64 " cannot be read: %s",
                       row->seq, defect.text);
    print_whole(p, row->seq);
    put_time(p, &e);
    print_text(p, dict_text(txn, row->organization));
    print_text(p, e.act.actor);
    print_whole(p, row->uid);
    print_text(p, e.act.action);
    print_text(p, e.act.target);
    print_text(p, str_of(e.act.failed ? "failed" : "done"));
    print_text(p, e.act.reason);
    return ERR_OK;
}

enum err_code
cmd_audit_acts(const struct conf *conf, struct tables_txn *txn, uint32_t organization,
               int64_t from_ms, int64_t to_ms, struct err *err)
{
    static const struct print_column columns[] = {
        {"seq", PRINT_WHOLE},   {"time", PRINT_TEXT},   {"organizationId", PRINT_TEXT},
        {"actor", PRINT_TEXT},  {"uid", PRINT_WHOLE},   {"action", PRINT_TEXT},
        {"target", PRINT_TEXT}, {"status", PRINT_TEXT}, {"reason", PRINT_TEXT}};
    struct act_scan scan;
    struct print p;
    enum err_code code = ERR_OK;
    print_begin(&p, stdout, cmd_audit_form(conf), columns, CLI_COUNT(columns));
    act_scan_begin(&scan, txn, from_ms);
    while (code == ERR_OK && act_scan_next(&scan) && scan.row.time_utc_ms < to_ms) {
        if (organization == UINT32_MAX || scan.row.organization == organization)
            code = put_act(&p, txn, &scan.row, err);
    }
    act_scan_end(&scan);
    print_end(&p);
    return code;
}

static void
put_chain(struct print *p, const uint8_t chain[HASH_SHA256_BYTES])
{
    char text[HASH_SHA256_TEXT_BYTES];
    hash_hex(chain, HASH_SHA256_BYTES, text);
    print_text(p, str_of(text));
}

static void
put_root(struct print *p, const struct log_root *root)
{
    char day[TIME_TEXT_BYTES];
    time_format_day(root->day, day);
    print_text(p, str_of(day));
    print_whole(p, root->first_seq);
    print_whole(p, root->last_seq);
    print_whole(p, log_root_events(root));
    print_whole(p, root->quarantined);
    print_whole(p, root->frames);
    put_chain(p, root->chain[LOG_EVENTS]);
    put_chain(p, root->chain[LOG_QUARANTINE]);
}

enum err_code
cmd_audit_roots(const struct conf *conf, struct err *err)
{
    static const struct print_column columns[] = {
        {"day", PRINT_TEXT},     {"firstSeq", PRINT_WHOLE},      {"lastSeq", PRINT_WHOLE},
        {"events", PRINT_WHOLE}, {"quarantined", PRINT_WHOLE},   {"frames", PRINT_WHOLE},
        {"chain", PRINT_TEXT},   {"quarantineChain", PRINT_TEXT}};
    const struct roots_options o = {.data_directory = conf_data_dir(conf),
                                    .path = conf_text(conf, "output")};
    enum print_form form = cmd_audit_form(conf);
    struct roots_result r;
    struct print p;
    enum err_code code = roots_run(&o, &r, err);
    const struct log_root *roots = r.roots.roots.items;
    if (code == ERR_OK) {
        print_begin(&p, stdout, form, columns, CLI_COUNT(columns));
        for (size_t i = 0; i < r.roots.roots.count; i++)
            put_root(&p, &roots[i]);
        print_end(&p);
        if (form == PRINT_TABLE)
            printf("%" PRIu64 " of %zu closed days are new in %s\n", r.added, r.roots.roots.count,
                   r.path);
    }
    roots_result_clear(&r);
    return code;
}
