#include "store/log/day.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/base/lmdb_file.h"
#include "store/base/time.h"
#include "store/log/frame.h"

size_t day_map_bytes = (size_t)256 << 30;

enum { DAY_DATABASES = 4, DAY_TIP_BYTES = 8 + HASH_SHA256_BYTES, DAY_MODE = 0640 };

enum err_code
day_err(struct err *err, int lmdb_code, const char *path, const char *doing)
{
    if (lmdb_code == MDB_MAP_FULL)
        return err_set(err, ERR_FULL, "%s: cannot %s: the map is full", path, doing);
    if (lmdb_code == MDB_CORRUPTED || lmdb_code == MDB_PAGE_NOTFOUND || lmdb_code == MDB_INVALID ||
        lmdb_code == MDB_VERSION_MISMATCH)
        return err_set(err, ERR_CORRUPT, "%s: cannot %s: %s", path, doing, mdb_strerror(lmdb_code));
    if (lmdb_code < 0)
        return err_set(err, ERR_IO, "%s: cannot %s: %s", path, doing, mdb_strerror(lmdb_code));
    return err_set_errno(err, lmdb_code, "%s: cannot %s", path, doing);
}

static MDB_val
text_val(const char *text)
{
    return (MDB_val){strlen(text), (void *)(uintptr_t)text};
}

/* An environment of this process, by path. */
struct day_env {
    struct day_env *next;
    MDB_env *env;
    unsigned users;
    bool write;
    char path[FILE_PATH_BYTES_MAX];
};

static struct day_env *open_envs;
static pthread_mutex_t open_envs_lock = PTHREAD_MUTEX_INITIALIZER;

static int
make_env(const char *path, bool write, MDB_env **ret)
{
    unsigned flags = MDB_NOSUBDIR | MDB_NOTLS | (write ? 0 : MDB_RDONLY);
    MDB_env *env = NULL;
    int rc = write ? lmdb_file_reserve_lock(path, DAY_MODE) : 0;
    if (rc == 0)
        rc = mdb_env_create(&env);
    if (rc == 0)
        rc = mdb_env_set_maxdbs(env, DAY_DATABASES);
    /* A file that is larger gets what it needs here, and more at its next append. */
    if (rc == 0 && write)
        rc = mdb_env_set_mapsize(env, day_map_bytes);
    if (rc == 0)
        rc = mdb_env_open(env, path, flags, DAY_MODE);
    /* Readers that were killed keep their slots until somebody looks; there are 126. */
    int dead;
    if (rc == 0)
        rc = mdb_reader_check(env, &dead);
    if (rc != 0 && env != NULL)
        mdb_env_close(env);
    else
        *ret = env;
    return rc;
}

/* The process's environment of a file, opened if need be. */
static int
take_env(const char *path, bool write, struct day_env **ret)
{
    int rc = 0;
    pthread_mutex_lock(&open_envs_lock);
    struct day_env *e = open_envs;
    while (e != NULL && strcmp(e->path, path) != 0)
        e = e->next;
    if (e == NULL) {
        e = calloc(1, sizeof *e);
        rc = e == NULL ? ENOMEM : make_env(path, write, &e->env);
        if (rc == 0) {
            snprintf(e->path, sizeof e->path, "%s", path);
            e->write = write;
            e->next = open_envs;
            open_envs = e;
        } else {
            free(e);
        }
    } else if (write && !e->write) {
        rc = EBUSY; /* a reader of this process came first */
    }
    if (rc == 0) {
        e->users++;
        *ret = e;
    }
    pthread_mutex_unlock(&open_envs_lock);
    return rc;
}

static void
give_env(struct day_env *e)
{
    pthread_mutex_lock(&open_envs_lock);
    if (--e->users == 0) {
        struct day_env **at = &open_envs;
        while (*at != e)
            at = &(*at)->next;
        *at = e->next;
        mdb_env_close(e->env);
        free(e);
    }
    pthread_mutex_unlock(&open_envs_lock);
}

static enum err_code
day_path(char path[FILE_PATH_BYTES_MAX], const char *directory, int32_t number, struct err *err)
{
    char name[TIME_TEXT_BYTES + 8], date[TIME_TEXT_BYTES];
    time_format_day(number, date);
    snprintf(name, sizeof name, "%s.mdb", date);
    return file_path(path, directory, name, err);
}

static int
open_databases(MDB_txn *txn, unsigned flags, MDB_dbi *ret_meta, MDB_dbi ret_streams[LOG_STREAMS])
{
    static const char *const names[LOG_STREAMS] = {"events", "quarantine"};
    int rc = mdb_dbi_open(txn, "meta", flags, ret_meta);
    for (int s = 0; rc == 0 && s < LOG_STREAMS; s++)
        rc = mdb_dbi_open(txn, names[s], flags | MDB_INTEGERKEY, &ret_streams[s]);
    return rc;
}

