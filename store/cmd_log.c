#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "store/base/file.h"
#include "store/base/print.h"
#include "store/base/time.h"
#include "store/cmd.h"
#include "store/event/event.h"
#include "store/event/event_json.h"
#include "store/log/probe.h"
#include "store/log/reader.h"

static enum err_code
open_log(const struct conf *conf, enum log_stream stream, uint64_t after_seq,
         struct log_reader **ret, struct err *err)
{
    char directory[FILE_PATH_BYTES_MAX];
    enum err_code code = file_path(directory, conf_data_dir(conf), "log", err);
    return code == ERR_OK ? log_reader_open(directory, stream, after_seq, ret, err) : code;
}

static const char *const stream_names[LOG_STREAMS] = {"events", "quarantine"};

/* Sums over the frames of one day and stream, printed when the day ends. */
struct day_sum {
    struct print *p;
    const char *stream;
    int32_t day;
    bool sealed;
    uint64_t frames, events, first_seq, last_seq, raw_bytes, stored_bytes;
    int64_t first_ms, last_ms;
    char path[FILE_PATH_BYTES_MAX];
};

/* The file's size, and what of it comes to one of these events. */
static void
print_file(const struct day_sum *s)
{
    struct stat st;
    char each[32] = "";
    uint64_t bytes = stat(s->path, &st) == 0 ? (uint64_t)st.st_size : 0;
    uint64_t hundredths = (bytes * 100 + s->events / 2) / s->events;
    snprintf(each, sizeof each, "%" PRIu64 ".%02" PRIu64, hundredths / 100, hundredths % 100);
    print_whole(s->p, bytes);
    print_amount(s->p, each);
}

static void
end_day(struct day_sum *s)
{
    char day[TIME_TEXT_BYTES], first[TIME_TEXT_BYTES], last[TIME_TEXT_BYTES];
    if (s->frames > 0) {
        time_format_day(s->day, day);
        time_format_ms(s->first_ms, first);
        time_format_ms(s->last_ms, last);
        print_text(s->p, str_of(day));
        print_text(s->p, str_of(s->stream));
        print_text(s->p, str_of(s->sealed ? "sealed" : "frames"));
        print_whole(s->p, s->events);
        print_whole(s->p, s->frames);
        print_whole(s->p, s->first_seq);
        print_whole(s->p, s->last_seq);
        print_whole(s->p, s->raw_bytes);
        print_whole(s->p, s->stored_bytes);
        print_file(s);
        print_text(s->p, str_of(first));
        print_text(s->p, str_of(last));
    }
    *s = (struct day_sum){.p = s->p, .stream = s->stream};
}

static void
add_frame(struct day_sum *s, const struct log_frame *frame)
{
    if (s->day != frame->day)
        end_day(s);
    if (s->frames == 0) {
        s->day = frame->day;
        s->sealed = frame->sealed;
        s->first_seq = frame->first_seq;
        s->first_ms = frame->receive_utc_ms;
        snprintf(s->path, sizeof s->path, "%s", frame->day_path);
    }
    s->frames++;
    s->events += frame->event_count;
    s->last_seq = frame->first_seq + frame->event_count - 1;
    s->last_ms = frame->receive_utc_ms;
    s->raw_bytes += frame->events.size_bytes;
    s->stored_bytes += frame->stored_bytes;
}

static enum err_code
stat_stream(const struct conf *conf, enum log_stream stream, struct print *p, struct err *err)
{
    struct day_sum sum = {.p = p, .stream = stream_names[stream]};
    struct log_reader *reader;
    struct log_frame frame;
    bool more = true;
    enum err_code code = open_log(conf, stream, LOG_OLDEST, &reader, err);
    if (code != ERR_OK)
        return code;
    while ((code = log_reader_next(reader, &frame, &more, err)) == ERR_OK && more)
        add_frame(&sum, &frame);
    end_day(&sum);
    log_reader_close(reader);
    return code;
}

static enum err_code
run_stat(struct cli *cli, struct err *err)
{
    static const struct print_column columns[] = {
        {"day", PRINT_TEXT},         {"stream", PRINT_TEXT},         {"form", PRINT_TEXT},
        {"events", PRINT_WHOLE},     {"frames", PRINT_WHOLE},        {"firstSeq", PRINT_WHOLE},
        {"lastSeq", PRINT_WHOLE},    {"rawBytes", PRINT_WHOLE},      {"storedBytes", PRINT_WHOLE},
        {"fileBytes", PRINT_WHOLE},  {"bytesPerEvent", PRINT_WHOLE}, {"firstReceived", PRINT_TEXT},
        {"lastReceived", PRINT_TEXT}};
    struct print p;
    print_begin(&p, stdout, conf_flag(&cli->conf, "json") ? PRINT_JSON : PRINT_TABLE, columns,
                CLI_COUNT(columns));
    enum err_code code = stat_stream(&cli->conf, LOG_EVENTS, &p, err);
    if (code == ERR_OK)
        code = stat_stream(&cli->conf, LOG_QUARANTINE, &p, err);
    if (code == ERR_OK)
        print_end(&p);
    return code;
}

