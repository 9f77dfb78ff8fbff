#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/base/file.h"
#include "store/base/print.h"
#include "store/base/time.h"
#include "store/cmd.h"
#include "store/log/keep.h"
#include "store/log/seal.h"

static void
print_sealed(struct print *p, int32_t day, const struct log_sealed *s)
{
    char date[TIME_TEXT_BYTES], each[32];
    uint64_t all = s->events + s->quarantined;
    uint64_t hundredths = all > 0 ? (s->bytes_after * 100 + all / 2) / all : 0;
    time_format_day(day, date);
    snprintf(each, sizeof each, "%" PRIu64 ".%02" PRIu64, hundredths / 100, hundredths % 100);
    print_text(p, str_of(date));
    print_whole(p, s->events);
    print_whole(p, s->quarantined);
    print_whole(p, s->raw_bytes);
    print_whole(p, s->bytes_before);
    print_whole(p, s->bytes_after);
    print_amount(p, each);
}

static enum err_code
seal_one(struct print *p, const char *directory, int32_t day, struct err *err)
{
    struct log_sealed sealed;
    enum err_code code = log_seal_day(directory, day, &sealed, err);
    if (code == ERR_OK && !sealed.was_sealed)
        print_sealed(p, day, &sealed);
    return code;
}

static enum err_code
seal_all(struct print *p, const char *directory, struct err *err)
{
    struct list days;
    enum err_code code = log_days(directory, &days, err);
    for (size_t i = 0; code == ERR_OK && i + 1 < days.count; i++)
        code = seal_one(p, directory, ((const struct log_day_span *)days.items)[i].number, err);
    list_clear(&days);
    return code;
}

static enum err_code
run_seal(struct cli *cli, struct err *err)
{
    static const struct print_column columns[] = {
        {"day", PRINT_TEXT},           {"events", PRINT_WHOLE},      {"quarantined", PRINT_WHOLE},
        {"rawBytes", PRINT_WHOLE},     {"bytesBefore", PRINT_WHOLE}, {"bytesAfter", PRINT_WHOLE},
        {"bytesPerEvent", PRINT_WHOLE}};
    char directory[FILE_PATH_BYTES_MAX];
    const char *day_text = conf_text(&cli->conf, "day");
    struct print p;
    int64_t utc_ms = 0;
    int lock_fd;
    if (day_text != NULL && (!time_parse(str_of(day_text), &utc_ms) || utc_ms % TIME_DAY_MS != 0))
        return err_set(err, ERR_USAGE, "--day is \"%s\", must be a date such as 2026-11-01",
                       day_text);
    enum err_code code = file_path(directory, conf_data_dir(&cli->conf), "log", err);
    if (code == ERR_OK)
        code = log_keep_lock(directory, "gbill log job", &lock_fd, err);
    if (code != ERR_OK)
        return code;
    print_begin(&p, stdout, conf_flag(&cli->conf, "json") ? PRINT_JSON : PRINT_TABLE, columns,
                CLI_COUNT(columns));
    code = day_text != NULL ? seal_one(&p, directory, (int32_t)(utc_ms / TIME_DAY_MS), err)
                            : seal_all(&p, directory, err);
    print_end(&p);
    close(lock_fd);
    return code;
}

static const struct conf_opt seal_opts[] = {
    CONF_ROW_DATA,
    {"day", NULL, CONF_TEXT, "DATE", 0, 0, NULL, false,
     "this UTC day of receipt (default: every closed day)"},
    CONF_ROW_JSON,
};

const struct cli_cmd cmd_log_seal = {
    .name = "log seal",
    .args = "",
    .opts = seal_opts,
    .opt_count = CLI_COUNT(seal_opts),
    .run = run_seal,
    .summary = "make closed days small: columns, compressed",
    .help =
        "Rewrites the files of closed days (a later day has begun) as blocks of columns, about a\n"
        "tenth of the events' size.  Every event is read back and compared with the day, byte\n"
        "for byte, before the new file takes its place; numbers, chains and the days' roots\n"
        "stay as they are.  Prints the days sealed; one that is sealed is left alone.  May run\n"
        "beside the agent and any job, and may be killed at any moment.\n",
};
