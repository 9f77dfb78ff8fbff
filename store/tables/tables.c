#include "store/tables/tables.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/base/file.h"
#include "store/base/heap.h"
#include "store/base/lmdb_file.h"
#include "store/tables/map_file.h"

size_t tables_map_bytes = (size_t)1 << 40;

/* A disk with less room than this is taken for full. */
enum { FULL_BELOW_BYTES = 64 * 1024 * 1024 };

enum { TABLES_FORMAT = 9, TABLES_MODE = 0640, TABLES_DIRTY_KEY_BYTES_MAX = 128 };

struct tables {
    MDB_env *env;
    MDB_dbi dbis[TABLE_COUNT];
    char path[FILE_PATH_BYTES_MAX];
};

struct tables_txn {
    struct tables *tables;
    MDB_txn *txn;
};

static const char *const names[TABLE_COUNT] = {
#define TABLES_NAME(name, text, origin) [TABLE_##name] = text,
    TABLES(TABLES_NAME)
#undef TABLES_NAME
};

enum origin { FOLD, STAGE };

static const enum origin origins[TABLE_COUNT] = {
#define TABLES_ORIGIN(name, text, origin) [TABLE_##name] = origin,
    TABLES(TABLES_ORIGIN)
#undef TABLES_ORIGIN
};

static enum err_code
fail(struct err *err, int rc, const char *path, const char *doing)
{
    if (rc == MDB_MAP_FULL)
        return err_set(err, ERR_FULL, "%s: cannot %s: the map is full", path, doing);
    /* LMDB answers EIO, not ENOSPC, when a write is cut short. */
    if (rc == ENOSPC || (rc == EIO && file_free_bytes(path) < FULL_BELOW_BYTES))
        return err_set(
            err, ERR_FULL,
            "%s: cannot %s: the disk is full; make room and run it again, nothing is lost", path,
            doing);
    if (rc == MDB_CORRUPTED || rc == MDB_PAGE_NOTFOUND || rc == MDB_INVALID)
        return err_set(err, ERR_CORRUPT,
                       "%s: cannot %s: %s; move it away and run gbill rollup to fold the log anew",
                       path, doing, mdb_strerror(rc));
    if (rc < 0)
        return err_set(err, ERR_IO, "%s: cannot %s: %s", path, doing, mdb_strerror(rc));
    return err_set_errno(err, rc, "%s: cannot %s", path, doing);
}

static enum err_code
check_format(struct tables *t, MDB_txn *txn, bool write, struct err *err)
{
    static char format_key[] = "format";
    uint32_t format = TABLES_FORMAT;
    MDB_val key = {sizeof format_key - 1, format_key}, value;
    int rc = mdb_get(txn, t->dbis[TABLE_META], &key, &value);
    if (rc == 0 && (value.mv_size != sizeof format || get_le32(value.mv_data) != TABLES_FORMAT))
        return err_set(err, ERR_CONFLICT,
                       "%s: was written by another version of gbill; move it away and run gbill "
                       "rollup to fold the log anew",
                       t->path);
    if (rc == MDB_NOTFOUND && write) {
        value = (MDB_val){sizeof format, &format};
        rc = mdb_put(txn, t->dbis[TABLE_META], &key, &value, 0);
    }
    return rc == 0 ? ERR_OK : fail(err, rc, t->path, "check its format");
}

static enum err_code
open_dbis(struct tables *t, bool write, struct err *err)
{
    MDB_txn *txn = NULL;
    enum err_code code = ERR_OK;
    int rc = mdb_txn_begin(t->env, NULL, write ? 0 : MDB_RDONLY, &txn);
    for (int i = 0; rc == 0 && i < TABLE_COUNT; i++)
        rc = mdb_dbi_open(txn, names[i], write ? MDB_CREATE : 0, &t->dbis[i]);
    if (rc == MDB_NOTFOUND)
        code = err_set(err, ERR_NOT_FOUND, "%s: nothing has been folded yet; run gbill rollup",
                       t->path);
    else if (rc != 0)
        code = fail(err, rc, t->path, "open its tables");
    else
        code = check_format(t, txn, write, err);
    if (rc == 0 && code == ERR_OK) {
        rc = mdb_txn_commit(txn);
        return rc == 0 ? ERR_OK : fail(err, rc, t->path, "open its tables");
    }
    mdb_txn_abort(txn);
    return code;
}

static int
make_dbis(MDB_txn *txn, void *context)
{
    MDB_dbi dbi;
    int rc = 0;
    (void)context;
    for (int i = 0; rc == 0 && i < TABLE_COUNT; i++)
        rc = mdb_dbi_open(txn, names[i], MDB_CREATE, &dbi);
    return rc;
}