static void
print_event(uint64_t seq, const struct event *e, int64_t receive_utc_ms)
{
    char received[TIME_TEXT_BYTES], when[TIME_TEXT_BYTES];
    time_format_ms(receive_utc_ms, received);
    time_format_ms(e->time_utc_ms, when);
    printf("{\"seq\":%" PRIu64 ",\"kind\":\"%s\",\"time\":\"%s\",\"received\":\"%s\",\"uid\":%u,"
           "\"record\":",
           seq, event_kind_name(e->kind), when, received, e->peer_uid);
    event_json_write(stdout, e->record);
    fputs("}\n", stdout);
}

static enum err_code
run_cat(struct cli *cli, struct err *err)
{
    uint64_t from = (uint64_t)conf_int(&cli->conf, "from"); /* 0: the oldest */
    uint64_t left = (uint64_t)conf_int(&cli->conf, "count");
    const char *organization = conf_text(&cli->conf, "org");
    struct log_reader *reader;
    struct log_frame frame;
    bool more = true;
    enum err_code code =
        open_log(&cli->conf, LOG_EVENTS, from > 0 ? from - 1 : LOG_OLDEST, &reader, err);
    if (code != ERR_OK)
        return code;
    while (left > 0 && (code = log_reader_next(reader, &frame, &more, err)) == ERR_OK && more) {
        struct mp m = mp_of(frame.events);
        for (uint32_t i = 0; i < frame.event_count && left > 0; i++) {
            struct event e;
            struct event_defect defect;
            uint64_t seq = frame.first_seq + i;
            if (!event_read(&m, &e, &defect)) {
                code = err_set(err, ERR_CORRUPT, "event %" PRIu64 ": %s", seq, defect.text);
                break;
            }
            if (seq < from || (organization != NULL && !str_is(e.organization, organization)))
                continue;
            print_event(seq, &e, frame.receive_utc_ms);
            left--;
        }
        if (code != ERR_OK)
            break;
    }
    log_reader_close(reader);
    return code;
}

static enum err_code
run_probe(struct cli *cli, struct err *err)
{
    static const struct print_column columns[] = {{"writes", PRINT_WHOLE},
                                                  {"p50Us", PRINT_WHOLE},
                                                  {"p99Us", PRINT_WHOLE},
                                                  {"maxUs", PRINT_WHOLE}};
    struct probe probe;
    struct print p;
    enum err_code code =
        probe_disk(conf_data_dir(&cli->conf), (size_t)conf_int(&cli->conf, "count"), &probe, err);
    if (code != ERR_OK)
        return code;
    print_begin(&p, stdout, conf_flag(&cli->conf, "json") ? PRINT_JSON : PRINT_TABLE, columns,
                CLI_COUNT(columns));
    print_whole(&p, probe.count);
    print_whole(&p, (uint64_t)probe.p50_ns / 1000);
    print_whole(&p, (uint64_t)probe.p99_ns / 1000);
    print_whole(&p, (uint64_t)probe.max_ns / 1000);
    print_end(&p);
    return ERR_OK;
}

static const struct conf_opt plain_opts[] = {CONF_ROW_DATA, CONF_ROW_JSON};

static const struct conf_opt cat_opts[] = {
    CONF_ROW_DATA,
    {"from", NULL, CONF_INT, "SEQ", 0, INT64_MAX, "0", false,
     "first sequence number; 0: the oldest that is kept"},
    {"count", NULL, CONF_INT, "N", 1, INT64_MAX, "9223372036854775807", false,
     "stop after so many events"},
    {"org", NULL, CONF_TEXT, "ID", 0, 0, NULL, false, "only this organization's events"},
};

static const struct conf_opt probe_opts[] = {
    CONF_ROW_DATA,
    {"count", NULL, CONF_INT, "N", 1, PROBE_COUNT_MAX, "1000", false, "writes to time"},
    CONF_ROW_JSON,
};

const struct cli_cmd cmd_log_stat = {
    .name = "log stat",
    .args = "",
    .opts = plain_opts,
    .opt_count = CLI_COUNT(plain_opts),
    .run = run_stat,
    .summary = "events, frames and bytes of each day",
    .help =
        "Prints one line per UTC day of receipt and stream: the form of the day's file (frames\n"
        "as they came, or sealed), how many events and frames (one frame is one flush), their\n"
        "sequence numbers, bytes before and after compression, the size of the file (with what\n"
        "LMDB needs, and the day's other stream), and what of it comes to one event.\n",
};

const struct cli_cmd cmd_log_cat = {
    .name = "log cat",
    .args = "",
    .opts = cat_opts,
    .opt_count = CLI_COUNT(cat_opts),
    .run = run_cat,
    .summary = "print events as JSON lines, from any position",
    .help =
        "Prints stored events in log order, one JSON object a line: seq, kind, time, received,\n"
        "uid (of the process that sent it) and the record as it was sent.\n",
};

const struct cli_cmd cmd_log_probe = {
    .name = "log probe",
    .args = "",
    .opts = probe_opts,
    .opt_count = CLI_COUNT(probe_opts),
    .run = run_probe,
    .summary = "time this disk's flush, the limit of every ack",
    .help = "Times writing and flushing 4 KiB in the data directory.  An ack cannot come sooner\n"
            "than such a flush; gbill-agent's LMDB commit takes two of them.\n",
};
