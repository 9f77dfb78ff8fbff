#include "store/base/lmdb_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "store/base/file.h"

enum { LOCK_BYTES = 8192 /* what LMDB makes it, for 126 readers */ };

int
lmdb_file_reserve_lock(const char *path, mdb_mode_t mode)
{
    char lock[FILE_PATH_BYTES_MAX + 8];
    snprintf(lock, sizeof lock, "%s-lock", path);
    int fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, mode);
    if (fd < 0)
        return errno;
    int rc = fallocate(fd, 0, 0, LOCK_BYTES) == 0 ? 0 : errno;
    close(fd);
    /* Where the file system cannot, LMDB does as it always did. */
    return rc == EOPNOTSUPP || rc == ENOSYS ? 0 : rc;
}

static int
fill(MDB_env *env, const struct lmdb_file_plan *plan)
{
    MDB_txn *txn;
    int rc = mdb_txn_begin(env, NULL, 0, &txn);
    if (rc != 0)
        return rc;
    rc = plan->fill(txn, plan->context);
    if (rc == 0)
        return mdb_txn_commit(txn);
    mdb_txn_abort(txn);
    return rc;
}

static int
make_under(const char *path, const struct lmdb_file_plan *plan)
{
    MDB_env *env = NULL;
    int rc = lmdb_file_reserve_lock(path, plan->mode);
    if (rc == 0)
        rc = mdb_env_create(&env);
    if (rc == 0)
        rc = mdb_env_set_maxdbs(env, plan->database_count_max);
    if (rc == 0)
        rc = mdb_env_set_mapsize(env, plan->map_bytes);
    if (rc == 0)
        rc = mdb_env_open(env, path, MDB_NOSUBDIR | MDB_NOTLS, plan->mode);
    if (rc == 0)
        rc = fill(env, plan);
    if (env != NULL)
        mdb_env_close(env);
    return rc;
}

int
lmdb_file_make(const char *path, const struct lmdb_file_plan *plan)
{
    char made[FILE_PATH_BYTES_MAX + 32], lock[FILE_PATH_BYTES_MAX + 48];
    snprintf(made, sizeof made, "%s.new-%ld", path, (long)getpid());
    snprintf(lock, sizeof lock, "%s-lock", made);
    (void)unlink(made); /* of an earlier process of this number, which was killed */
    int rc = make_under(made, plan);
    if (rc == 0 && link(made, path) != 0 && errno != EEXIST)
        rc = errno;
    (void)unlink(made);
    (void)unlink(lock);
    return rc;
}
