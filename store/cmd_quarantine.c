#include <inttypes.h>

#include "store/base/file.h"
#include "store/base/money.h"
#include "store/base/print.h"
#include "store/base/time.h"
#include "store/cmd.h"
#include "store/event/event_json.h"
#include "store/log/quarantine.h"
#include "store/log/reader.h"
#include "store/log/redriven.h"

typedef void visit_fn(void *context, uint64_t seq, int64_t receive_utc_ms,
                      const struct quarantined *q);

/* Visit up to count quarantined events from a number on. */
static enum err_code
visit_all(const struct conf *conf, uint64_t from, uint64_t count, visit_fn *visit, void *context,
          struct err *err)
{
    char directory[FILE_PATH_BYTES_MAX];
    struct log_reader *reader;
    struct log_frame frame;
    bool more = true;
    enum err_code code = file_path(directory, conf_data_dir(conf), "log", err);
    if (code == ERR_OK)
        code = log_reader_open(directory, LOG_QUARANTINE, from > 0 ? from - 1 : LOG_OLDEST, &reader,
                               err);
    if (code != ERR_OK)
        return code;
    while (count > 0 && (code = log_reader_next(reader, &frame, &more, err)) == ERR_OK && more) {
        struct mp m = mp_of(frame.events);
        struct quarantined q;
        for (uint32_t i = 0; i < frame.event_count && count > 0; i++) {
            uint64_t seq = frame.first_seq + i;
            if (!quarantine_read(&m, &q)) {
                code =
                    err_set(err, ERR_CORRUPT, "quarantined event %" PRIu64 " cannot be read", seq);
                break;
            }
            if (seq < from)
                continue;
            visit(context, seq, frame.receive_utc_ms, &q);
            count--;
        }
        if (code != ERR_OK)
            break;
    }
    log_reader_close(reader);
    return code;
}

struct listing {
    struct print print;
    struct list redriven;
};

static void
list_one(void *context, uint64_t seq, int64_t receive_utc_ms, const struct quarantined *q)
{
    char received[TIME_TEXT_BYTES], redriven[TIME_TEXT_BYTES] = "";
    struct listing *l = context;
    int64_t at;
    time_format_ms(receive_utc_ms, received);
    if (redriven_find(&l->redriven, seq, &at))
        time_format_ms(at, redriven);
    print_whole(&l->print, seq);
    print_text(&l->print, str_of(received));
    print_whole(&l->print, q->peer_uid);
    print_text(&l->print, q->tag);
    print_text(&l->print, q->reason);
    print_text(&l->print, str_of(redriven));
}

static enum err_code
run_list(struct cli *cli, struct err *err)
{
    static const struct print_column columns[] = {
        {"number", PRINT_WHOLE}, {"received", PRINT_TEXT}, {"uid", PRINT_WHOLE},
        {"tag", PRINT_TEXT},     {"reason", PRINT_TEXT},   {"redriven", PRINT_TEXT}};
    struct listing l;
    enum err_code code = redriven_read(conf_data_dir(&cli->conf), &l.redriven, err);
    if (code != ERR_OK) {
        list_clear(&l.redriven);
        return code;
    }
    print_begin(&l.print, stdout, conf_flag(&cli->conf, "json") ? PRINT_JSON : PRINT_TABLE, columns,
                CLI_COUNT(columns));
    code = visit_all(&cli->conf, (uint64_t)conf_int(&cli->conf, "from"),
                     (uint64_t)conf_int(&cli->conf, "count"), list_one, &l, err);
    print_end(&l.print);
    list_clear(&l.redriven);
    return code;
}

static void
show_one(void *context, uint64_t seq, int64_t receive_utc_ms, const struct quarantined *q)
{
    char received[TIME_TEXT_BYTES], when[TIME_TEXT_BYTES] = "";
    bool *found = context;
    *found = true;
    time_format_ms(receive_utc_ms, received);
    if (q->entry_utc_ms >= 0 && q->entry_utc_ms < TIME_MAX_MS)
        time_format_ms(q->entry_utc_ms, when);
    printf("{\"number\":%" PRIu64 ",\"received\":\"%s\",\"entryTime\":\"%s\",\"uid\":%u,\"tag\":",
           seq, received, when, q->peer_uid);
    print_json_text(stdout, q->tag);
    fputs(",\"reason\":", stdout);
    print_json_text(stdout, q->reason);
    fputs(",\"record\":", stdout);
    event_json_write(stdout, q->record);
    fputs("}\n", stdout);
}

static enum err_code
run_show(struct cli *cli, struct err *err)
{
    int64_t number;
    bool found = false;
    if (!money_parse(str_of(cli->conf.args[0]), 0, &number) || number < 1)
        return err_set(err, ERR_USAGE, "\"%s\" is no number of gbill quarantine list",
                       cli->conf.args[0]);
    enum err_code code = visit_all(&cli->conf, (uint64_t)number, 1, show_one, &found, err);
    if (code == ERR_OK && !found)
        return err_set(err, ERR_NOT_FOUND, "no quarantined event %" PRId64, number);
    return code;
}

static const struct conf_opt list_opts[] = {
    CONF_ROW_DATA,
    {"from", NULL, CONF_INT, "N", 0, INT64_MAX, "0", false,
     "first number; 0: the oldest that is kept"},
    {"count", NULL, CONF_INT, "N", 1, INT64_MAX, "1000", false, "stop after so many"},
    CONF_ROW_JSON,
};

static const struct conf_opt show_opts[] = {CONF_ROW_DATA};

const struct cli_cmd cmd_quarantine_list = {
    .name = "quarantine list",
    .args = "",
    .opts = list_opts,
    .opt_count = CLI_COUNT(list_opts),
    .run = run_list,
    .summary = "events that could not enter, and why",
    .help =
        "An event that breaks the contract (schemas/event.md) is stored here, flushed, and\n"
        "acknowledged, so that its sender does not retry for ever and nothing is lost.  Column\n"
        "redriven: when gbill quarantine redrive sent it again.\n",
};

const struct cli_cmd cmd_quarantine_show = {
    .name = "quarantine show",
    .args = "NUMBER",
    .args_min = 1,
    .args_max = 1,
    .opts = show_opts,
    .opt_count = CLI_COUNT(show_opts),
    .run = run_show,
    .summary = "one of them whole, as JSON",
    .help = "Prints the record as the client sent it, with the reason it was refused.\n",
};
