#include "tests/faults/shim.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static struct shim *shim;

__attribute__((constructor)) static void
find_page(void)
{
    const char *path = getenv("GBILL_SHIM");
    long fd = path != NULL ? syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    long at = syscall(SYS_mmap, NULL, sizeof *shim, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    syscall(SYS_close, fd);
    if (at != -1)
        shim = (struct shim *)at;
}

static void
end_here(void)
{
    syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
}

/* Count a call; the error it is to end with, or 0: it is to be made. */
static int
before(enum shim_call call)
{
    if (shim == NULL)
        return 0;
    uint64_t number = atomic_fetch_add(&shim->counts[call], 1) + 1;
    if (atomic_load(&shim->call) != (int32_t)call)
        return 0;
    uint64_t want = atomic_load(&shim->number);
    if (number < want || (number > want && !atomic_load(&shim->lasting)))
        return 0;
    atomic_fetch_add(&shim->fired, 1);
    if (shim->error == SHIM_KILL_BEFORE)
        end_here();
    return shim->error;
}

/* The C library's own function, whose address ISO C takes for that of an object. */
#define REAL(ret, name, ...)                \
    static ret (*real_##name)(__VA_ARGS__); \
    if (real_##name == NULL)                \
    *(void **)&real_##name = dlsym(RTLD_NEXT, #name)

/* A call that succeeds or fails as a whole. */
#define WHOLE(ret, failed, name, types, values)        \
    ret name types                                     \
    {                                                  \
        static ret(*real) types;                       \
        if (real == NULL)                              \
            *(void **)&real = dlsym(RTLD_NEXT, #name); \
        int error = before(SHIM_##name);               \
        if (error > 0) {                               \
            errno = error;                             \
            return failed;                             \
        }                                              \
        ret result = real values;                      \
        if (error == SHIM_KILL_AFTER)                  \
            end_here();                                \
        return result;                                 \
    }

/* A call that moves bytes, and may move fewer. */
#define BYTES(name, types, values, size)               \
    ssize_t name types                                 \
    {                                                  \
        static ssize_t(*real) types;                   \
        if (real == NULL)                              \
            *(void **)&real = dlsym(RTLD_NEXT, #name); \
        int error = before(SHIM_##name);               \
        if (error > 0) {                               \
            errno = error;                             \
            return -1;                                 \
        }                                              \
        if (error == SHIM_SHORT && size > 1)           \
            size /= 2;                                 \
        ssize_t result = real values;                  \
        if (error == SHIM_KILL_AFTER)                  \
            end_here();                                \
        return result;                                 \
    }

BYTES(read, (int fd, void *data, size_t size), (fd, data, size), size)
BYTES(recv, (int fd, void *data, size_t size, int flags), (fd, data, size, flags), size)
BYTES(pread, (int fd, void *data, size_t size, off_t at), (fd, data, size, at), size)
BYTES(write, (int fd, const void *data, size_t size), (fd, data, size), size)
BYTES(pwrite, (int fd, const void *data, size_t size, off_t at), (fd, data, size, at), size)
BYTES(send, (int fd, const void *data, size_t size, int flags), (fd, data, size, flags), size)
BYTES(writev, (int fd, const struct iovec *iov, int count), (fd, iov, count), count)

WHOLE(DIR *, NULL, opendir, (const char *path), (path))
WHOLE(int, -1, fdatasync, (int fd), (fd))
WHOLE(int, -1, fsync, (int fd), (fd))
WHOLE(void *, MAP_FAILED, mmap, (void *at, size_t size, int prot, int flags, int fd, off_t from),
      (at, size, prot, flags, fd, from))
WHOLE(int, -1, ftruncate, (int fd, off_t size), (fd, size))
WHOLE(int, -1, fallocate, (int fd, int mode, off_t at, off_t size), (fd, mode, at, size))
WHOLE(int, -1, link, (const char *from, const char *to), (from, to))
WHOLE(int, -1, unlink, (const char *path), (path))
WHOLE(int, -1, rename, (const char *from, const char *to), (from, to))
WHOLE(int, -1, mkdir, (const char *path, mode_t mode), (path, mode))
WHOLE(int, -1, stat, (const char *path, struct stat *st), (path, st))
WHOLE(int, -1, lstat, (const char *path, struct stat *st), (path, st))
WHOLE(int, -1, fstat, (int fd, struct stat *st), (fd, st))
WHOLE(int, -1, access, (const char *path, int mode), (path, mode))
WHOLE(int, -1, statvfs, (const char *path, struct statvfs *st), (path, st))
WHOLE(int, -1, flock, (int fd, int how), (fd, how))
WHOLE(int, -1, epoll_create1, (int flags), (flags))
WHOLE(int, -1, epoll_ctl, (int epoll, int op, int fd, struct epoll_event *ev), (epoll, op, fd, ev))
WHOLE(int, -1, epoll_wait, (int epoll, struct epoll_event *ev, int count, int ms),
      (epoll, ev, count, ms))
WHOLE(int, -1, eventfd, (unsigned start, int flags), (start, flags))
WHOLE(int, -1, signalfd, (int fd, const sigset_t *set, int flags), (fd, set, flags))
WHOLE(int, -1, poll, (struct pollfd * fds, nfds_t count, int ms), (fds, count, ms))
WHOLE(int, -1, accept4, (int fd, __SOCKADDR_ARG a, socklen_t *size, int flags),
      (fd, a, size, flags))
WHOLE(int, -1, getsockopt, (int fd, int level, int name, void *value, socklen_t *size),
      (fd, level, name, value, size))
WHOLE(int, -1, socket, (int domain, int type, int protocol), (domain, type, protocol))
WHOLE(int, -1, bind, (int fd, __CONST_SOCKADDR_ARG a, socklen_t size), (fd, a, size))
WHOLE(int, -1, listen, (int fd, int backlog), (fd, backlog))
WHOLE(int, -1, connect, (int fd, __CONST_SOCKADDR_ARG a, socklen_t size), (fd, a, size))
WHOLE(ssize_t, -1, getrandom, (void *data, size_t size, unsigned flags), (data, size, flags))
WHOLE(int, -1, setrlimit, (__rlimit_resource_t what, const struct rlimit *limit), (what, limit))

int
open(const char *path, int flags, ...)
{
    REAL(int, open, const char *, int, ...);
    va_list ap;
    va_start(ap, flags);
    mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(ap, mode_t) : 0;
    va_end(ap);
    int error = before(SHIM_open);
    if (error > 0) {
        errno = error;
        return -1;
    }
    int fd = real_open(path, flags, mode);
    if (error == SHIM_KILL_AFTER)
        end_here();
    return fd;
}

int
fcntl(int fd, int command, ...)
{
    REAL(int, fcntl, int, int, ...);
    va_list ap;
    va_start(ap, command);
    void *argument = va_arg(ap, void *);
    va_end(ap);
    int error = before(SHIM_fcntl);
    if (error > 0) {
        errno = error;
        return -1;
    }
    return real_fcntl(fd, command, argument);
}

/* A close that fails has closed. */
int
close(int fd)
{
    REAL(int, close, int);
    int error = before(SHIM_close), rc = real_close(fd);
    if (error > 0) {
        errno = error;
        return -1;
    }
    return rc;
}

int
pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *context)
{
    REAL(int, pthread_create, pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    int error = before(SHIM_pthread_create);
    return error > 0 ? error : real_pthread_create(thread, attr, run, context);
}

#ifndef SHIM_NO_ALLOCATIONS
/* The names under which glibc keeps its own; dlsym() allocates itself. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static bool
may_allocate(void)
{
    if (before(SHIM_allocate) <= 0)
        return true;
    errno = ENOMEM;
    return false;
}

void *
malloc(size_t size)
{
    return may_allocate() ? __libc_malloc(size) : NULL;
}

void *
calloc(size_t count, size_t size)
{
    return may_allocate() ? __libc_calloc(count, size) : NULL;
}

void *
realloc(void *block, size_t size)
{
    return may_allocate() ? __libc_realloc(block, size) : NULL;
}

int
posix_memalign(void **ret, size_t alignment, size_t size)
{
    void *block = may_allocate() ? __libc_memalign(alignment, size) : NULL;
    if (block == NULL)
        return ENOMEM;
    *ret = block;
    return 0;
}
#endif
