#include "store/log/keep.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/log/day.h"
#include "store/log/pages.h"
#include "store/log/tail.h"

enum err_code
log_keep_lock(const char *directory, const char *who, int *ret_fd, struct err *err)
{
    char path[FILE_PATH_BYTES_MAX];
    enum err_code code = file_path(path, directory, "keep.lock", err);
    return code == ERR_OK ? file_lock(path, who, ret_fd, err) : code;
}

static uint64_t
file_bytes(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static enum err_code
read_span(const char *directory, int32_t number, struct log_day_span *ret, struct err *err)
{
    struct day day;
    struct day_tip tips[LOG_STREAMS];
    enum err_code code = day_open(&day, directory, number, false, err);
    if (code != ERR_OK)
        return code;
    *ret = (struct log_day_span){.number = number, .bytes = file_bytes(day.path)};
    memcpy(ret->identity, day.identity, sizeof ret->identity);
    code = day_tips_read(&day, tips, err);
    for (int s = 0; code == ERR_OK && s < LOG_STREAMS; s++) {
        ret->first_seq[s] = day.start[s].next_seq;
        ret->last_seq[s] = tips[s].next_seq - 1;
    }
    day_close(&day);
    return code;
}

enum err_code
log_days(const char *directory, struct list *ret, struct err *err)
{
    int32_t *days = NULL;
    size_t count = 0;
    list_init(ret, sizeof(struct log_day_span));
    enum err_code code = day_list(directory, &days, &count, err);
    for (size_t i = 0; code == ERR_OK && i < count; i++) {
        struct log_day_span span;
        code = read_span(directory, days[i], &span, err);
        if (code == ERR_NOT_FOUND)
            code = ERR_OK; /* made but never used */
        else if (code == ERR_OK && !list_add(ret, &span))
            code = err_set(err, ERR_LIMIT, "no memory for %zu days", count);
    }
    free(days);
    return code;
}

/* ---- removing ---- */

/* Remove one of a day's forms, with LMDB's lock file; it may be gone already. */
static enum err_code
remove_form(const char *directory, int32_t number, bool sealed, struct err *err)
{
    char path[FILE_PATH_BYTES_MAX], lock[FILE_PATH_BYTES_MAX + 8];
    enum err_code code = day_path(path, directory, number, sealed, err);
    if (code != ERR_OK)
        return code;
    snprintf(lock, sizeof lock, "%s-lock", path);
    if (unlink(path) != 0 && errno != ENOENT)
        return err_set_errno(err, errno, "cannot remove %s", path);
    if (unlink(lock) != 0 && errno != ENOENT)
        return err_set_errno(err, errno, "cannot remove %s", lock);
    return ERR_OK;
}

enum err_code
log_day_remove(const char *directory, int32_t number, struct err *err)
{
    /* The sealed one last: it counts while both are there. */
    enum err_code code = remove_form(directory, number, false, err);
    if (code == ERR_OK)
        code = remove_form(directory, number, true, err);
    return code == ERR_OK ? file_sync_directory(directory, err) : code;
}

enum err_code
log_day_remove_unsealed(const char *directory, int32_t number, struct err *err)
{
    enum err_code code = remove_form(directory, number, false, err);
    return code == ERR_OK ? file_sync_directory(directory, err) : code;
}

/* ---- copying ---- */

static bool
same_tip(const struct day_tip *a, const struct day_tip *b)
{
    return a->next_seq == b->next_seq && memcmp(a->chain, b->chain, sizeof a->chain) == 0;
}

/*
 * Is the day there already, with the same end and in the same form?  An older state
 * of it may be there, of the same log.
 */
static enum err_code
is_there(const struct day *from, const char *to, bool *ret_there, struct err *err)
{
    struct day copy;
    struct day_tip here[LOG_STREAMS], there[LOG_STREAMS];
    bool same = true;
    *ret_there = false;
    enum err_code code = day_open(&copy, to, from->number, false, err);
    if (code == ERR_NOT_FOUND)
        return ERR_OK;
    if (code != ERR_OK)
        return code;
    if (memcmp(copy.identity, from->identity, sizeof copy.identity) != 0)
        code = err_set(err, ERR_CONFLICT, "%s: is of another log than %s; choose another directory",
                       copy.path, from->path);
    if (code == ERR_OK)
        code = day_tips_read(from, here, err);
    if (code == ERR_OK)
        code = day_tips_read(&copy, there, err);
    for (int s = 0; code == ERR_OK && s < LOG_STREAMS; s++) {
        same = same && same_tip(&here[s], &there[s]) && same_tip(&from->start[s], &copy.start[s]);
        if (there[s].next_seq > here[s].next_seq)
            code = err_set(err, ERR_CONFLICT,
                           "%s: holds more than %s: the log has lost its end, or went on from an "
                           "older copy; keep both and choose another directory",
                           copy.path, from->path);
    }
    *ret_there = same && copy.sealed == from->sealed;
    day_close(&copy);
    return code;
}

static enum err_code
flush_file(const char *path, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set_errno(err, errno, "cannot open %s", path);
    enum err_code code = fsync(fd) == 0 ? ERR_OK
                                        : err_set_errno(err, errno, "cannot flush %s", path);
    close(fd);
    return code;
}

/* One day in the state of this moment, under its name once it is whole and flushed. */
static enum err_code
copy_day(const struct day *day, const char *to, uint64_t *ret_bytes, struct err *err)
{
    char path[FILE_PATH_BYTES_MAX], made[FILE_PATH_BYTES_MAX + 8];
    enum err_code code = day_path(path, to, day->number, day->sealed, err);
    if (code != ERR_OK)
        return code;
    snprintf(made, sizeof made, "%s.new", path);
    if (unlink(made) != 0 && errno != ENOENT)
        return err_set_errno(err, errno, "cannot remove %s", made);
    int rc = mdb_env_copy2(day->env, made, MDB_CP_COMPACT);
    code = rc == 0 ? flush_file(made, err) : day_err(err, rc, made, "copy the day");
    *ret_bytes = file_bytes(made);
    if (code == ERR_OK && rename(made, path) != 0)
        code = err_set_errno(err, errno, "cannot rename %s", made);
    if (code != ERR_OK) {
        unlink(made);
        return code;
    }
    code = file_sync_directory(to, err);
    /* The form it had in an earlier copy. */
    return code == ERR_OK ? remove_form(to, day->number, !day->sealed, err) : code;
}

static enum err_code
copy_if_new(const char *from, int32_t number, bool newest, const char *to, struct log_copied *sum,
            struct err *err)
{
    struct day day;
    bool there = false;
    uint64_t bytes = 0;
    enum err_code code = day_open(&day, from, number, false, err);
    if (code == ERR_NOT_FOUND)
        return ERR_OK; /* made but never used */
    if (code != ERR_OK)
        return code;
    code = is_there(&day, to, &there, err);
    if (code == ERR_OK && there)
        sum->kept_days++;
    if (code == ERR_OK && !there && !newest)
        code = pages_check(day.path, err);
    if (code == ERR_OK && !there) {
        code = copy_day(&day, to, &bytes, err);
        sum->days++;
        sum->bytes += bytes;
        sum->first_day = sum->first_day < number ? sum->first_day : number;
    }
    day_close(&day);
    return code;
}

/* The newest day that was ever used; ERR_NOT_FOUND when there is none. */
static enum err_code
open_newest(const char *directory, struct day *day, struct err *err)
{
    int32_t *days = NULL;
    size_t count = 0;
    enum err_code code = day_list(directory, &days, &count, err);
    if (code == ERR_OK)
        code = err_set(err, ERR_NOT_FOUND, "%s: no day was ever used", directory);
    while (code == ERR_NOT_FOUND && count > 0)
        code = day_open(day, directory, days[--count], false, err);
    free(days);
    return code;
}

/*
 * Of the log's tail what goes on behind the copied days; *ret_last_seq becomes the
 * last event of all that was copied.
 */
static enum err_code
copy_tail(const char *to, struct bytes records, uint64_t *ret_last_seq, struct err *err)
{
    struct day day;
    struct day_tip tips[LOG_STREAMS];
    char path[FILE_PATH_BYTES_MAX];
    size_t count;
    enum err_code code = open_newest(to, &day, err);
    if (code == ERR_NOT_FOUND)
        return ERR_OK;
    if (code != ERR_OK)
        return code;
    struct frame_codec *codec = frame_codec_new();
    code = codec == NULL ? err_set(err, ERR_LIMIT, "no memory for zstd")
                         : day_tips_read(&day, tips, err);
    day_close(&day);
    if (code == ERR_OK)
        code = file_path(path, to, "tail", err);
    if (code == ERR_OK) {
        records.size_bytes = tail_follow(records, codec, tips, &count);
        *ret_last_seq = tips[LOG_EVENTS].next_seq - 1;
        if (count > 0)
            code = file_replace(path, 0640, records, err);
        else if (unlink(path) != 0 && errno != ENOENT)
            code = err_set_errno(err, errno, "cannot remove %s", path);
    }
    frame_codec_free(codec);
    return code;
}

enum err_code
log_copy(const char *from, const char *to, struct log_copied *ret, struct err *err)
{
    int32_t *days = NULL;
    size_t count = 0;
    struct log_copied sum = {.first_day = INT32_MAX};
    struct buf tail;
    buf_init(&tail, TAIL_BLOCKS * TAIL_BLOCK_BYTES);
    /* The tail first: what is moved out of it meanwhile comes with the newest day. */
    enum err_code code = tail_read(from, &tail, err);
    if (code == ERR_OK)
        code = day_list(from, &days, &count, err);
    for (size_t i = 0; code == ERR_OK && i < count; i++)
        code = copy_if_new(from, days[i], i + 1 == count, to, &sum, err);
    if (code == ERR_OK)
        code = copy_tail(to, (struct bytes){tail.data, tail.size_bytes}, &sum.last_seq, err);
    free(days);
    buf_clear(&tail);
    if (code == ERR_OK)
        *ret = sum;
    return code;
}
