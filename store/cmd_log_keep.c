#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/base/file.h"
#include "store/base/print.h"
#include "store/base/time.h"
#include "store/cmd.h"
#include "store/event/act_tell.h"
#include "store/log/keep.h"
#include "store/log/shipped.h"
#include "store/tables/log_need.h"

enum { BESIDE_BYTES_MAX = 64 * 1024 * 1024, FAULTS_SHOWN_MAX = 20 };

/* ---- checking a copy ---- */

struct faults {
    uint64_t count;
};

static void
show_fault(void *context, const struct log_fault *f)
{
    struct faults *faults = context;
    if (++faults->count <= FAULTS_SHOWN_MAX)
        fprintf(stderr, "gbill log: %s: %s\n", f->path, f->text);
}

static void
ignore_checked(void *context, const struct log_checked *checked)
{
    (void)context;
    (void)checked;
}

static enum err_code
check_copy(const char *log, int32_t from_day, struct err *err)
{
    struct faults faults = {0};
    struct log_check check = {.directory = log,
                              .from_day = from_day,
                              .context = &faults,
                              .fault = show_fault,
                              .checked = ignore_checked};
    uint64_t count;
    enum err_code code = log_check(&check, &count, err);
    if (code == ERR_OK && count > 0)
        return err_set(err, ERR_CORRUPT,
                       "%s: %" PRIu64 " faults; run gbill log verify on the log itself too", log,
                       count);
    return code;
}

/* ---- files beside the log ---- */

/* What no fold can make again from the log, if it is there. */
static const struct {
    const char *name;
    unsigned mode;
} beside[] = {
    {"roots.jsonl", 0640},
    {"redriven.jsonl", 0640},
    {"ratios.json", 0640},
    {"api-keys.json", 0600},
};

static enum err_code
copy_file(const char *from, const char *to, const char *name, unsigned mode, struct err *err)
{
    char source[FILE_PATH_BYTES_MAX], target[FILE_PATH_BYTES_MAX];
    struct bytes text = {0};
    enum err_code code = file_path(source, from, name, err);
    if (code == ERR_OK)
        code = file_path(target, to, name, err);
    if (code == ERR_OK)
        code = file_read(source, BESIDE_BYTES_MAX, &text, err);
    if (code == ERR_NOT_FOUND)
        return ERR_OK;
    if (code == ERR_OK)
        code = file_replace(target, mode, text, err);
    free((void *)(uintptr_t)text.data);
    return code;
}

static enum err_code
copy_beside(const char *from, const char *to, struct err *err)
{
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < CLI_COUNT(beside) && code == ERR_OK; i++)
        code = copy_file(from, to, beside[i].name, beside[i].mode, err);
    return code;
}

/* tables.mdb as it is now, under its name once it is whole. */
static enum err_code
copy_tables(const char *from, const char *to, struct err *err)
{
    char target[FILE_PATH_BYTES_MAX], made[FILE_PATH_BYTES_MAX + 8];
    struct tables *tables;
    enum err_code code = file_path(target, to, "tables.mdb", err);
    if (code == ERR_OK)
        code = tables_open(from, TABLES_READ, &tables, err);
    if (code != ERR_OK)
        return code;
    snprintf(made, sizeof made, "%s.new", target);
    unlink(made);
    code = tables_copy(tables, made, err);
    tables_close(tables);
    if (code == ERR_OK && rename(made, target) != 0)
        code = err_set_errno(err, errno, "cannot rename %s", made);
    if (code != ERR_OK)
        unlink(made);
    return code == ERR_OK ? file_sync_directory(to, err) : code;
}

static void
print_copied(const struct conf *conf, const struct log_copied *c)
{
    static const struct print_column columns[] = {{"daysCopied", PRINT_WHOLE},
                                                  {"bytesCopied", PRINT_WHOLE},
                                                  {"daysKept", PRINT_WHOLE},
                                                  {"lastSeq", PRINT_WHOLE}};
    struct print p;
    print_begin(&p, stdout, conf_flag(conf, "json") ? PRINT_JSON : PRINT_TABLE, columns,
                CLI_COUNT(columns));
    print_whole(&p, c->days);
    print_whole(&p, c->bytes);
    print_whole(&p, c->kept_days);
    print_whole(&p, c->last_seq);
    print_end(&p);
}

/* ---- backup ---- */

