#include "store/log/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/base/clock.h"
#include "store/base/file.h"

enum { PROBE_FILE_WRITES = 256 };

static int
compare_ns(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static enum err_code
write_and_flush(int fd, const uint8_t *block, size_t at, const char *path, struct err *err)
{
    off_t offset = (off_t)(at % PROBE_FILE_WRITES) * PROBE_WRITE_BYTES;
    if (pwrite(fd, block, PROBE_WRITE_BYTES, offset) != PROBE_WRITE_BYTES || fdatasync(fd) != 0)
        return err_set_errno(err, errno, "cannot write %s", path);
    return ERR_OK;
}

enum err_code
probe_disk(const char *directory, size_t count, struct probe *ret, struct err *err)
{
    static const uint8_t block[PROBE_WRITE_BYTES];
    char path[FILE_PATH_BYTES_MAX];
    enum err_code code = file_path(path, directory, "probe.tmp", err);
    if (code != ERR_OK)
        return code;
    int64_t *ns = calloc(count, sizeof *ns);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (ns == NULL || fd < 0) {
        code = ns == NULL ? err_set(err, ERR_LIMIT, "no memory for %zu times", count)
                          : err_set_errno(err, errno, "cannot make %s", path);
        goto out;
    }
    /* Once through the file first: overwriting needs no new blocks. */
    for (size_t i = 0; code == ERR_OK && i < PROBE_FILE_WRITES; i++) {
        if (pwrite(fd, block, sizeof block, (off_t)(i * sizeof block)) != sizeof block)
            code = err_set_errno(err, errno, "cannot write %s", path);
    }
    if (code == ERR_OK && fsync(fd) != 0)
        code = err_set_errno(err, errno, "cannot flush %s", path);
    for (size_t i = 0; code == ERR_OK && i < count; i++) {
        int64_t start = clock_monotonic_ns();
        code = write_and_flush(fd, block, i, path, err);
        ns[i] = clock_monotonic_ns() - start;
    }
    if (code == ERR_OK) {
        qsort(ns, count, sizeof *ns, compare_ns);
        *ret = (struct probe){ns[count / 2], ns[count - 1 - count / 100], ns[count - 1], count};
    }
    unlink(path);
out:
    if (fd >= 0)
        close(fd);
    free(ns);
    return code;
}
