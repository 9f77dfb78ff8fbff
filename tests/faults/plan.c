#include "tests/faults/plan.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ERRORS_MAX = 9 };

/* What each call can end with, up to the first 0. */
static const struct {
    enum shim_call call;
    int errors[ERRORS_MAX];
} plans[] = {
    {SHIM_open, {EMFILE, ENOSPC, EIO, EINTR, ENOMEM, SHIM_KILL_BEFORE, SHIM_KILL_AFTER}},
    {SHIM_opendir, {EMFILE, ENOMEM}},
    {SHIM_read, {EINTR, EAGAIN, ENOMEM}},
    {SHIM_recv, {EINTR, ENOMEM, ECONNRESET, SHIM_SHORT}},
    {SHIM_pread, {EIO, SHIM_SHORT}},
    {SHIM_write, {EINTR, EAGAIN}},
    {SHIM_writev,
     {EIO, ENOSPC, EINTR, EDQUOT, EROFS, SHIM_SHORT, SHIM_KILL_BEFORE, SHIM_KILL_AFTER}},
    {SHIM_pwrite,
     {EIO, ENOSPC, EINTR, EDQUOT, EROFS, EFBIG, SHIM_SHORT, SHIM_KILL_BEFORE, SHIM_KILL_AFTER}},
    {SHIM_send,
     {EINTR, EAGAIN, ENOBUFS, ENOMEM, EPIPE, SHIM_SHORT, SHIM_KILL_BEFORE, SHIM_KILL_AFTER}},
    {SHIM_fdatasync, {EIO, ENOSPC, EINTR, EDQUOT, SHIM_KILL_BEFORE, SHIM_KILL_AFTER}},
    {SHIM_fsync, {EIO, ENOSPC, EINTR, SHIM_KILL_BEFORE, SHIM_KILL_AFTER}},
    {SHIM_mmap, {ENOMEM}},
    {SHIM_ftruncate, {EIO, ENOSPC, EINTR, SHIM_KILL_BEFORE, SHIM_KILL_AFTER}},
    {SHIM_fallocate, {ENOSPC, EIO, EINTR, EOPNOTSUPP}},
    {SHIM_link, {EIO, ENOSPC, SHIM_KILL_BEFORE, SHIM_KILL_AFTER}},
    {SHIM_unlink, {EIO, ENOENT, SHIM_KILL_BEFORE, SHIM_KILL_AFTER}},
    {SHIM_mkdir, {EIO, ENOSPC, SHIM_KILL_BEFORE, SHIM_KILL_AFTER}},
    {SHIM_stat, {EIO, ENOMEM}},
    {SHIM_lstat, {EIO, ENOMEM}},
    {SHIM_fstat, {EIO, ENOMEM}},
    {SHIM_access, {EIO, ENOMEM}},
    {SHIM_statvfs, {EIO, EINTR}},
    {SHIM_flock, {EINTR, ENOLCK}},
    {SHIM_fcntl, {EINTR, ENOLCK}},
    {SHIM_epoll_create1, {EMFILE, ENOMEM}},
    {SHIM_epoll_ctl, {ENOMEM, ENOSPC}},
    {SHIM_epoll_wait, {EINTR}},
    {SHIM_eventfd, {EMFILE, ENOMEM}},
    {SHIM_signalfd, {EMFILE, ENOMEM}},
    {SHIM_poll, {EINTR, ENOMEM}},
    {SHIM_accept4, {EINTR, EMFILE, ENFILE, ENOMEM, ECONNABORTED}},
    {SHIM_getsockopt, {ENOMEM}},
    {SHIM_socket, {EMFILE, ENOBUFS}},
    {SHIM_bind, {ENOSPC, EACCES, EADDRINUSE}},
    {SHIM_listen, {EADDRINUSE}},
    {SHIM_connect, {EINTR, EAGAIN}},
    {SHIM_getrandom, {EINTR, EAGAIN}},
    {SHIM_setrlimit, {EPERM}},
    {SHIM_pthread_create, {EAGAIN}},
    {SHIM_close, {EIO, EINTR}},
    {SHIM_allocate, {ENOMEM}},
};

enum { PLANS = sizeof plans / sizeof plans[0], EACH_MAX = 16 };

struct tally {
    unsigned runs, failures, fired;
};

static void
run_one(struct lab *lab, struct tally *t, fault_try *attempt, enum shim_call call, uint64_t number,
        int error)
{
    t->runs++;
    if (!attempt(NULL, lab, call, number, error))
        t->failures++;
    t->fired += lab->shim->fired > 0;
    if (isatty(STDERR_FILENO) && t->runs % 10 == 0)
        fprintf(stderr, "\r%u runs, %u failures", t->runs, t->failures);
}

/* All numbers of a call, or one by chance, with each error that it can have. */
static void
run_plan(struct lab *lab, struct tally *t, fault_try *attempt, int plan, uint64_t count, bool all)
{
    for (int e = 0; e < ERRORS_MAX && plans[plan].errors[e] != 0; e++) {
        /* Locks are few, and each is taken on a path of its own. */
        bool each = all || (plans[plan].call == SHIM_fcntl && count <= EACH_MAX);
        uint64_t few = plans[plan].call == SHIM_fdatasync ? 4 : 1,
                 picks = each || count == 0 ? count : few;
        for (uint64_t i = 0; i < picks; i++) {
            uint64_t number = each ? i + 1 : 1 + (uint64_t)rand() % count;
            run_one(lab, t, attempt, plans[plan].call, number, plans[plan].errors[e]);
        }
    }
}

int
fault_main(int argc, char **argv, const char *what, fault_try *attempt)
{
    struct lab lab;
    struct tally t = {0};
    uint64_t counts[SHIM_CALL_COUNT];
    const char *which = argc > 1 ? argv[1] : "some";
    srand(argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 1);
    lab_open(&lab);
    if (!attempt(counts, &lab, SHIM_open, 0, 0)) {
        fprintf(stderr, "%s: fails without a fault\n", argv[0]);
        return 1;
    }
    for (int c = 0; c < SHIM_CALL_COUNT && strcmp(which, "list") == 0; c++)
        printf("%-16s %" PRIu64 "\n", lab_call_name((enum shim_call)c), counts[c]);
    for (int p = 0; p < PLANS && strcmp(which, "list") != 0; p++)
        run_plan(&lab, &t, attempt, p, counts[plans[p].call], strcmp(which, "all") == 0);
    lab_close(&lab);
    printf("%u %s with one failed call each (%u came to it), %u failures\n", t.runs, what, t.fired,
           t.failures);
    return t.failures == 0 ? 0 : 1;
}
