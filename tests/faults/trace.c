#include "tests/faults/trace.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { TRACE_FDS_MAX = 1024, TRACE_FILES_MAX = 256, TRACE_NO_FILE = UINT16_MAX };

/* The C library's own functions; dlsym() gives an object pointer, which ISO C tells apart. */
#define REAL(ret, name, ...)                \
    static ret (*real_##name)(__VA_ARGS__); \
    if (real_##name == NULL)                \
    *(void **)&real_##name = dlsym(RTLD_NEXT, #name)

struct known_file {
    dev_t device;
    ino_t inode;
};

/* An open file descriptor below the root. */
struct known_fd {
    bool used, directory, flushes; /* flushes: O_DSYNC */
    uint32_t file;
    char name[TRACE_NAME_BYTES_MAX];
};

static struct trace *trace;
static enum trace_blind blind;
static char root[256];
static struct known_file files[TRACE_FILES_MAX];
static struct known_fd fds[TRACE_FDS_MAX];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void
die(const char *what)
{
    fprintf(stderr, "trace: %s\n", what);
    abort();
}

static struct trace_op *
add(enum trace_kind kind)
{
    if (trace->count == trace->room) {
        trace->room = trace->room == 0 ? 1024 : trace->room * 2;
        trace->ops = realloc(trace->ops, trace->room * sizeof *trace->ops);
        if (trace->ops == NULL)
            die("no memory");
    }
    struct trace_op *op = &trace->ops[trace->count++];
    *op = (struct trace_op){.kind = kind};
    return op;
}

/* The part of an absolute path below the root, or NULL; "" for the root itself. */
static const char *
below(const char *path)
{
    size_t n = strlen(root);
    if (trace == NULL || strncmp(path, root, n) != 0)
        return NULL;
    if (path[n] == '\0')
        return path + n;
    /* The lock file of an LMDB environment is made anew after a restart. */
    size_t size = strlen(path), lock_size = sizeof "-lock" - 1;
    bool is_lock = size > lock_size && strcmp(path + size - lock_size, "-lock") == 0;
    return path[n] == '/' && !is_lock ? path + n + 1 : NULL;
}

static void
set_name(char name[TRACE_NAME_BYTES_MAX], const char *path)
{
    if ((size_t)snprintf(name, TRACE_NAME_BYTES_MAX, "%s", path) >= TRACE_NAME_BYTES_MAX)
        die("a path is too long");
}

static uint32_t
file_of(int fd)
{
    struct stat st;
    uint32_t i = 0;
    if (fstat(fd, &st) != 0)
        die("fstat");
    while (i < trace->files && (files[i].device != st.st_dev || files[i].inode != st.st_ino))
        i++;
    if (i == TRACE_FILES_MAX)
        die("too many files");
    if (i == trace->files)
        files[trace->files++] = (struct known_file){st.st_dev, st.st_ino};
    return i;
}

static void
note_open(int fd, const char *name, int flags, bool was_there)
{
    struct stat st;
    if (fd >= TRACE_FDS_MAX || fstat(fd, &st) != 0)
        die("a file descriptor is out of range");
    struct known_fd *k = &fds[fd];
    *k = (struct known_fd){.used = true, .directory = S_ISDIR(st.st_mode)};
    set_name(k->name, name);
    if (k->directory)
        return;
    k->flushes = (flags & O_DSYNC) != 0 && blind != TRACE_NO_META_FLUSHES;
    /* An inode number that is used again is another file. */
    if (!was_there) {
        for (uint32_t i = 0; i < trace->files; i++) {
            if (files[i].inode == st.st_ino)
                files[i].inode = 0;
        }
    }
    k->file = file_of(fd);
    if (!was_there) {
        struct trace_op *op = add(TRACE_MAKE);
        op->file = k->file;
        set_name(op->name, name);
    } else if ((flags & O_TRUNC) != 0) {
        add(TRACE_SIZE)->file = k->file;
    }
}

int
open(const char *path, int flags, ...)
{
    REAL(int, open, const char *, int, ...);
    va_list ap;
    va_start(ap, flags);
    mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(ap, mode_t) : 0;
    va_end(ap);
    const char *name = below(path);
    if (name == NULL)
        return real_open(path, flags, mode);
    pthread_mutex_lock(&lock);
    bool was_there = access(path, F_OK) == 0;
    int fd = real_open(path, flags, mode), e = errno;
    if (fd >= 0)
        note_open(fd, name, flags, was_there);
    pthread_mutex_unlock(&lock);
    errno = e;
    return fd;
}

int
close(int fd)
{
    REAL(int, close, int);
    if (fd >= 0 && fd < TRACE_FDS_MAX)
        fds[fd].used = false;
    return real_close(fd);
}

static struct known_fd *
known(int fd)
{
    return trace != NULL && fd >= 0 && fd < TRACE_FDS_MAX && fds[fd].used ? &fds[fd] : NULL;
}

/* Append to the trace's data; where it lies. */
static size_t
keep(const struct iovec *iov, size_t done)
{
    size_t at = trace->data_bytes;
    if (at + done > trace->data_room) {
        trace->data_room = 2 * (at + done);
        trace->data = realloc(trace->data, trace->data_room);
        if (trace->data == NULL)
            die("no memory");
    }
    for (size_t left = done; left > 0; iov++) {
        size_t n = iov->iov_len < left ? iov->iov_len : left;
        memcpy(trace->data + trace->data_bytes, iov->iov_base, n);
        trace->data_bytes += n;
        left -= n;
    }
    return at;
}

/* Space laid out ahead is a lot of zeros: they are not kept. */
static bool
is_zeros(const uint8_t *data, uint64_t at, size_t size)
{
    return size > 0 && at % TRACE_SECTOR_BYTES == 0 && size % TRACE_SECTOR_BYTES == 0 &&
           data[0] == 0 && memcmp(data, data + 1, size - 1) == 0;
}

/* Bytes were written: record them, and that they are durable if the descriptor says so. */
static void
note_write(const struct known_fd *k, const struct iovec *iov, size_t done, uint64_t at)
{
    pthread_mutex_lock(&lock);
    size_t data_at = keep(iov, done);
    if (is_zeros(trace->data + data_at, at, done)) {
        trace->data_bytes = data_at;
        data_at = TRACE_ZEROS;
    }
    struct trace_op *op = add(TRACE_WRITE);
    op->file = k->file;
    op->at = at;
    op->size_bytes = done;
    op->data_at = data_at;
    if (k->flushes && blind != TRACE_NO_FLUSHES) {
        op = add(TRACE_FLUSH_RANGE);
        op->file = k->file;
        op->at = at;
        op->size_bytes = done;
    }
    pthread_mutex_unlock(&lock);
}

ssize_t
pwrite(int fd, const void *data, size_t size, off_t at)
{
    REAL(ssize_t, pwrite, int, const void *, size_t, off_t);
    ssize_t n = real_pwrite(fd, data, size, at);
    struct known_fd *k = known(fd);
    if (n > 0 && k != NULL)
        note_write(k, &(struct iovec){(void *)(uintptr_t)data, size}, (size_t)n, (uint64_t)at);
    return n;
}

ssize_t
pwritev(int fd, const struct iovec *iov, int count, off_t at)
{
    REAL(ssize_t, pwritev, int, const struct iovec *, int, off_t);
    ssize_t n = real_pwritev(fd, iov, count, at);
    struct known_fd *k = known(fd);
    if (n > 0 && k != NULL)
        note_write(k, iov, (size_t)n, (uint64_t)at);
    return n;
}

ssize_t
writev(int fd, const struct iovec *iov, int count)
{
    REAL(ssize_t, writev, int, const struct iovec *, int);
    struct known_fd *k = known(fd);
    off_t at = k != NULL ? lseek(fd, 0, SEEK_CUR) : 0;
    ssize_t n = real_writev(fd, iov, count);
    if (n > 0 && k != NULL)
        note_write(k, iov, (size_t)n, (uint64_t)at);
    return n;
}

ssize_t
write(int fd, const void *data, size_t size)
{
    REAL(ssize_t, write, int, const void *, size_t);
    struct known_fd *k = known(fd);
    off_t at = k != NULL ? lseek(fd, 0, SEEK_CUR) : 0;
    ssize_t n = real_write(fd, data, size);
    if (n > 0 && k != NULL)
        note_write(k, &(struct iovec){(void *)(uintptr_t)data, size}, (size_t)n, (uint64_t)at);
    return n;
}

static void
note_flush(int fd)
{
    struct known_fd *k = known(fd);
    if (k == NULL || blind == TRACE_NO_FLUSHES || (k->directory && blind == TRACE_NO_NAME_FLUSHES))
        return;
    pthread_mutex_lock(&lock);
    struct trace_op *op = add(k->directory ? TRACE_FLUSH_NAMES : TRACE_FLUSH);
    op->file = k->file;
    set_name(op->name, k->name);
    pthread_mutex_unlock(&lock);
}

int
fdatasync(int fd)
{
    REAL(int, fdatasync, int);
    int rc = real_fdatasync(fd);
    if (rc == 0)
        note_flush(fd);
    return rc;
}

int
fsync(int fd)
{
    REAL(int, fsync, int);
    int rc = real_fsync(fd);
    if (rc == 0)
        note_flush(fd);
    return rc;
}

/* A file was made longer or shorter without bytes. */
static void
note_size(int fd, uint64_t size_bytes, bool only_longer)
{
    struct known_fd *k = known(fd);
    struct stat st;
    if (k == NULL || (only_longer && (fstat(fd, &st) != 0 || (uint64_t)st.st_size > size_bytes)))
        return;
    pthread_mutex_lock(&lock);
    struct trace_op *op = add(TRACE_SIZE);
    op->file = k->file;
    op->size_bytes = size_bytes;
    pthread_mutex_unlock(&lock);
}

int
ftruncate(int fd, off_t size)
{
    REAL(int, ftruncate, int, off_t);
    int rc = real_ftruncate(fd, size);
    if (rc == 0)
        note_size(fd, (uint64_t)size, false);
    return rc;
}

int
fallocate(int fd, int mode, off_t at, off_t size)
{
    REAL(int, fallocate, int, int, off_t, off_t);
    int rc = real_fallocate(fd, mode, at, size);
    if (rc == 0 && mode == 0)
        note_size(fd, (uint64_t)(at + size), true);
    else if (rc == 0 && known(fd) != NULL && (mode & FALLOC_FL_KEEP_SIZE) == 0)
        die("this mode of fallocate() is not known here");
    return rc;
}

int
posix_fallocate(int fd, off_t at, off_t size)
{
    REAL(int, posix_fallocate, int, off_t, off_t);
    int rc = real_posix_fallocate(fd, at, size);
    if (rc == 0)
        note_size(fd, (uint64_t)(at + size), true);
    return rc;
}

static void
note_name(enum trace_kind kind, const char *from, const char *to)
{
    const char *name = below(from), *other = to != NULL ? below(to) : "";
    if (name == NULL || other == NULL)
        return;
    pthread_mutex_lock(&lock);
    struct trace_op *op = add(kind);
    set_name(op->name, name);
    set_name(op->other, other);
    pthread_mutex_unlock(&lock);
}

int
mkdir(const char *path, mode_t mode)
{
    REAL(int, mkdir, const char *, mode_t);
    int rc = real_mkdir(path, mode);
    if (rc == 0)
        note_name(TRACE_MAKE_DIRECTORY, path, NULL);
    return rc;
}

int
rename(const char *from, const char *to)
{
    REAL(int, rename, const char *, const char *);
    int rc = real_rename(from, to);
    if (rc == 0)
        note_name(TRACE_RENAME, from, to);
    return rc;
}

int
link(const char *from, const char *to)
{
    REAL(int, link, const char *, const char *);
    int rc = real_link(from, to);
    if (rc == 0)
        note_name(TRACE_LINK, from, to);
    return rc;
}

int
unlink(const char *path)
{
    REAL(int, unlink, const char *);
    int rc = real_unlink(path);
    if (rc == 0)
        note_name(TRACE_REMOVE, path, NULL);
    return rc;
}

void
trace_begin(struct trace *t, const char *directory, enum trace_blind how)
{
    *t = (struct trace){.count = 0};
    snprintf(root, sizeof root, "%s", directory);
    memset(fds, 0, sizeof fds);
    blind = how;
    trace = t;
}

void
trace_end(void)
{
    trace = NULL;
}

void
trace_clear(struct trace *t)
{
    free(t->ops);
    free(t->data);
    *t = (struct trace){.count = 0};
}

void
trace_mark(uint64_t value)
{
    add(TRACE_MARK)->mark = value;
}