/* Environment and databases; *ret_txn is a transaction in which they were opened. */
static enum err_code
open_env(struct day *day, const char *directory, int32_t number, bool write, MDB_txn **ret_txn,
         struct err *err)
{
    *day = (struct day){.number = number};
    enum err_code code = day_path(day->path, directory, number, err);
    if (code != ERR_OK)
        return code;
    if (access(day->path, F_OK) != 0)
        return err_set_errno(err, errno, "%s", day->path);
    MDB_txn *txn = NULL;
    int rc = take_env(day->path, write, &day->shared);
    if (rc == 0) {
        day->env = day->shared->env;
        rc = mdb_txn_begin(day->env, NULL, MDB_RDONLY, &txn);
    }
    if (rc == 0)
        rc = open_databases(txn, 0, &day->meta, day->streams);
    if (rc == 0) {
        *ret_txn = txn;
        return ERR_OK;
    }
    if (txn != NULL)
        mdb_txn_abort(txn);
    code = rc == MDB_NOTFOUND
               ? err_set(err, ERR_NOT_FOUND, "%s: was made but never used", day->path)
               : day_err(err, rc, day->path, "open the day");
    day_close(day);
    return code;
}

static void
tip_decode(const uint8_t *p, struct day_tip *tip)
{
    tip->next_seq = get_le64(p);
    memcpy(tip->chain, p + 8, HASH_SHA256_BYTES);
}

static enum err_code
read_meta(struct day *day, MDB_txn *txn, struct err *err)
{
    MDB_val key = text_val("identity"), identity, start_key = text_val("start"), start;
    int rc = mdb_get(txn, day->meta, &key, &identity);
    if (rc == 0)
        rc = mdb_get(txn, day->meta, &start_key, &start);
    if (rc == MDB_NOTFOUND)
        return err_set(err, ERR_NOT_FOUND, "%s: was made but never used", day->path);
    if (rc != 0)
        return day_err(err, rc, day->path, "read its meta");
    if (identity.mv_size != HASH_SHA256_BYTES || start.mv_size != LOG_STREAMS * DAY_TIP_BYTES)
        return err_set(err, ERR_CORRUPT, "%s: its meta has the wrong size", day->path);
    memcpy(day->identity, identity.mv_data, HASH_SHA256_BYTES);
    for (int s = 0; s < LOG_STREAMS; s++)
        tip_decode((const uint8_t *)start.mv_data + s * DAY_TIP_BYTES, &day->start[s]);
    return ERR_OK;
}

enum err_code
day_open(struct day *day, const char *directory, int32_t number, bool write, struct err *err)
{
    MDB_txn *txn = NULL;
    enum err_code code = open_env(day, directory, number, write, &txn, err);
    if (code != ERR_OK)
        return code;
    code = read_meta(day, txn, err);
    /* A handle opened in a reading transaction is kept by committing, not by aborting it. */
    int rc = mdb_txn_commit(txn);
    if (code == ERR_OK && rc != 0)
        code = day_err(err, rc, day->path, "open its tables");
    if (code != ERR_OK)
        day_close(day);
    return code;
}

/* What a day's meta says. */
struct beginning {
    const uint8_t *identity;
    const struct day_tip *start;
};

static int
fill_day(MDB_txn *txn, void *context)
{
    const struct beginning *b = context;
    uint8_t tips[LOG_STREAMS * DAY_TIP_BYTES];
    MDB_dbi meta, streams[LOG_STREAMS];
    for (int s = 0; s < LOG_STREAMS; s++) {
        put_le64(tips + s * DAY_TIP_BYTES, b->start[s].next_seq);
        memcpy(tips + s * DAY_TIP_BYTES + 8, b->start[s].chain, HASH_SHA256_BYTES);
    }
    MDB_val key = text_val("identity");
    MDB_val value = {HASH_SHA256_BYTES, (void *)(uintptr_t)b->identity};
    MDB_val start_key = text_val("start"), start_value = {sizeof tips, tips};
    int rc = open_databases(txn, MDB_CREATE, &meta, streams);
    if (rc == 0)
        rc = mdb_put(txn, meta, &key, &value, 0);
    return rc == 0 ? mdb_put(txn, meta, &start_key, &start_value, 0) : rc;
}

/* Earlier versions could be interrupted between making a day file and its first commit. */
static void
remove_unused(const char *directory, int32_t number)
{
    struct day old;
    if (day_open(&old, directory, number, false, NULL) == ERR_NOT_FOUND)
        (void)unlink(old.path);
    else
        day_close(&old);
}

enum err_code
day_create(struct day *day, const char *directory, int32_t number,
           const uint8_t identity[HASH_SHA256_BYTES], const struct day_tip start[LOG_STREAMS],
           struct err *err)
{
    struct beginning b = {identity, start};
    const struct lmdb_file_plan plan = {day_map_bytes, DAY_DATABASES, DAY_MODE, fill_day, &b};
    char path[FILE_PATH_BYTES_MAX];
    enum err_code code = day_path(path, directory, number, err);
    if (code != ERR_OK)
        return code;
    remove_unused(directory, number);
    int rc = lmdb_file_make(path, &plan);
    code = rc != 0 ? day_err(err, rc, path, "make the day") : file_sync_directory(directory, err);
    return code == ERR_OK ? day_open(day, directory, number, true, err) : code;
}

