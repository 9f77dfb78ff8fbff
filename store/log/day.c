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

enum {
    DAY_DATABASES = 4,
    DAY_TIP_BYTES = 8 + HASH_SHA256_BYTES,
    DAY_END_BYTES = DAY_TIP_BYTES + 16, /* frames, raw bytes */
    DAY_MODE = 0640,
};

/* How an environment is opened. */
enum day_use { DAY_READ, DAY_WRITE, DAY_READ_SEALED, DAY_MAKE_SEALED };

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
    enum day_use use;
    char path[FILE_PATH_BYTES_MAX];
};

static struct day_env *open_envs;
static pthread_mutex_t open_envs_lock = PTHREAD_MUTEX_INITIALIZER;

static int
make_env(const char *path, enum day_use use, MDB_env **ret)
{
    static const unsigned flags_of[] = {
        [DAY_READ] = MDB_RDONLY,
        [DAY_READ_SEALED] = MDB_RDONLY | MDB_NOLOCK,
        [DAY_MAKE_SEALED] = MDB_NOLOCK | MDB_NOSYNC,
        [DAY_WRITE] = 0,
    };
    unsigned flags = MDB_NOSUBDIR | MDB_NOTLS | flags_of[use];
    bool write = use == DAY_WRITE || use == DAY_MAKE_SEALED;
    MDB_env *env = NULL;
    int rc = use == DAY_WRITE ? lmdb_file_reserve_lock(path, DAY_MODE) : 0;
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
take_env(const char *path, enum day_use use, struct day_env **ret)
{
    int rc = 0;
    pthread_mutex_lock(&open_envs_lock);
    struct day_env *e = open_envs;
    while (e != NULL && strcmp(e->path, path) != 0)
        e = e->next;
    if (e == NULL) {
        e = calloc(1, sizeof *e);
        rc = e == NULL ? ENOMEM : make_env(path, use, &e->env);
        if (rc == 0) {
            snprintf(e->path, sizeof e->path, "%s", path);
            e->use = use;
            e->next = open_envs;
            open_envs = e;
        } else {
            free(e);
        }
    } else if (use == DAY_WRITE && e->use != DAY_WRITE) {
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

enum err_code
day_path(char path[FILE_PATH_BYTES_MAX], const char *directory, int32_t number, bool sealed,
         struct err *err)
{
    char name[TIME_TEXT_BYTES + 16], date[TIME_TEXT_BYTES];
    time_format_day(number, date);
    snprintf(name, sizeof name, "%s%s.mdb", date, sealed ? ".sealed" : "");
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
open_env(struct day *day, enum day_use use, bool create, MDB_txn **ret_txn, struct err *err)
{
    if (!create && access(day->path, F_OK) != 0)
        return err_set_errno(err, errno, "%s", day->path);
    MDB_txn *txn = NULL;
    int rc = take_env(day->path, use, &day->shared);
    if (rc == 0) {
        day->env = day->shared->env;
        rc = mdb_txn_begin(day->env, NULL, create ? 0 : MDB_RDONLY, &txn);
    }
    if (rc == 0)
        rc = open_databases(txn, create ? MDB_CREATE : 0, &day->meta, day->streams);
    if (rc == 0) {
        *ret_txn = txn;
        return ERR_OK;
    }
    if (txn != NULL)
        mdb_txn_abort(txn);
    enum err_code code = rc == MDB_NOTFOUND
                             ? err_set(err, ERR_NOT_FOUND, "%s: was made but never used", day->path)
                             : day_err(err, rc, day->path, "open the day");
    day_close(day);
    return code;
}

static void
tip_encode(uint8_t *p, const struct day_tip *tip)
{
    put_le64(p, tip->next_seq);
    memcpy(p + 8, tip->chain, HASH_SHA256_BYTES);
}

static void
starts_encode(uint8_t p[LOG_STREAMS * DAY_TIP_BYTES], const struct day *day)
{
    for (int s = 0; s < LOG_STREAMS; s++)
        tip_encode(p + s * DAY_TIP_BYTES, &day->start[s]);
}

static void
ends_encode(uint8_t p[LOG_STREAMS * DAY_END_BYTES], const struct day *day)
{
    for (int s = 0; s < LOG_STREAMS; s++, p += DAY_END_BYTES) {
        tip_encode(p, &day->end[s].tip);
        put_le64(p + DAY_TIP_BYTES, day->end[s].frames);
        put_le64(p + DAY_TIP_BYTES + 8, day->end[s].raw_bytes);
    }
}

uint64_t
day_meta_sum(const struct day *day)
{
    uint8_t all[LOG_STREAMS * (DAY_TIP_BYTES + DAY_END_BYTES)];
    starts_encode(all, day);
    ends_encode(all + LOG_STREAMS * DAY_TIP_BYTES, day); /* zeros of a day that has no end */
    return hash_checksum((struct bytes){day->identity, HASH_SHA256_BYTES},
                         (struct bytes){all, sizeof all});
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

static enum err_code
read_end(struct day *day, MDB_txn *txn, struct err *err)
{
    MDB_val key = text_val("end"), end;
    int rc = mdb_get(txn, day->meta, &key, &end);
    if (rc != 0)
        return day_err(err, rc, day->path, "read where it ends");
    if (end.mv_size != LOG_STREAMS * DAY_END_BYTES)
        return err_set(err, ERR_CORRUPT, "%s: its meta has the wrong size", day->path);
    for (int s = 0; s < LOG_STREAMS; s++) {
        const uint8_t *p = (const uint8_t *)end.mv_data + s * DAY_END_BYTES;
        tip_decode(p, &day->end[s].tip);
        day->end[s].frames = get_le64(p + DAY_TIP_BYTES);
        day->end[s].raw_bytes = get_le64(p + DAY_TIP_BYTES + 8);
    }
    return ERR_OK;
}

static enum err_code
check_sum(const struct day *day, MDB_txn *txn, struct err *err)
{
    MDB_val key = text_val("sum"), sum;
    int rc = mdb_get(txn, day->meta, &key, &sum);
    if (rc == MDB_NOTFOUND)
        return err_set(err, ERR_CONFLICT,
                       "%s: its meta has no checksum: it was written by an older gbill", day->path);
    if (rc != 0)
        return day_err(err, rc, day->path, "read its meta");
    if (sum.mv_size != 8 || get_le64(sum.mv_data) != day_meta_sum(day))
        return err_set(err, ERR_CORRUPT, "%s: the checksum of its meta differs", day->path);
    return ERR_OK;
}

static enum err_code
open_form(struct day *day, const char *directory, int32_t number, bool write, bool sealed,
          struct err *err)
{
    MDB_txn *txn;
    *day = (struct day){.number = number, .sealed = sealed};
    enum err_code code = day_path(day->path, directory, number, sealed, err);
    if (code == ERR_OK)
        code = open_env(day,
                        sealed  ? DAY_READ_SEALED
                        : write ? DAY_WRITE
                                : DAY_READ,
                        false, &txn, err);
    if (code != ERR_OK)
        return code;
    code = read_meta(day, txn, err);
    if (code == ERR_OK && sealed)
        code = read_end(day, txn, err);
    if (code == ERR_OK)
        code = check_sum(day, txn, err);
    /* A handle opened in a reading transaction is kept by committing, not by aborting it. */
    int rc = mdb_txn_commit(txn);
    if (code == ERR_OK && rc != 0)
        code = day_err(err, rc, day->path, "open its tables");
    if (code != ERR_OK)
        day_close(day);
    return code;
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
day_open(struct day *day, const char *directory, int32_t number, bool write, struct err *err)
{
    enum err_code code = open_form(day, directory, number, write, true, err);
    if (code == ERR_NOT_FOUND)
        code = open_form(day, directory, number, write, false, err);
    /* It may have been sealed between the two looks. */
    if (code == ERR_NOT_FOUND && access(day->path, F_OK) != 0)
        code = open_form(day, directory, number, write, true, err);
    return code;
}

enum err_code
day_pin(struct day *day, const char *directory, int32_t number, MDB_txn **ret_pin, struct err *err)
{
    *day = (struct day){.number = number};
    enum err_code code = day_path(day->path, directory, number, false, err);
    if (code != ERR_OK)
        return code;
    int rc = take_env(day->path, DAY_READ, &day->shared);
    if (rc == 0) {
        day->env = day->shared->env;
        rc = mdb_txn_begin(day->env, NULL, MDB_RDONLY, ret_pin);
    }
    if (rc == 0)
        return ERR_OK;
    code = day_err(err, rc, day->path, "open the day");
    day_close(day);
    return code;
}

static int
put_meta(struct day *day, MDB_txn *txn, const char *name, void *data, size_t size_bytes)
{
    MDB_val key = text_val(name), value = {size_bytes, data};
    return mdb_put(txn, day->meta, &key, &value, 0);
}

static int
put_sum(struct day *day, MDB_txn *txn)
{
    uint8_t sum[8];
    put_le64(sum, day_meta_sum(day));
    return put_meta(day, txn, "sum", sum, sizeof sum);
}

/* What a new day's meta says. */
static int
put_beginning(struct day *day, MDB_txn *txn)
{
    uint8_t tips[LOG_STREAMS * DAY_TIP_BYTES];
    starts_encode(tips, day);
    int rc = put_meta(day, txn, "identity", day->identity, HASH_SHA256_BYTES);
    if (rc == 0)
        rc = put_meta(day, txn, "start", tips, sizeof tips);
    return rc == 0 ? put_sum(day, txn) : rc;
}

static int
fill_day(MDB_txn *txn, void *context)
{
    struct day *day = context;
    int rc = open_databases(txn, MDB_CREATE, &day->meta, day->streams);
    return rc == 0 ? put_beginning(day, txn) : rc;
}

enum err_code
day_create(struct day *day, const char *directory, int32_t number,
           const uint8_t identity[HASH_SHA256_BYTES], const struct day_tip start[LOG_STREAMS],
           struct err *err)
{
    struct day new = {.number = number};
    const struct lmdb_file_plan plan = {day_map_bytes, DAY_DATABASES, DAY_MODE, fill_day, &new};
    enum err_code code = day_path(new.path, directory, number, false, err);
    if (code != ERR_OK)
        return code;
    memcpy(new.start, start, sizeof new.start);
    memcpy(new.identity, identity, HASH_SHA256_BYTES);
    remove_unused(directory, number);
    int rc = lmdb_file_make(new.path, &plan);
    code = rc != 0 ? day_err(err, rc, new.path, "make the day")
                   : file_sync_directory(directory, err);
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
    static uint8_t zeros[64 * 1024]; /* not const: they would lie in the program */
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

enum err_code
day_begin_sealed(struct day *day, const char *path, const struct day *from, MDB_txn **ret_txn,
                 struct err *err)
{
    MDB_txn *txn;
    *day = (struct day){.number = from->number, .sealed = true};
    snprintf(day->path, sizeof day->path, "%s", path);
    enum err_code code = open_env(day, DAY_MAKE_SEALED, true, &txn, err);
    if (code != ERR_OK)
        return code;
    memcpy(day->start, from->start, sizeof day->start);
    memcpy(day->identity, from->identity, HASH_SHA256_BYTES);
    int rc = put_beginning(day, txn);
    if (rc == 0) {
        *ret_txn = txn;
        return ERR_OK;
    }
    mdb_txn_abort(txn);
    code = day_err(err, rc, day->path, "make the day");
    day_close(day);
    return code;
}

enum err_code
day_end_sealed(struct day *day, MDB_txn *txn, const struct day_end end[LOG_STREAMS],
               struct err *err)
{
    uint8_t ends[LOG_STREAMS * DAY_END_BYTES];
    memcpy(day->end, end, sizeof day->end);
    ends_encode(ends, day);
    int rc = put_meta(day, txn, "end", ends, sizeof ends);
    if (rc == 0)
        rc = put_sum(day, txn);
    if (rc != 0)
        mdb_txn_abort(txn);
    else
        rc = mdb_txn_commit(txn);
    if (rc == 0)
        rc = mdb_env_sync(day->env, 1);
    return rc == 0 ? ERR_OK : day_err(err, rc, day->path, "flush it");
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
    for (int s = 0; day->sealed && s < LOG_STREAMS; s++)
        ret[s] = day->end[s].tip;
    if (day->sealed)
        return ERR_OK;
    int rc = mdb_txn_begin(day->env, NULL, MDB_RDONLY, &txn);
    if (rc != 0)
        return day_err(err, rc, day->path, "read");
    for (int s = 0; code == ERR_OK && s < LOG_STREAMS; s++)
        code = read_tip(day, txn, (enum log_stream)s, &ret[s], err);
    mdb_txn_abort(txn);
    return code;
}

bool
day_tip_go_on(struct day_tip *tip, struct frame_codec *codec, struct bytes frame)
{
    struct frame f;
    if (frame_decode(frame, &f, NULL) != ERR_OK || f.first_seq != tip->next_seq ||
        !frame_chain_ok(codec, frame, tip->chain))
        return false;
    tip->next_seq = f.first_seq + f.event_count;
    memcpy(tip->chain, f.chain, sizeof tip->chain);
    return true;
}

enum err_code
day_frames(const struct day *day, enum log_stream stream, uint64_t *ret, struct err *err)
{
    MDB_txn *txn;
    MDB_stat stat;
    if (day->sealed) {
        *ret = day->end[stream].frames;
        return ERR_OK;
    }
    int rc = mdb_txn_begin(day->env, NULL, MDB_RDONLY, &txn);
    if (rc == 0) {
        rc = mdb_stat(txn, day->streams[stream], &stat);
        mdb_txn_abort(txn);
    }
    if (rc != 0)
        return day_err(err, rc, day->path, "count its frames");
    *ret = stat.ms_entries;
    return ERR_OK;
}

static int
compare_days(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

/* "2026-11-24.mdb", "2026-11-24.sealed.mdb" and nothing else. */
static bool
day_of_name(const char *name, int32_t *ret_day)
{
    int64_t utc_ms;
    if (strlen(name) < 10 ||
        (strcmp(name + 10, ".mdb") != 0 && strcmp(name + 10, ".sealed.mdb") != 0) ||
        !time_parse((struct str){name, 10}, &utc_ms))
        return false;
    *ret_day = (int32_t)(utc_ms / TIME_DAY_MS);
    return true;
}

/* A day that is there in both forms is one day. */
static size_t
drop_twins(int32_t *days, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || days[kept - 1] != days[i])
            days[kept++] = days[i];
    }
    return kept;
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
    *ret_count = drop_twins(days, count);
    return ERR_OK;
}
