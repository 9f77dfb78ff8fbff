/*
 * tests/faults/shim.h - a library that is loaded before gbill-agent or gbill
 * (LD_PRELOAD) and makes one chosen call of the C library fail, once or from then on,
 * or kills the process there.
 *
 * It is told what to do through a page of memory shared with the test, a file that the
 * environment variable GBILL_SHIM names, and counts the calls there.  All that allocates
 * is one call.  stdio's own writes are not seen.
 */
#ifndef TESTS_FAULTS_SHIM_H
#define TESTS_FAULTS_SHIM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* clang-format off */
#define SHIM_CALLS(X)                                                                    \
    X(open) X(opendir) X(read) X(recv) X(pread) X(write) X(writev) X(pwrite) X(send)     \
    X(fdatasync) X(fsync) X(mmap) X(ftruncate) X(fallocate) X(link) X(unlink) X(rename)  \
    X(mkdir) X(stat) X(lstat) X(fstat) X(access) X(statvfs) X(flock) X(fcntl)            \
    X(epoll_create1) X(epoll_ctl) X(epoll_wait) X(eventfd) X(signalfd) X(poll)           \
    X(accept4) X(getsockopt) X(socket) X(bind) X(listen) X(connect) X(getrandom)         \
    X(setrlimit) X(pthread_create) X(close) X(allocate)
/* clang-format on */

enum shim_call {
#define SHIM_ENUM(name) SHIM_##name,
    SHIM_CALLS(SHIM_ENUM)
#undef SHIM_ENUM
        SHIM_CALL_COUNT
};

/* Instead of an errno. */
enum {
    SHIM_SHORT = -1,       /* half of the bytes, as if a signal came or the disk filled up */
    SHIM_KILL_BEFORE = -2, /* the process is killed and the call not made */
    SHIM_KILL_AFTER = -3,
};

struct shim {
    _Atomic int32_t call;    /* enum shim_call; -1: none fails */
    _Atomic uint64_t number; /* which of its calls, from 1 */
    _Atomic int32_t error;   /* an errno, or one of the above */
    _Atomic bool lasting;    /* all behind it too, until call is -1 */
    _Atomic uint64_t fired;  /* how often it has failed */
    _Atomic uint64_t counts[SHIM_CALL_COUNT];
};

#endif