static enum err_code
back_up(const struct conf *conf, const char *log, const char *to_log, struct log_copied *ret,
        struct err *err)
{
    int from_lock = -1, to_lock = -1;
    enum err_code code = log_keep_lock(log, "gbill log job", &from_lock, err);
    if (code == ERR_OK)
        code = log_keep_lock(to_log, "gbill log job", &to_lock, err);
    if (code == ERR_OK)
        code = log_copy(log, to_log, ret, err);
    if (code == ERR_OK && (conf_flag(conf, "verify-all") || ret->days > 0))
        code = check_copy(to_log, conf_flag(conf, "verify-all") ? 0 : ret->first_day, err);
    if (from_lock >= 0)
        close(from_lock);
    if (to_lock >= 0)
        close(to_lock);
    return code;
}

static enum err_code
run_backup(struct cli *cli, struct err *err)
{
    const struct conf *conf = &cli->conf;
    const char *data = conf_data_dir(conf), *to = conf_text(conf, "to");
    char log[FILE_PATH_BYTES_MAX], to_log[FILE_PATH_BYTES_MAX];
    struct log_copied copied;
    if (to == NULL)
        return err_set(err, ERR_USAGE, "--to DIR is needed: where the backup is kept");
    enum err_code code = file_path(log, data, "log", err);
    if (code == ERR_OK)
        code = file_path(to_log, to, "log", err);
    if (code == ERR_OK)
        code = file_make_directory(to, err);
    if (code == ERR_OK)
        code = file_make_directory(to_log, err);
    if (code == ERR_OK)
        code = back_up(conf, log, to_log, &copied, err);
    if (code == ERR_OK)
        code = copy_beside(data, to, err);
    if (code == ERR_OK && conf_flag(conf, "tables"))
        code = copy_tables(data, to, err);
    if (code == ERR_OK)
        print_copied(conf, &copied);
    return code;
}

/* ---- restore ---- */

/* Nothing may be there that a restore would hide or mix with. */
static enum err_code
check_empty(const char *data, const char *log, struct err *err)
{
    char tables[FILE_PATH_BYTES_MAX];
    struct list days;
    enum err_code code = file_path(tables, data, "tables.mdb", err);
    if (code == ERR_OK && access(tables, F_OK) == 0)
        return err_set(err, ERR_CONFLICT,
                       "%s is there: restore into an empty data directory, or move it away",
                       tables);
    if (code == ERR_OK && access(log, F_OK) == 0) {
        code = log_days(log, &days, err);
        if (code == ERR_OK && days.count > 0)
            code = err_set(err, ERR_CONFLICT,
                           "%s holds %zu days: restore into an empty data directory, or move it "
                           "away",
                           log, days.count);
        list_clear(&days);
    }
    return code;
}

/* What an agent or another command has left in a log without days. */
static enum err_code
remove_empty_log(const char *log, struct err *err)
{
    static const char *const names[] = {"writer.lock", "keep.lock"};
    char path[FILE_PATH_BYTES_MAX];
    for (size_t i = 0; i < CLI_COUNT(names); i++) {
        enum err_code code = file_path(path, log, names[i], err);
        if (code != ERR_OK)
            return code;
        unlink(path);
    }
    if (rmdir(log) != 0 && errno != ENOENT)
        return err_set_errno(err, errno, "cannot remove the empty %s", log);
    return ERR_OK;
}

/* A directory of day files, empty: what an earlier run left in it goes. */
static enum err_code
make_empty(const char *directory, struct err *err)
{
    char path[FILE_PATH_BYTES_MAX];
    enum err_code code = file_make_directory(directory, err);
    DIR *dir = code == ERR_OK ? opendir(directory) : NULL;
    if (code == ERR_OK && dir == NULL)
        return err_set_errno(err, errno, "cannot read %s", directory);
    for (struct dirent *e; code == ERR_OK && (e = readdir(dir)) != NULL;) {
        if (e->d_name[0] == '.')
            continue;
        code = file_path(path, directory, e->d_name, err);
        if (code == ERR_OK && unlink(path) != 0)
            code = err_set_errno(err, errno, "cannot remove %s", path);
    }
    if (dir != NULL)
        closedir(dir);
    return code;
}

