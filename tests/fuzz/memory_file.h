/*
 * tests/fuzz/memory_file.h - bytes as a file, for readers that take a path.
 */
#ifndef TESTS_FUZZ_MEMORY_FILE_H
#define TESTS_FUZZ_MEMORY_FILE_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

struct memory_file {
    int fd;
    char path[32];
};

static inline struct memory_file
memory_file_make(const uint8_t *data, size_t size_bytes)
{
    struct memory_file f = {.fd = memfd_create("input", MFD_CLOEXEC)};
    assert(f.fd >= 0 && write(f.fd, data, size_bytes) == (ssize_t)size_bytes);
    snprintf(f.path, sizeof f.path, "/proc/self/fd/%d", f.fd);
    return f;
}

static inline void
memory_file_close(struct memory_file *f)
{
    close(f->fd);
}

#endif