static enum err_code
make_file(const struct tables *t, const char *data_directory, struct err *err)
{
    const struct lmdb_file_plan plan = {tables_map_bytes, TABLE_COUNT, TABLES_MODE, make_dbis,
                                        NULL};
    int rc = lmdb_file_make(t->path, &plan);
    return rc != 0 ? fail(err, rc, t->path, "make it") : file_sync_directory(data_directory, err);
}

/* A file that fills half of its map gets a larger one, while nobody here has a transaction on it. */
static int
grow_map(MDB_env *env)
{
    MDB_envinfo info;
    MDB_stat st;
    mdb_env_info(env, &info);
    mdb_env_stat(env, &st);
    size_t used = (info.me_last_pgno + 1) * st.ms_psize, map = info.me_mapsize;
    while (used > map / 2)
        map *= 2;
    return map > info.me_mapsize ? mdb_env_set_mapsize(env, map) : 0;
}

static int
open_env(struct tables *t, bool write)
{
    int dead, rc = write ? lmdb_file_reserve_lock(t->path, TABLES_MODE) : 0;
    if (rc == 0)
        rc = mdb_env_create(&t->env);
    if (rc == 0)
        rc = mdb_env_set_maxdbs(t->env, TABLE_COUNT);
    if (rc == 0)
        rc = mdb_env_set_mapsize(t->env, tables_map_bytes);
    if (rc == 0)
        rc = mdb_env_open(t->env, t->path, MDB_NOSUBDIR | MDB_NOTLS | (write ? 0 : MDB_RDONLY),
                          TABLES_MODE);
    if (rc == 0)
        rc = grow_map(t->env);
    /* Readers that were killed keep their slots until somebody looks. */
    return rc == 0 ? mdb_reader_check(t->env, &dead) : rc;
}

enum err_code
tables_open(const char *data_directory, enum tables_mode mode, struct tables **ret, struct err *err)
{
    struct tables *t = calloc(1, sizeof *t);
    if (t == NULL)
        return err_set(err, ERR_LIMIT, "no memory");
    bool write = mode == TABLES_WRITE;
    enum err_code code = file_path(t->path, data_directory, "tables.mdb", err);
    if (code != ERR_OK)
        goto out;
    if (!write && access(t->path, F_OK) != 0) {
        code = err_set(err, ERR_NOT_FOUND, "%s: nothing has been folded yet; run gbill rollup",
                       t->path);
        goto out;
    }
    if (write && access(t->path, F_OK) != 0)
        code = make_file(t, data_directory, err);
    int rc = code == ERR_OK ? open_env(t, write) : 0;
    if (rc != 0)
        code = fail(err, rc, t->path, "open");
    if (code == ERR_OK)
        code = open_dbis(t, write, err);
out:
    if (code != ERR_OK) {
        tables_close(t);
        return code;
    }
    *ret = t;
    return ERR_OK;
}

void
tables_close(struct tables *tables)
{
    if (tables == NULL)
        return;
    if (tables->env != NULL)
        mdb_env_close(tables->env);
    free(tables);
}

enum err_code
tables_copy(struct tables *tables, const char *path, struct err *err)
{
    int rc = mdb_env_copy2(tables->env, path, MDB_CP_COMPACT);
    int fd = rc == 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (rc == 0 && (fd < 0 || fsync(fd) != 0))
        rc = errno;
    if (fd >= 0)
        close(fd);
    return rc == 0 ? ERR_OK : fail(err, rc, path, "copy the tables");
}

enum err_code
tables_open_locked(const char *data_directory, const char *lock_name, const char *who,
                   struct tables **ret, int *ret_lock_fd, struct err *err)
{
    char path[FILE_PATH_BYTES_MAX];
    struct tables *there = NULL;
    *ret = NULL;
    *ret_lock_fd = -1;
    /* Reading says whether there are tables at all; writing would make them. */
    enum err_code code = tables_open(data_directory, TABLES_READ, &there, err);
    tables_close(there);
    if (code == ERR_OK)
        code = file_path(path, data_directory, lock_name, err);
    if (code == ERR_OK)
        code = file_lock(path, who, ret_lock_fd, err);
    if (code == ERR_OK)
        code = tables_open(data_directory, TABLES_WRITE, ret, err);
    return code;
}