/* The days into a directory of their own, checked, which then becomes the log in one step. */
static enum err_code
restore_log(const char *from_log, const char *data, const char *log, struct log_copied *ret,
            struct err *err)
{
    char made[FILE_PATH_BYTES_MAX];
    int from_lock = -1;
    enum err_code code = file_path(made, data, "log.restoring", err);
    if (code == ERR_OK)
        code = log_keep_lock(from_log, "gbill log job", &from_lock, err);
    if (code == ERR_OK)
        code = make_empty(made, err);
    if (code == ERR_OK)
        code = log_copy(from_log, made, ret, err);
    if (code == ERR_OK)
        code = check_copy(made, 0, err);
    if (code == ERR_OK)
        code = remove_empty_log(log, err);
    if (code == ERR_OK && rename(made, log) != 0)
        code = err_set_errno(err, errno, "cannot rename %s to %s", made, log);
    if (from_lock >= 0)
        close(from_lock);
    return code == ERR_OK ? file_sync_directory(data, err) : code;
}

static enum err_code
run_restore(struct cli *cli, struct err *err)
{
    const struct conf *conf = &cli->conf;
    const char *data = conf_data_dir(conf), *from = conf_text(conf, "from");
    char log[FILE_PATH_BYTES_MAX], from_log[FILE_PATH_BYTES_MAX], path[FILE_PATH_BYTES_MAX];
    struct log_copied copied;
    int agent_lock = -1;
    if (from == NULL)
        return err_set(err, ERR_USAGE, "--from DIR is needed: what gbill log backup --to wrote");
    enum err_code code = file_path(log, data, "log", err);
    if (code == ERR_OK)
        code = file_path(from_log, from, "log", err);
    if (code == ERR_OK && access(from_log, F_OK) != 0)
        code = err_set_errno(err, errno, "%s is no backup: there is no %s", from, from_log);
    if (code == ERR_OK)
        code = file_make_directory(data, err);
    if (code == ERR_OK)
        code = file_path(path, data, "agent.lock", err);
    if (code == ERR_OK)
        code = file_lock(path, "gbill-agent", &agent_lock, err);
    if (code == ERR_OK)
        code = check_empty(data, log, err);
    if (code == ERR_OK)
        code = restore_log(from_log, data, log, &copied, err);
    if (code == ERR_OK)
        code = copy_beside(from, data, err);
    if (code == ERR_OK)
        code = file_path(path, from, "tables.mdb", err);
    if (code == ERR_OK && access(path, F_OK) == 0)
        code = copy_tables(from, data, err);
    if (agent_lock >= 0)
        close(agent_lock);
    if (code == ERR_OK)
        print_copied(conf, &copied);
    return code;
}

/* ---- prune ---- */

/* How many of the days lie before a date; the open one never does. */
static size_t
count_before(const struct list *days, int32_t before)
{
    const struct log_day_span *spans = days->items;
    size_t n = 0;
    while (n + 1 < days->count && spans[n].number < before)
        n++;
    return n;
}

static void
print_pruned(const struct conf *conf, const struct log_day_span *days, size_t count)
{
    static const struct print_column columns[] = {{"day", PRINT_TEXT},
                                                  {"firstSeq", PRINT_WHOLE},
                                                  {"lastSeq", PRINT_WHOLE},
                                                  {"quarantined", PRINT_WHOLE},
                                                  {"fileBytes", PRINT_WHOLE}};
    struct print p;
    char date[TIME_TEXT_BYTES];
    print_begin(&p, stdout, conf_flag(conf, "json") ? PRINT_JSON : PRINT_TABLE, columns,
                CLI_COUNT(columns));
    for (size_t i = 0; i < count; i++) {
        time_format_day(days[i].number, date);
        print_text(&p, str_of(date));
        print_whole(&p, days[i].first_seq[LOG_EVENTS]);
        print_whole(&p, days[i].last_seq[LOG_EVENTS]);
        print_whole(&p, days[i].last_seq[LOG_QUARANTINE] + 1 - days[i].first_seq[LOG_QUARANTINE]);
        print_whole(&p, days[i].bytes);
    }
    print_end(&p);
}

/*
 * May these days go?  Every collector must have them.  A host that only ships folds nothing:
 * what else must be true of a day is for who prunes the collector's copy.
 */
