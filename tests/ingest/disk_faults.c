#include "disk_faults.h"

#include <errno.h>
#include <sys/types.h>
#include <unistd.h>

_Atomic int fault_at, fault_errno, fault_count;
_Atomic bool fault_spares_ftruncate, fault_in_sync, fault_holds_sync;

ssize_t __real_pwrite(int fd, const void *data, size_t size_bytes, off_t at);
int __real_fdatasync(int fd);
int __real_ftruncate(int fd, off_t size_bytes);
ssize_t __wrap_pwrite(int fd, const void *data, size_t size_bytes, off_t at);
int __wrap_fdatasync(int fd);
int __wrap_ftruncate(int fd, off_t size_bytes);

static bool
is_due(void)
{
    int left = fault_at;
    if (left == 0)
        return false;
    if (left > 1) {
        fault_at = left - 1;
        return false;
    }
    fault_count++;
    errno = fault_errno;
    return true;
}

/* The first that fails is a short one, as on a disk that fills up. */
ssize_t
__wrap_pwrite(int fd, const void *data, size_t size_bytes, off_t at)
{
    if (fault_at == 1 && fault_count == 0 && size_bytes > 1) {
        fault_count++;
        return __real_pwrite(fd, data, size_bytes / 2, at);
    }
    return is_due() ? -1 : __real_pwrite(fd, data, size_bytes, at);
}

int
__wrap_fdatasync(int fd)
{
    for (fault_in_sync = true; fault_holds_sync;)
        usleep(1000);
    return is_due() ? -1 : __real_fdatasync(fd);
}

int
__wrap_ftruncate(int fd, off_t size_bytes)
{
    return !fault_spares_ftruncate && is_due() ? -1 : __real_ftruncate(fd, size_bytes);
}