int
day_grow_map(struct day *day)
{
    MDB_envinfo info;
    mdb_env_info(day->env, &info);
    return mdb_env_set_mapsize(day->env, info.me_mapsize * 2);
}

int
day_follow_map(struct day *day)
{
    return mdb_env_set_mapsize(day->env, 0);
}

bool
day_can_grow(const struct day *day, uint64_t bytes)
{
    static const uint8_t zeros[64 * 1024];
    struct stat st;
    mdb_filehandle_t fd = -1;
    uint64_t done = 0;
    ssize_t n = 1;
    if (mdb_env_get_fd(day->env, &fd) != 0 || fstat(fd, &st) != 0)
        return true;
    for (; n > 0 && done<bytes; done += n> 0 ? (uint64_t)n : 0)
        n = pwrite(fd, zeros, sizeof zeros, st.st_size + (off_t)done);
    int rc = ftruncate(fd, st.st_size);
    (void)rc; /* what is behind the last page is never read */
    return done >= bytes;
}

void
day_close(struct day *day)
{
    if (day->shared != NULL)
        give_env(day->shared);
    day->shared = NULL;
    day->env = NULL;
}

static enum err_code
read_tip(const struct day *day, MDB_txn *txn, enum log_stream stream, struct day_tip *ret,
         struct err *err)
{
    MDB_cursor *cursor;
    MDB_val key, value;
    struct frame frame;
    int rc = mdb_cursor_open(txn, day->streams[stream], &cursor);
    if (rc == 0) {
        rc = mdb_cursor_get(cursor, &key, &value, MDB_LAST);
        mdb_cursor_close(cursor);
    }
    if (rc == MDB_NOTFOUND) {
        *ret = day->start[stream];
        return ERR_OK;
    }
    if (rc != 0)
        return day_err(err, rc, day->path, "read its last frame");
    enum err_code code = frame_decode((struct bytes){value.mv_data, value.mv_size}, &frame, err);
    if (code != ERR_OK)
        return err_wrap(err, code, "%s: its last frame", day->path);
    ret->next_seq = frame.first_seq + frame.event_count;
    memcpy(ret->chain, frame.chain, HASH_SHA256_BYTES);
    return ERR_OK;
}

enum err_code
day_tips_read(const struct day *day, struct day_tip ret[LOG_STREAMS], struct err *err)
{
    MDB_txn *txn;
    enum err_code code = ERR_OK;
    int rc = mdb_txn_begin(day->env, NULL, MDB_RDONLY, &txn);
    if (rc != 0)
        return day_err(err, rc, day->path, "read");
    for (int s = 0; code == ERR_OK && s < LOG_STREAMS; s++)
        code = read_tip(day, txn, (enum log_stream)s, &ret[s], err);
    mdb_txn_abort(txn);
    return code;
}

bool
day_tip_go_on(struct day_tip *tip, struct bytes frame)
{
    struct frame f;
    if (frame_decode(frame, &f, NULL) != ERR_OK || f.first_seq != tip->next_seq ||
        !frame_chain_ok(frame, tip->chain))
        return false;
    tip->next_seq = f.first_seq + f.event_count;
    memcpy(tip->chain, f.chain, sizeof tip->chain);
    return true;
}

static int
compare_days(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

/* "2026-11-24.mdb" and nothing else. */
static bool
day_of_name(const char *name, int32_t *ret_day)
{
    int64_t utc_ms;
    if (strlen(name) != 14 || strcmp(name + 10, ".mdb") != 0 ||
        !time_parse((struct str){name, 10}, &utc_ms))
        return false;
    *ret_day = (int32_t)(utc_ms / TIME_DAY_MS);
    return true;
}

enum err_code
day_list(const char *directory, int32_t **ret_days, size_t *ret_count, struct err *err)
{
    DIR *dir = opendir(directory);
    if (dir == NULL)
        return errno == ENOENT
                   ? err_set(err, ERR_NOT_FOUND,
                             "%s: no log here yet; start gbill-agent, or name another --data",
                             directory)
                   : err_set_errno(err, errno, "cannot read the log directory %s", directory);
    int32_t *days = NULL, day;
    size_t count = 0, room = 0;
    enum err_code code = ERR_OK;
    for (struct dirent *e; code == ERR_OK && (e = readdir(dir)) != NULL;) {
        if (!day_of_name(e->d_name, &day))
            continue;
        if (count == room) {
            room = room == 0 ? 64 : room * 2;
            int32_t *more = realloc(days, room * sizeof *more);
            if (more == NULL) {
                code = err_set(err, ERR_LIMIT, "no memory for %zu day files", room);
                break;
            }
            days = more;
        }
        days[count++] = day;
    }
    closedir(dir);
    if (code != ERR_OK) {
        free(days);
        return code;
    }
    if (count > 1)
        qsort(days, count, sizeof *days, compare_days);
    *ret_days = days;
    *ret_count = count;
    return ERR_OK;
}