static enum err_code
check_need(const struct cli *cli, const struct log_day_span *days, size_t count, bool *ret_folded,
           struct err *err)
{
    struct tables *tables = NULL;
    struct tables_txn *txn = NULL;
    bool is_shipped;
    enum err_code code = shipped_check(conf_data_dir(&cli->conf), days, count, &is_shipped, err);
    if (code != ERR_OK)
        return code;
    code = tables_open(conf_data_dir(&cli->conf), TABLES_READ, &tables, err);
    *ret_folded = code != ERR_NOT_FOUND || !is_shipped;
    if (!*ret_folded)
        return ERR_OK;
    if (code == ERR_OK)
        code = tables_begin(tables, TABLES_READ, &txn, err);
    if (code == ERR_OK)
        code = log_need_check(txn, days, count, clock_now_ms(&cli->clock), err);
    tables_abort(txn);
    tables_close(tables);
    return code;
}

/* Evidence goes, and that stays: who removed which days. */
static enum err_code
remove_days(const struct cli *cli, const struct outlet *outlet, const char *log,
            const struct log_day_span *days, size_t count, struct err *err)
{
    char actor[ACT_ACTOR_BYTES], first[TIME_TEXT_BYTES], last[TIME_TEXT_BYTES];
    char reason[sizeof first + sizeof last + 16];
    const struct act_told told = {ACT_NOBODY, actor, "log.prune", NULL, reason, false};
    if (count == 0)
        return ERR_OK;
    time_format_day(days[0].number, first);
    time_format_day(days[count - 1].number, last);
    snprintf(reason, sizeof reason, "days %s to %s", first, last);
    act_user(actor);
    enum err_code code = act_tell(outlet, &cli->clock, &told, err);
    if (code != ERR_OK)
        return code;
    for (size_t i = 0; code == ERR_OK && i < count; i++)
        code = log_day_remove(log, days[i].number, err);
    if (code != ERR_OK)
        act_tell_failed(outlet, &cli->clock, &told, err);
    return code;
}

/* With all locks held: what may go, goes. */
static enum err_code
prune(const struct cli *cli, const struct outlet *outlet, const char *log, int32_t before,
      struct err *err)
{
    struct list days;
    bool dry = conf_flag(&cli->conf, "dry-run"), is_folded = false;
    enum err_code code = log_days(log, &days, err);
    const struct log_day_span *spans = days.items;
    size_t count = code == ERR_OK ? count_before(&days, before) : 0;
    if (code == ERR_OK)
        code = check_need(cli, spans, count, &is_folded, err);
    if (code == ERR_OK)
        print_pruned(&cli->conf, spans, count);
    if (code == ERR_OK && !dry)
        code = remove_days(cli, outlet, log, spans, count, err);
    if (code == ERR_OK && count > 0)
        fprintf(stderr,
                "gbill log prune: %s; what is kept proves itself from event %" PRIu64 " on.%s\n",
                dry ? "nothing was removed (--dry-run)" : "removed",
                spans[count].first_seq[LOG_EVENTS],
                is_folded ? "  Keep tables.mdb and roots.jsonl, or a backup of these days: a "
                            "rebuild can no longer go back before them"
                          : "  The collector has what came before");
    list_clear(&days);
    return code;
}

/* A fold reads old days again, and roots are read from them: neither may run. */
static enum err_code
lock_all(const struct conf *conf, const char *log, int fds[3], struct err *err)
{
    static const struct {
        const char *name, *who;
    } locks[] = {{"rollup.lock", "gbill rollup"}, {"roots.lock", "gbill audit --roots"}};
    char path[FILE_PATH_BYTES_MAX];
    enum err_code code = log_keep_lock(log, "gbill log job", &fds[2], err);
    for (size_t i = 0; code == ERR_OK && i < CLI_COUNT(locks); i++) {
        code = file_path(path, conf_data_dir(conf), locks[i].name, err);
        if (code == ERR_OK)
            code = file_lock(path, locks[i].who, &fds[i], err);
    }
    return code;
}

enum err_code
cmd_log_prune_run(struct cli *cli, const struct outlet *outlet, struct err *err)
{
    const char *text = conf_text(&cli->conf, "before");
    char log[FILE_PATH_BYTES_MAX];
    int fds[3] = {-1, -1, -1};
    int64_t utc_ms;
    if (text == NULL || !time_parse(str_of(text), &utc_ms) || utc_ms % TIME_DAY_MS != 0)
        return err_set(err, ERR_USAGE,
                       "--before DATE is needed, such as 2026-09-01: the first day that stays");
    enum err_code code = file_path(log, conf_data_dir(&cli->conf), "log", err);
    if (code == ERR_OK)
        code = lock_all(&cli->conf, log, fds, err);
    if (code == ERR_OK)
        code = prune(cli, outlet, log, (int32_t)(utc_ms / TIME_DAY_MS), err);
    for (size_t i = 0; i < CLI_COUNT(fds); i++) {
        if (fds[i] >= 0)
            close(fds[i]);
    }
    return code;
}

