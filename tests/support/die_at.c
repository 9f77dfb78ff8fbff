/*
 * tests/support/die_at.c - preloaded into a program: kill it (SIGKILL) before its
 * DIE_AT-th call that changes what is on the disk.  One module, no test.
 */
#include <dlfcn.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static void
maybe_die(void)
{
    static long left = -1;
    if (left < 0) {
        const char *text = getenv("DIE_AT");
        left = text != NULL ? strtol(text, NULL, 10) : 0;
    }
    if (left > 0 && --left == 0)
        kill(getpid(), SIGKILL);
}

#define PASS(type, name, parameters, arguments)        \
    type name parameters;                              \
    type name parameters                               \
    {                                                  \
        static type(*real) parameters;                 \
        if (real == NULL)                              \
            *(void **)&real = dlsym(RTLD_NEXT, #name); \
        maybe_die();                                   \
        return real arguments;                         \
    }

PASS(ssize_t, pwrite, (int fd, const void *p, size_t n, off_t at), (fd, p, n, at))
PASS(ssize_t, pwrite64, (int fd, const void *p, size_t n, off_t at), (fd, p, n, at))
PASS(ssize_t, pwritev, (int fd, const struct iovec *v, int n, off_t at), (fd, v, n, at))
PASS(ssize_t, pwritev64, (int fd, const struct iovec *v, int n, off_t at), (fd, v, n, at))
PASS(int, fdatasync, (int fd), (fd))
PASS(int, fsync, (int fd), (fd))
PASS(int, rename, (const char *from, const char *to), (from, to))
PASS(int, unlink, (const char *path), (path))
PASS(int, ftruncate, (int fd, off_t size), (fd, size))
