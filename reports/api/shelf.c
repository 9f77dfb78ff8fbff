#include "reports/api/shelf.h"

#include "store/base/clock.h"
#include "store/base/file.h"

enum { LOOK_EVERY_MS = 500 };

/* Is it another file than when this was last asked? */
static bool
has_changed(struct shelf_file *file)
{
    struct stat st;
    int64_t now_ms = clock_monotonic_ms();
    if (file->looked_ms != 0 && now_ms - file->looked_ms < LOOK_EVERY_MS)
        return false;
    if (stat(file->path, &st) != 0)
        st = (struct stat){.st_ino = 0};
    bool first = file->looked_ms == 0;
    bool changed = first || st.st_ino != file->inode || st.st_dev != file->device ||
                   (file->watch_content && (st.st_mtim.tv_sec != file->written.tv_sec ||
                                            st.st_mtim.tv_nsec != file->written.tv_nsec));
    file->looked_ms = now_ms;
    file->inode = st.st_ino;
    file->device = st.st_dev;
    file->written = st.st_mtim;
    return changed;
}

enum err_code
shelf_open(struct shelf *shelf, const char *data_directory, struct err *err)
{
    const struct keys *keys;
    *shelf = (struct shelf){.data_directory = data_directory, .keys_file = {.watch_content = true}};
    list_init(&shelf->keys.list, sizeof(struct key));
    pthread_mutex_init(&shelf->mutex, NULL);
    enum err_code code = file_path(shelf->tables_file.path, data_directory, "tables.mdb", err);
    if (code == ERR_OK)
        code = file_path(shelf->keys_file.path, data_directory, "api-keys.json", err);
    return code == ERR_OK ? shelf_keys(shelf, &keys, err) : code;
}

void
shelf_close(struct shelf *shelf)
{
    tables_close(shelf->tables);
    shelf->tables = NULL;
    keys_clear(&shelf->keys);
    pthread_mutex_destroy(&shelf->mutex);
}

enum err_code
shelf_keys(struct shelf *shelf, const struct keys **ret, struct err *err)
{
    *ret = &shelf->keys;
    if (!has_changed(&shelf->keys_file))
        return ERR_OK;
    keys_clear(&shelf->keys);
    enum err_code code = keys_load(shelf->data_directory, &shelf->keys, err);
    if (code != ERR_OK)
        shelf->keys_file.inode = 0; /* looked at again, whatever it is by then */
    return code;
}

static void
close_tables(struct shelf *shelf)
{
    tables_close(shelf->tables);
    shelf->tables = NULL;
    shelf->stale = false;
}

/* The mutex is held. */
static enum err_code
begin(struct shelf *shelf, struct tables_txn **ret, struct err *err)
{
    enum err_code code = ERR_OK;
    if (has_changed(&shelf->tables_file))
        shelf->stale = true;
    if (shelf->stale && shelf->readers > 0)
        return err_set(err, ERR_BUSY, "the tables are about to be opened anew");
    if (shelf->stale)
        close_tables(shelf);
    if (shelf->tables == NULL)
        code = tables_open(shelf->data_directory, TABLES_READ, &shelf->tables, err);
    if (code == ERR_OK)
        code = tables_begin(shelf->tables, TABLES_READ, ret, err);
    if (code == ERR_OK)
        shelf->readers++;
    else
        shelf->stale = true; /* the map has grown in another process */
    return code;
}

enum err_code
shelf_begin(struct shelf *shelf, struct tables_txn **ret, struct err *err)
{
    pthread_mutex_lock(&shelf->mutex);
    enum err_code code = begin(shelf, ret, err);
    pthread_mutex_unlock(&shelf->mutex);
    return code;
}

void
shelf_end(struct shelf *shelf, struct tables_txn *txn)
{
    if (txn == NULL)
        return;
    tables_abort(txn);
    pthread_mutex_lock(&shelf->mutex);
    shelf->readers--;
    pthread_mutex_unlock(&shelf->mutex);
}