/* ---- the commands ---- */

static const struct conf_opt backup_opts[] = {
    CONF_ROW_DATA,
    {"to", NULL, CONF_TEXT, "DIR", 0, 0, NULL, false, "where the backup is kept"},
    {"tables", NULL, CONF_FLAG, NULL, 0, 0, "false", false,
     "also copy tables.mdb, which else is folded anew from the log"},
    {"verify-all", NULL, CONF_FLAG, NULL, 0, 0, "false", false,
     "check the whole backup, not only what was copied now"},
    CONF_ROW_JSON,
};

static const struct conf_opt restore_opts[] = {
    CONF_ROW_DATA,
    {"from", NULL, CONF_TEXT, "DIR", 0, 0, NULL, false, "what gbill log backup --to wrote"},
    CONF_ROW_JSON,
};

static const struct conf_opt prune_opts[] = {
    CONF_ROW_DATA,
    {"before", NULL, CONF_TEXT, "DATE", 0, 0, NULL, false,
     "the first UTC day of receipt that stays"},
    {"dry-run", NULL, CONF_FLAG, NULL, 0, 0, "false", false, "say what would go, remove nothing"},
    ACT_ROW_SOCKET,
    ACT_ROW_UNAUDITED,
    CONF_ROW_JSON,
};

const struct cli_cmd cmd_log_backup = {
    .name = "log backup",
    .args = "",
    .opts = backup_opts,
    .opt_count = CLI_COUNT(backup_opts),
    .run = run_backup,
    .summary = "copy what is new of the log elsewhere, while the agent writes",
    .help =
        "Copies each day's file as it is at one moment into DIR/log, and beside it what cannot be\n"
        "made again from the log: roots.jsonl, redriven.jsonl, ratios.json, api-keys.json.  The\n"
        "agent goes on meanwhile.  Days that are there already with the same end are left alone,\n"
        "so run it again and again with the same DIR: all but the newest day are copied once,\n"
        "and once more when they have been sealed.  Days pruned here stay there.  What was\n"
        "copied is then checked as gbill log verify does; lastSeq is the last event it holds.\n"
        "Prices and plans lie elsewhere and are not copied.\n"
        "\n"
        "The backup is a data directory by itself: gbill log verify --data DIR reads it.\n",
};

const struct cli_cmd cmd_log_restore = {
    .name = "log restore",
    .args = "",
    .opts = restore_opts,
    .opt_count = CLI_COUNT(restore_opts),
    .run = run_restore,
    .summary = "bring a backup back into an empty data directory",
    .help = "Copies the days of DIR into the data directory, which must hold none and no tables,\n"
            "checks them as gbill log verify does, and only then gives them their place, in one\n"
            "step.  The agent must not run.  Without tables in the backup run gbill rollup next:\n"
            "the tables come out byte for byte as they were.\n",
};

const struct cli_cmd cmd_log_prune = {
    .name = "log prune",
    .args = "",
    .opts = prune_opts,
    .opt_count = CLI_COUNT(prune_opts),
    .run = NULL, /* gbill.c: it knows an outlet */
    .summary = "let the oldest days go, if nothing needs them",
    .help =
        "Removes the files of closed days before DATE, oldest first.  It refuses, and says which\n"
        "day must stay and why, unless the fold has passed them, their roots are published\n"
        "(gbill audit --roots), every month that they may have events of is invoiced for good,\n"
        "none of their events waits for a price, and all are older than 35 days.\n"
        "\n"
        "A host that ships its log (gbill ship): every collector in DIR/shipped.json must have\n"
        "flushed the day.  Where nothing was ever folded that is all: the collector's copy is what\n"
        "is billed, and its gbill log prune asks for the rest.\n"
        "\n"
        "What stays proves itself: gbill log verify begins with the chain that the first day\n"
        "kept begins with, which is the root of the day before it.  gbill rollup --rebuild can\n"
        "then no longer go back, and says so; tables.mdb, or a backup of what was removed, is\n"
        "what must be kept.\n"
        "\n"
        "Who removed which days is in the log before they go (gbill audit --acts), so a running\n"
        "gbill-agent is needed, else nothing is removed and the exit status is 13.  Where there is\n"
        "none, as on a full disk, --unaudited removes them all the same.\n",
};
