#include "rollup/roots.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/base/buf.h"
#include "store/base/time.h"
#include "store/tables/log_day.h"

enum { FILE_BYTES_MAX = 64 * 1024 * 1024, LINE_BYTES_MAX = 512, LINE_SAID_BYTES = 300 };

/* The file's line of a root, without its newline. */
static struct str
line_of(const struct log_root *root, char text[LINE_BYTES_MAX])
{
    char day[TIME_TEXT_BYTES], chain[LOG_STREAMS][HASH_SHA256_TEXT_BYTES];
    time_format_day(root->day, day);
    for (int s = 0; s < LOG_STREAMS; s++)
        hash_hex(root->chain[s], HASH_SHA256_BYTES, chain[s]);
    int n = snprintf(text, LINE_BYTES_MAX,
                     "{\"day\":\"%s\",\"chain\":\"%s\",\"quarantineChain\":\"%s\","
                     "\"firstSeq\":%" PRIu64 ",\"lastSeq\":%" PRIu64 ",\"events\":%" PRIu64
                     ",\"quarantined\":%" PRIu64 ",\"frames\":%" PRIu64 "}",
                     day, chain[LOG_EVENTS], chain[LOG_QUARANTINE], root->first_seq, root->last_seq,
                     log_root_events(root), root->quarantined, root->frames);
    return (struct str){text, (size_t)n};
}

/* The day of a line, by its first field. */
static bool
day_of_line(struct str line, int32_t *ret_day)
{
    static const char head[] = "{\"day\":\"";
    enum { HEAD_BYTES = sizeof head - 1, DAY_BYTES = 10 };
    int64_t utc_ms;
    if (line.size_bytes < HEAD_BYTES + DAY_BYTES || memcmp(line.data, head, HEAD_BYTES) != 0 ||
        !time_parse((struct str){line.data + HEAD_BYTES, DAY_BYTES}, &utc_ms))
        return false;
    *ret_day = (int32_t)(utc_ms / TIME_DAY_MS);
    return true;
}

/* The file on its way: what it had, and the roots of the log between that. */
struct merge {
    const char *path;
    const struct log_roots *log;
    size_t next; /* of log->roots */
    int32_t last_day;
    struct buf text;
    uint64_t added;
};

static enum err_code
put_line(struct merge *m, struct str line, struct err *err)
{
    if (buf_append(&m->text, line.data, line.size_bytes) && buf_append(&m->text, "\n", 1))
        return ERR_OK;
    return err_set(err, ERR_LIMIT, "%s: more than %d bytes of roots", m->path, FILE_BYTES_MAX);
}

/* Put the log's roots up to a day, and the day itself if it has one. */
static enum err_code
put_roots(struct merge *m, int32_t before, struct err *err)
{
    const struct log_root *roots = m->log->roots.items;
    char text[LINE_BYTES_MAX];
    enum err_code code = ERR_OK;
    for (; code == ERR_OK && m->next < m->log->roots.count && roots[m->next].day < before;
         m->next++) {
        code = put_line(m, line_of(&roots[m->next], text), err);
        m->added++;
    }
    return code;
}

/* A line that the file has: it stays, if the log does not say otherwise. */
static enum err_code
keep_line(struct merge *m, struct str line, size_t number, struct err *err)
{
    const struct log_root *roots = m->log->roots.items;
    char text[LINE_BYTES_MAX], name[TIME_TEXT_BYTES];
    int32_t day;
    if (!day_of_line(line, &day) || day <= m->last_day)
        return err_set(err, ERR_INPUT,
                       "%s: line %zu is not the root of a day behind the one before; restore the "
                       "file from a copy, or name another --output",
                       m->path, number);
    m->last_day = day;
    time_format_day(day, name);
    enum err_code code = put_roots(m, day, err);
    if (code != ERR_OK)
        return code;
    if (m->next < m->log->roots.count && roots[m->next].day == day) {
        struct str now = line_of(&roots[m->next++], text);
        if (now.size_bytes != line.size_bytes || memcmp(now.data, line.data, line.size_bytes) != 0)
            return err_set(err, ERR_CORRUPT,
                           "%s: the root of %s is %.*s, but the log gives %.*s; run gbill log "
                           "verify",
                           m->path, name,
                           line.size_bytes > LINE_SAID_BYTES ? LINE_SAID_BYTES
                                                             : (int)line.size_bytes,
                           line.data, STR_ARG(now));
    } else if (day >= m->log->oldest_day) {
        /* Older days may have been dropped; these cannot have been. */
        return err_set(err, ERR_CORRUPT,
                       "%s: has a root of %s, but the log has no such closed day: its file is "
                       "gone, or this is another log; restore log/%s.mdb, or name another --output",
                       m->path, name, name);
    }
    return put_line(m, line, err);
}