enum err_code
tables_begin(struct tables *tables, enum tables_mode mode, struct tables_txn **ret, struct err *err)
{
    struct tables_txn *txn = calloc(1, sizeof *txn);
    if (txn == NULL)
        return err_set(err, ERR_LIMIT, "no memory");
    txn->tables = tables;
    int rc = mdb_txn_begin(tables->env, NULL, mode == TABLES_READ ? MDB_RDONLY : 0, &txn->txn);
    if (rc != 0) {
        free(txn);
        return fail(err, rc, tables->path, "begin a transaction");
    }
    *ret = txn;
    return ERR_OK;
}

enum err_code
tables_commit(struct tables_txn *txn, struct err *err)
{
    const char *path = txn->tables->path;
    int rc = mdb_txn_commit(txn->txn);
    free(txn);
    return rc == 0 ? ERR_OK : fail(err, rc, path, "commit");
}

void
tables_abort(struct tables_txn *txn)
{
    if (txn == NULL)
        return;
    mdb_txn_abort(txn->txn);
    free(txn);
}

static MDB_val
val_of(struct bytes b)
{
    return (MDB_val){b.size_bytes, (void *)(uintptr_t)b.data};
}

static struct bytes
bytes_of(MDB_val v)
{
    return (struct bytes){v.mv_data, v.mv_size};
}

bool
tables_get(struct tables_txn *txn, enum table table, struct bytes key, struct bytes *ret)
{
    MDB_val k = val_of(key), v;
    int rc = mdb_get(txn->txn, txn->tables->dbis[table], &k, &v);
    /* A read in LMDB's map fails only on a bug of ours or a damaged file. */
    assert(rc == 0 || rc == MDB_NOTFOUND);
    if (rc == 0)
        *ret = bytes_of(v);
    return rc == 0;
}

enum err_code
tables_put(struct tables_txn *txn, enum table table, struct bytes key, struct bytes value,
           struct err *err)
{
    MDB_val k = val_of(key), v = val_of(value);
    int rc = mdb_put(txn->txn, txn->tables->dbis[table], &k, &v, 0);
    if (rc == 0)
        return ERR_OK;
    enum err_code code = fail(err, rc, txn->tables->path, "put a row");
    return err_wrap(err, code, "table %s", names[table]);
}

enum err_code
tables_delete(struct tables_txn *txn, enum table table, struct bytes key, struct err *err)
{
    MDB_val k = val_of(key);
    int rc = mdb_del(txn->txn, txn->tables->dbis[table], &k, NULL);
    if (rc == 0 || rc == MDB_NOTFOUND)
        return ERR_OK;
    return fail(err, rc, txn->tables->path, "delete a row");
}

/* (table, key) -> transaction number; see store/tables/dirty.h. */
struct dirty_entry {
    uint8_t key[TABLES_DIRTY_KEY_BYTES_MAX], number[9]; /* the ninth byte: a range */
    size_t key_bytes;
};

static void
dirty_entry_make(struct dirty_entry *d, struct tables_txn *txn, enum table table, struct bytes key)
{
    assert(key.size_bytes < sizeof d->key);
    d->key[0] = (uint8_t)table;
    memcpy(d->key + 1, key.data, key.size_bytes);
    d->key_bytes = key.size_bytes + 1;
    put_le64(d->number, tables_txn_number(txn));
}

static enum err_code
note_dirty(struct tables_txn *txn, enum table table, struct bytes key, struct err *err)
{
    struct dirty_entry d;
    dirty_entry_make(&d, txn, table, key);
    return tables_put(txn, TABLE_DIRTY, (struct bytes){d.key, d.key_bytes},
                      (struct bytes){d.number, sizeof d.number - 1}, err);
}

static bool
same_bytes(struct bytes a, struct bytes b)
{
    return a.size_bytes == b.size_bytes && memcmp(a.data, b.data, b.size_bytes) == 0;
}

enum err_code
tables_put_published(struct tables_txn *txn, enum table table, struct bytes key, struct bytes value,
                     struct err *err)
{
    struct bytes old;
    if (tables_get(txn, table, key, &old) && same_bytes(old, value))
        return ERR_OK;
    enum err_code code = tables_put(txn, table, key, value, err);
    return code == ERR_OK ? note_dirty(txn, table, key, err) : code;
}

enum err_code
tables_delete_published(struct tables_txn *txn, enum table table, struct bytes key, struct err *err)
{
    struct bytes old;
    if (!tables_get(txn, table, key, &old))
        return ERR_OK;
    enum err_code code = tables_delete(txn, table, key, err);
    return code == ERR_OK ? note_dirty(txn, table, key, err) : code;
}

