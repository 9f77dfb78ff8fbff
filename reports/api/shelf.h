/*
 * reports/api/shelf.h - what the API reads: the tables and the keys, each opened again
 * when the file behind it is another one.
 *
 * The keys are for one thread; the tables for any, each with a transaction of its own.
 */
#ifndef REPORTS_API_SHELF_H
#define REPORTS_API_SHELF_H

#include <pthread.h>
#include <sys/stat.h>

#include "reports/api/keys.h"
#include "store/tables/tables.h"

struct shelf_file {
    char path[512];
    dev_t device;
    ino_t inode;        /* 0: not there */
    bool watch_content; /* one that is written in place is another one too */
    struct timespec written;
    int64_t looked_ms; /* monotonic: when last */
};

struct shelf {
    const char *data_directory;
    struct shelf_file tables_file, keys_file;
    pthread_mutex_t mutex; /* for what follows, but for the keys */
    struct tables *tables; /* NULL: not open */
    unsigned readers;      /* transactions */
    bool stale;            /* to be opened anew once there are none */
    struct keys keys;
};

/*
 * Begin; the tables need not be there yet.
 *
 *   data_directory  borrowed as long as the shelf is used
 *
 * Errors: those of keys_load() and file_path().
 */
enum err_code shelf_open(struct shelf *shelf, const char *data_directory,
                         struct err *err) ERR_MUST_CHECK;
void shelf_close(struct shelf *shelf);

/*
 * Bring the keys up to date: a change is seen within half a second.  While their file
 * cannot be read nobody has a key.
 *
 * Errors: those of keys_load().
 */
enum err_code shelf_keys(struct shelf *shelf, const struct keys **ret,
                         struct err *err) ERR_MUST_CHECK;

/*
 * Begin a reading transaction; shelf_end() it.
 *
 * LMDB must not have a file open twice in a process, so tables that are to be opened anew
 * wait for those who still read the old ones.
 *
 * Errors: ERR_BUSY (that is so), those of tables_open() and tables_begin(); asking again
 * later may help.
 */
enum err_code shelf_begin(struct shelf *shelf, struct tables_txn **ret,
                          struct err *err) ERR_MUST_CHECK;

/* NULL is allowed. */
void shelf_end(struct shelf *shelf, struct tables_txn *txn);

#endif
