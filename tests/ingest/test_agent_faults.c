/*
 * The agent when the disk or the kernel fails.  mdb_txn_commit() and fdatasync() of
 * this program stand before LMDB's and the system's: they fail as long as a page
 * shared with the agent says so, a flush not for want of space.
 */
#include <criterion/criterion.h>
#include <dlfcn.h>
#include <errno.h>
#include <lmdb.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/log/tail.h"
#include "tests/ingest/live_agent.h"

static volatile int *commit_fails_with; /* shared; 0: not */

int
mdb_txn_commit(MDB_txn *txn)
{
    static int (*real)(MDB_txn *);
    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "mdb_txn_commit");
    if (commit_fails_with == NULL || *commit_fails_with == 0)
        return real(txn);
    mdb_txn_abort(txn);
    return *commit_fails_with;
}

int
fdatasync(int fd)
{
    static int (*real)(int);
    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "fdatasync");
    if (commit_fails_with == NULL || *commit_fails_with != EIO)
        return real(fd);
    errno = EIO;
    return -1;
}

static void
setup(void)
{
    live_setup();
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(page, MAP_FAILED);
    commit_fails_with = page;
}

TestSuite(ingest_agent_faults, .init = setup, .fini = live_teardown);

static bool
is_silent(int fd, int for_ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, for_ms) == 0;
}

/*
 * Send until the log's tail is full, whose blocks the disk has given already: until
 * then events are acked, full disk or not.  Returns how many were; one more was sent.
 */
static size_t
fill_tail(int fd)
{
    for (size_t i = 0;; i++) {
        char id[16];
        snprintf(id, sizeof id, "during%zu", i);
        live_send_one(fd, id, "c1");
        while (is_silent(fd, 10)) {
            if (live_errors_say("event=disk_full"))
                return i;
        }
        live_hear_ack(fd, "c1");
        cr_assert_lt(i, 10 * TAIL_RECORDS_MAX);
    }
}

Test(ingest_agent_faults, on_a_full_disk_it_waits_and_acks_once_there_is_space)
{
    char last[256];
    live_start_agent();
    int fd = live_dial(), other = live_dial();
    live_send_one(fd, "before", "c0");
    live_hear_ack(fd, "c0");
    *commit_fails_with = ENOSPC;
    size_t acked = fill_tail(fd);
    live_send_one(other, "later", "c2");
    cr_expect(is_silent(fd, 1300), "acked on a full disk");
    cr_expect(is_silent(other, 0), "acked on a full disk");
    *commit_fails_with = 0;
    live_hear_ack(fd, "c1");
    live_hear_ack(other, "c2");
    live_wait_for("event=resumed");
    cr_expect_eq(live_end_agent(SIGTERM), 0);
    cr_expect_eq(live_count_log(LOG_EVENTS, last), acked + 3);
    cr_expect_str_eq(last, "later");
    close(fd);
    close(other);
}

Test(ingest_agent_faults, told_to_stop_on_a_full_disk_it_says_so_and_acks_nothing)
{
    char last[256], last_acked[16];
    uint8_t byte;
    live_start_agent();
    int fd = live_dial();
    live_send_one(fd, "before", "c0");
    live_hear_ack(fd, "c0");
    *commit_fails_with = ENOSPC;
    size_t acked = fill_tail(fd);
    cr_assert_gt(acked, 0);
    cr_expect_eq(live_end_agent(SIGTERM), 11);
    cr_expect_leq(read(fd, &byte, 1), 0);
    *commit_fails_with = 0;
    /* What was acked is there, though no day file could take it. */
    snprintf(last_acked, sizeof last_acked, "during%zu", acked - 1);
    cr_expect_eq(live_count_log(LOG_EVENTS, last), acked + 1);
    cr_expect_str_eq(last, last_acked);
    close(fd);
}

Test(ingest_agent_faults, after_a_failed_flush_it_stops_at_once_and_acks_nothing)
{
    char last[256];
    int status;
    uint8_t byte;
    live_start_agent();
    int fd = live_dial();
    live_send_one(fd, "before", "c0");
    live_hear_ack(fd, "c0");
    *commit_fails_with = EIO;
    live_send_one(fd, "during", "c1");
    cr_assert_eq(waitpid(live_pid, &status, 0), live_pid);
    live_pid = 0;
    cr_expect_eq(WEXITSTATUS(status), 10);
    cr_expect_leq(read(fd, &byte, 1), 0);
    cr_expect(live_errors_say("event=stopped reason="));
    *commit_fails_with = 0;
    cr_expect_eq(live_count_log(LOG_EVENTS, last), 1);
    close(fd);
}

Test(ingest_agent_faults, out_of_file_descriptors_it_serves_whom_it_has_and_does_not_spin)
{
    enum { CONNS = 60 };
    int fds[CONNS];
    live_file_limit = 72; /* the agent keeps 32 of them for itself */
    live_start_agent();
    for (int i = 0; i < CONNS; i++)
        fds[i] = live_dial();
    live_wait_for("event=accept_paused");
    int64_t before = live_cpu_ms();
    cr_expect(is_silent(fds[CONNS - 1], 1500));
    cr_expect_lt(live_cpu_ms() - before, 500);
    live_send_one(fds[0], "ev", "c");
    live_hear_ack(fds[0], "c");
    /* Whoever waited is served once others have gone. */
    live_send_one(fds[CONNS - 1], "ev", "last");
    for (int i = 0; i < CONNS - 1; i++)
        close(fds[i]);
    live_hear_ack(fds[CONNS - 1], "last");
    cr_expect_eq(live_end_agent(SIGTERM), 0);
    close(fds[CONNS - 1]);
}