enum err_code
tables_edit_begin(struct tables_edit *edit, struct tables_txn *txn, enum table table,
                  struct err *err)
{
    MDB_cursor *rows = NULL, *dirty = NULL;
    *edit = (struct tables_edit){.txn = txn, .table = table};
    int rc = mdb_cursor_open(txn->txn, txn->tables->dbis[table], &rows);
    if (rc == 0)
        rc = mdb_cursor_open(txn->txn, txn->tables->dbis[TABLE_DIRTY], &dirty);
    if (rc != 0) {
        if (rows != NULL)
            mdb_cursor_close(rows);
        return fail(err, rc, txn->tables->path, "edit a table");
    }
    edit->rows = rows;
    edit->dirty = dirty;
    return ERR_OK;
}

void
tables_edit_find(struct tables_edit *edit, struct bytes key)
{
    MDB_val k = val_of(key), v;
    int rc = mdb_cursor_get(edit->rows, &k, &v, MDB_SET_KEY);
    assert(rc == 0 || rc == MDB_NOTFOUND);
    edit->found = rc == 0;
    if (edit->found)
        edit->old = bytes_of(v);
}

/* Note a key as dirty, or all keys that begin with it. */
static int
note_edit(struct tables_edit *edit, struct bytes key, bool range)
{
    struct dirty_entry d;
    dirty_entry_make(&d, edit->txn, edit->table, key);
    d.number[sizeof d.number - 1] = 'r';
    MDB_val k = {d.key_bytes, d.key}, v = {sizeof d.number - (range ? 0 : 1), d.number};
    return mdb_cursor_put(edit->dirty, &k, &v, 0);
}

/* A row was put: note it, or the range it lies in. */
static enum err_code
end_put(struct tables_edit *edit, struct bytes key, int rc, struct err *err)
{
    struct bytes range = {key.data, edit->range_bytes};
    if (rc == 0 && range.size_bytes == 0)
        rc = note_edit(edit, key, false);
    else if (rc == 0 && (!edit->noted || memcmp(edit->range, range.data, range.size_bytes) != 0)) {
        assert(range.size_bytes <= sizeof edit->range);
        rc = note_edit(edit, range, true);
        memcpy(edit->range, range.data, range.size_bytes);
        edit->noted = true;
    }
    return rc == 0 ? ERR_OK : fail(err, rc, edit->txn->tables->path, "put a row");
}

enum err_code
tables_edit_insert(struct tables_edit *edit, struct bytes key, struct bytes value, struct err *err)
{
    MDB_val k = val_of(key), v = val_of(value);
    int rc = mdb_cursor_put(edit->rows, &k, &v, MDB_NOOVERWRITE);
    edit->found = rc == MDB_KEYEXIST;
    if (!edit->found)
        return end_put(edit, key, rc, err);
    edit->old = bytes_of(v);
    return ERR_OK;
}

enum err_code
tables_edit_put(struct tables_edit *edit, struct bytes key, struct bytes value, struct err *err)
{
    if (edit->found && same_bytes(edit->old, value))
        return ERR_OK;
    MDB_val k = val_of(key), v = val_of(value);
    return end_put(edit, key, mdb_cursor_put(edit->rows, &k, &v, edit->found ? MDB_CURRENT : 0),
                   err);
}

enum err_code
tables_edit_delete(struct tables_edit *edit, struct bytes key, struct err *err)
{
    if (!edit->found)
        return ERR_OK;
    edit->found = false;
    int rc = mdb_cursor_del(edit->rows, 0);
    if (rc == 0)
        rc = note_edit(edit, key, false);
    return rc == 0 ? ERR_OK : fail(err, rc, edit->txn->tables->path, "delete a row");
}

void
tables_edit_end(struct tables_edit *edit)
{
    if (edit->rows != NULL)
        mdb_cursor_close(edit->rows);
    if (edit->dirty != NULL)
        mdb_cursor_close(edit->dirty);
    edit->rows = edit->dirty = NULL;
}

/* LMDB's only failure here, but for our own bugs, is that there is no memory. */
static MDB_cursor *
open_cursor(struct tables_txn *txn, enum table table)
{
    MDB_cursor *cursor;
    int rc = mdb_cursor_open(txn->txn, txn->tables->dbis[table], &cursor);
    if (rc == ENOMEM)
        heap_end_out_of_memory("to read a table");
    assert(rc == 0);
    return cursor;
}

void
tables_scan_begin(struct tables_scan *scan, struct tables_txn *txn, enum table table,
                  struct bytes prefix)
{
    *scan = (struct tables_scan){.prefix_bytes = prefix.size_bytes};
    assert(prefix.size_bytes <= sizeof scan->prefix);
    if (prefix.size_bytes > 0)
        memcpy(scan->prefix, prefix.data, prefix.size_bytes);
    scan->cursor = open_cursor(txn, table);
}