static enum err_code
merge_file(struct merge *m, struct bytes old, struct err *err)
{
    const char *p = (const char *)old.data, *end = p + old.size_bytes;
    enum err_code code = ERR_OK;
    for (size_t number = 1; code == ERR_OK && p < end; number++) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        size_t bytes = (size_t)((newline != NULL ? newline : end) - p);
        code = keep_line(m, (struct str){p, bytes}, number, err);
        p += bytes + 1;
    }
    return code == ERR_OK ? put_roots(m, INT32_MAX, err) : code;
}

static enum err_code
update_file(const char *path, const struct log_roots *log, uint64_t *ret_added, struct err *err)
{
    struct bytes old = {0};
    struct merge m = {.path = path, .log = log, .last_day = INT32_MIN};
    buf_init(&m.text, FILE_BYTES_MAX);
    enum err_code code = ERR_OK;
    if (access(path, F_OK) == 0)
        code = file_read(path, FILE_BYTES_MAX, &old, err);
    if (code == ERR_OK)
        code = merge_file(&m, old, err);
    if (code == ERR_OK && m.added > 0)
        code = file_replace(path, 0640, (struct bytes){m.text.data, m.text.size_bytes}, err);
    if (code == ERR_OK)
        *ret_added = m.added;
    free((void *)(uintptr_t)old.data);
    buf_clear(&m.text);
    return code;
}

static enum err_code
update_tables(const char *data_directory, const struct log_roots *log, struct err *err)
{
    const struct log_root *roots = log->roots.items;
    struct tables *tables;
    struct tables_txn *txn;
    if (log->roots.count == 0)
        return ERR_OK;
    /* Opened for writing they would be made, but that is for the fold to do. */
    enum err_code code = tables_open(data_directory, TABLES_READ, &tables, err);
    if (code != ERR_OK)
        return code == ERR_NOT_FOUND ? ERR_OK : code;
    tables_close(tables);
    code = tables_open(data_directory, TABLES_WRITE, &tables, err);
    if (code != ERR_OK)
        return code;
    code = tables_begin(tables, TABLES_WRITE, &txn, err);
    if (code == ERR_OK) {
        for (size_t i = 0; code == ERR_OK && i < log->roots.count; i++)
            code = log_day_put(txn, log->identity, &roots[i], err);
        if (code == ERR_OK)
            code = tables_commit(txn, err);
        else
            tables_abort(txn);
    }
    tables_close(tables);
    return code;
}

enum err_code
roots_run(const struct roots_options *options, struct roots_result *ret, struct err *err)
{
    char log[FILE_PATH_BYTES_MAX], lock[FILE_PATH_BYTES_MAX];
    int lock_fd = -1;
    *ret = (struct roots_result){0};
    enum err_code code = file_path(log, options->data_directory, "log", err);
    if (code == ERR_OK && options->path == NULL)
        code = file_path(ret->path, options->data_directory, "roots.jsonl", err);
    else if (code == ERR_OK)
        snprintf(ret->path, sizeof ret->path, "%s", options->path);
    if (code == ERR_OK)
        code = log_roots_read(log, &ret->roots, err);
    if (code == ERR_OK)
        code = file_path(lock, options->data_directory, "roots.lock", err);
    if (code == ERR_OK)
        code = file_lock(lock, "gbill audit --roots", &lock_fd, err);
    if (code == ERR_OK)
        code = update_file(ret->path, &ret->roots, &ret->added, err);
    if (code == ERR_OK)
        code = update_tables(options->data_directory, &ret->roots, err);
    if (lock_fd >= 0)
        close(lock_fd);
    return code;
}

void
roots_result_clear(struct roots_result *result)
{
    log_roots_clear(&result->roots);
}