static bool
scan_to(struct tables_scan *scan, MDB_val k, MDB_cursor_op op)
{
    MDB_val v;
    scan->started = true;
    int rc = mdb_cursor_get(scan->cursor, &k, &v, op);
    assert(rc == 0 || rc == MDB_NOTFOUND);
    if (rc != 0 || k.mv_size < scan->prefix_bytes ||
        memcmp(k.mv_data, scan->prefix, scan->prefix_bytes) != 0)
        return false;
    scan->key = bytes_of(k);
    scan->value = bytes_of(v);
    return true;
}

void
tables_scan_organization(struct tables_scan *scan, struct tables_txn *txn, enum table table,
                         uint32_t organization)
{
    uint8_t prefix[4];
    put_be32(prefix, organization);
    tables_scan_begin(scan, txn, table,
                      (struct bytes){prefix, organization != 0 ? sizeof prefix : 0});
}

bool
tables_scan_next(struct tables_scan *scan)
{
    MDB_val prefix = {scan->prefix_bytes, scan->prefix};
    MDB_cursor_op first = scan->prefix_bytes > 0 ? MDB_SET_RANGE : MDB_FIRST;
    return scan_to(scan, prefix, scan->started ? MDB_NEXT : first);
}

bool
tables_scan_seek(struct tables_scan *scan, struct bytes from)
{
    return scan_to(scan, val_of(from), MDB_SET_RANGE);
}

void
tables_scan_end(struct tables_scan *scan)
{
    mdb_cursor_close(scan->cursor);
    scan->cursor = NULL;
}

bool
tables_first_from(struct tables_txn *txn, enum table table, struct bytes from,
                  struct bytes *ret_key)
{
    MDB_cursor *cursor = open_cursor(txn, table);
    MDB_val k = val_of(from), v;
    int rc = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
    mdb_cursor_close(cursor);
    assert(rc == 0 || rc == MDB_NOTFOUND);
    if (rc == 0)
        *ret_key = bytes_of(k);
    return rc == 0;
}

uint64_t
tables_count(struct tables_txn *txn, enum table table)
{
    MDB_stat stat;
    int rc = mdb_stat(txn->txn, txn->tables->dbis[table], &stat);
    assert(rc == 0);
    return stat.ms_entries;
}

enum err_code
tables_drop_folds(struct tables_txn *txn, struct err *err)
{
    for (int i = 0; i < TABLE_COUNT; i++) {
        int rc = origins[i] == FOLD ? mdb_drop(txn->txn, txn->tables->dbis[i], 0) : 0;
        if (rc != 0)
            return fail(err, rc, txn->tables->path, "empty a table");
    }
    return ERR_OK;
}

const char *
tables_name(enum table table)
{
    return names[table];
}

bool
tables_is_fold(enum table table)
{
    return origins[table] == FOLD;
}

bool
tables_is_ids(enum table table)
{
    return table == TABLE_IDS || table == TABLE_ID_RUNS || table == TABLE_ID_FILTERS;
}

uint64_t
tables_txn_number(struct tables_txn *txn)
{
    return mdb_txn_id(txn->txn);
}

struct map_file
map_file_of(struct tables_txn *txn, struct bytes value)
{
    enum { HEAD_BYTES = 16, FLAGS_AT = 10, OVERFLOW_ALONE = 4 };
    MDB_env *env = txn->tables->env;
    MDB_envinfo info;
    MDB_stat st;
    struct map_file file = {.fd = -1};
    const uint8_t *page = value.data - HEAD_BYTES;
    size_t number;
    uint16_t flags;
    assert(value.size_bytes >= MAP_FILE_VALUE_BYTES);
    mdb_env_info(env, &info);
    mdb_env_stat(env, &st);
    /* A page that was written in this transaction has another flag, and is not in the map. */
    memcpy(&number, page, sizeof number);
    memcpy(&flags, page + FLAGS_AT, sizeof flags);
    if (flags != OVERFLOW_ALONE || mdb_env_get_fd(env, &file.fd) != 0)
        return file;
    file.base = page - number * st.ms_psize;
    file.size_bytes = info.me_mapsize;
    return file;
}

bool
map_file_read(const struct map_file *file, const uint8_t *at, size_t size_bytes, void *to)
{
    uintptr_t offset = (uintptr_t)at - (uintptr_t)file->base;
    if (offset >= file->size_bytes || size_bytes > file->size_bytes - offset)
        return false;
    return pread(file->fd, to, size_bytes, (off_t)offset) == (ssize_t)size_bytes;
}

uint64_t
tables_last_commit(const struct tables *tables)
{
    MDB_envinfo info;
    mdb_env_info(tables->env, &info);
    return info.me_last_txnid;
}
