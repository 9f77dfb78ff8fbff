#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client_fixture.h"
#include "disk_faults.h"
#include "ingest/client/spill.h"
#include "store/base/hash.h"

static char path[128], damaged_path[160];

static void
setup(void)
{
    client_setup();
    snprintf(path, sizeof path, "%s/spill", fake->folder);
    snprintf(damaged_path, sizeof damaged_path, "%s.damaged", path);
}

static void
teardown(void)
{
    fault_at = 0;
    client_close();
    unlink(path);
    unlink(damaged_path);
    client_teardown();
}

TestSuite(client_spill, .init = setup, .fini = teardown);

static void
open_spilling(void)
{
    client_open((struct gbill_options){.spill_path = path, .chunk_events = 10});
}

static off_t
size_of(const char *name)
{
    struct stat st;
    return stat(name, &st) == 0 ? st.st_size : -1;
}

static void
expect_spilled(unsigned count)
{
    cr_assert_eq(gbill_flush(client, 30, &why), GBILL_SPILLED, "%s", why.text);
    cr_expect_eq(why.code, GBILL_SPILLED);
    cr_expect_not_null(strstr(why.text, "kept in the spill file"), "%s", why.text);
    cr_expect_eq(client_check().events_spilled, count);
    cr_expect_eq(client_check().queue_bytes, 0u);
}

/* Leave count events in the file, each in a chunk of its own. */
static void
leave_events(unsigned count)
{
    client_open((struct gbill_options){.spill_path = path, .chunk_events = 1});
    client_track_many(0, count);
    expect_spilled(count);
    client_close();
}

static void
flip(off_t at)
{
    uint8_t byte;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    cr_assert_eq(pread(fd, &byte, 1, at), 1);
    byte ^= 0x10;
    cr_assert_eq(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

Test(client_spill, an_absent_agent_gets_everything_later_in_order)
{
    open_spilling();
    client_track_many(0, 250);
    client_await_spilled(250);
    client_track_many(250, 250);
    expect_spilled(500);
    fake_start(fake, FAKE_ACK);
    client_track_many(500, 100);
    client_flush();
    struct gbill_check check = client_check();
    cr_expect_eq(check.events_acked, 600u);
    cr_expect_eq(check.events_spilled, 0u);
    cr_expect_eq(check.spill_bytes, 0u);
    cr_expect_eq(size_of(path), SPILL_HEAD_BYTES, "the space comes back");
    fake_stop(fake);
    client_expect_in_order(600);
}

static void *
flush_now(void *code)
{
    struct gbill_err own;
    *(enum gbill_code *)code = gbill_flush(client, 0, &own);
    return NULL;
}

static void *
let_sync_go(void *unused)
{
    poll(NULL, 0, 50);
    fault_holds_sync = false;
    return unused;
}

Test(client_spill, a_flush_never_takes_what_is_on_its_way_to_the_file_for_acknowledged)
{
    enum gbill_code first, second;
    pthread_t flusher, releaser;
    client_start(FAKE_SILENT, (struct gbill_options){.spill_path = path});
    fault_in_sync = false;
    fault_holds_sync = true;
    client_track_many(0, 1);
    cr_assert_eq(pthread_create(&flusher, NULL, flush_now, &first), 0);
    while (!fault_in_sync)
        poll(NULL, 0, 1);
    /* Out of the queue and written, but not flushed yet. */
    cr_assert_eq(pthread_create(&releaser, NULL, let_sync_go, NULL), 0);
    second = gbill_flush(client, 0, &why);
    pthread_join(flusher, NULL);
    pthread_join(releaser, NULL);
    cr_expect_eq(first, GBILL_SPILLED);
    cr_expect_eq(second, GBILL_SPILLED);
}

Test(client_spill, the_next_process_sends_what_the_last_one_left)
{
    leave_events(100);
    fake_start(fake, FAKE_ACK);
    open_spilling();
    client_track_many(100, 20);
    client_flush();
    cr_expect_eq(client_check().events_found, 100u);
    cr_expect_eq(client_check().events_acked, 120u);
    cr_expect_eq(client_check().damaged_bytes, 0u);
    fake_stop(fake);
    client_expect_in_order(120);
}

Test(client_spill, closing_keeps_what_was_not_acknowledged)
{
    client_start(FAKE_SILENT, (struct gbill_options){.spill_path = path, .chunk_events = 10});
    client_track_many(0, 35);
    client_close(); /* some were sent, none acknowledged */
    fake_stop(fake);
    fake_start(fake, FAKE_ACK);
    open_spilling();
    client_flush();
    cr_expect_eq(client_check().events_found, 35u);
    fake_stop(fake);
    client_expect_in_order(35);
}

Test(client_spill, a_killed_process_loses_nothing_that_a_flush_put_there)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        open_spilling();
        client_track_many(0, 95);
        if (gbill_flush(client, 10, &why) == GBILL_SPILLED)
            kill(getpid(), SIGKILL);
        _exit(1);
    }
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    fake_start(fake, FAKE_ACK);
    open_spilling();
    client_flush();
    fake_stop(fake);
    client_expect_in_order(95);
}

Test(client_spill, what_was_acknowledged_is_not_sent_by_the_next_process)
{
    struct spill spill;
    struct spill_record record[3];
    struct err err;
    static uint8_t message[CHUNK_BYTES_MAX];
    leave_events(3);
    for (unsigned pass = 0; pass <= 3; pass++) {
        cr_assert_eq(spill_open(&spill, path, 1 << 20, &err), ERR_OK, "%s", err.text);
        cr_assert_eq(spill_recover(&spill, message, &err), ERR_OK, "%s", err.text);
        cr_assert_eq(spill.found_events, 3 - pass);
        for (unsigned i = 0; i < 3 - pass; i++)
            cr_assert(spill_read(&spill, &record[i], message));
        cr_assert_not(spill_read(&spill, &record[0], message));
        if (pass < 3)
            spill_done(&spill, &record[pass == 0 ? 1 : 0]); /* first one in the middle */
        spill_close(&spill, true);
    }
    cr_expect_eq(size_of(path), SPILL_HEAD_BYTES);
}

Test(client_spill, a_silent_agent_with_a_full_queue_refuses_nothing)
{
    client_start(FAKE_DEAF,
                 (struct gbill_options){.spill_path = path, .queue_bytes = GBILL_QUEUE_BYTES_MIN});
    for (unsigned i = 0; i < 12000; i++) {
        if (client_track(i) != GBILL_OK) { /* the disk is behind, not full */
            cr_assert_eq(gbill_wait(client, 20000, &why), GBILL_OK, "%s", why.text);
            cr_assert_eq(client_track(i), GBILL_OK, "%s", why.text);
        }
    }
    cr_expect_gt(client_check().events_spilled, 5000u);
    expect_spilled(12000);
    fake->mode = FAKE_ACK;
    client_flush();
    fake_stop(fake);
    client_expect_in_order(12000);
}

Test(client_spill, a_connection_lost_after_the_spill_sends_again_from_there)
{
    client_start(FAKE_SILENT, (struct gbill_options){.spill_path = path, .chunk_events = 10});
    client_track_many(0, 200);
    expect_spilled(200); /* under way and in the file */
    client_track_many(200, 50);
    fake->mode = FAKE_ACK;
    fake->drop = true;
    client_flush();
    cr_expect_eq(client_check().connects, 2u);
    cr_expect_eq(client_check().events_acked, 250u);
    fake_stop(fake);
    client_expect(250);
}

Test(client_spill, acks_of_what_was_spilled_meanwhile_count)
{
    client_open((struct gbill_options){.chunk_events = 10, .spill_path = path});
    fake_start(fake, FAKE_ACK_BACKWARDS); /* answers each fourth chunk, the last one first */
    for (int i = 0; i < 2000 && !client_check().connected; i++)
        poll(NULL, 0, 5);
    client_track_many(0, 10);
    for (int i = 0; i < 2000 && fake->chunk_count == 0; i++)
        poll(NULL, 0, 5);
    cr_expect_eq(gbill_flush(client, 0, &why), GBILL_SPILLED);
    fake->mode = FAKE_ACK;
    client_track_many(10, 400);
    fake->drop = true;
    client_flush();
    cr_expect_eq(client_check().events_acked, 410u);
    cr_expect_eq(size_of(path), SPILL_HEAD_BYTES);
    fake_stop(fake);
    client_expect(410);
}

Test(client_spill, a_torn_tail_is_reported_and_kept)
{
    struct gbill_check check;
    leave_events(50);
    off_t whole = size_of(path);
    cr_assert_eq(truncate(path, whole - 5), 0);
    fake_start(fake, FAKE_ACK);
    open_spilling();
    client_flush();
    cr_expect_eq(gbill_check(client, &check), GBILL_IO);
    cr_expect_eq(check.events_acked, 49u);
    cr_expect_gt(check.damaged_bytes, 100u);
    cr_expect_not_null(strstr(check.trouble, damaged_path), "%s", check.trouble);
    cr_expect_eq(size_of(damaged_path), (off_t)check.damaged_bytes);
    client_close();
    fake_stop(fake);
    client_expect_in_order(49);
    open_spilling(); /* it is mended */
    cr_expect_eq(client_check().damaged_bytes, 0u);
}

/* Read all there is: how many of the three records, none of them wrong. */
static unsigned
read_back(const uint64_t checksums[3], struct spill *spill)
{
    static uint8_t message[CHUNK_BYTES_MAX];
    struct spill_record record;
    struct err err;
    unsigned found = 0;
    (void)!spill_recover(spill, message, &err);
    while (spill_read(spill, &record, message)) {
        struct bytes body = {message, record.message_bytes};
        bool known = false;
        for (int i = 0; i < 3; i++)
            known = known || hash_mem(body.data, body.size_bytes) == checksums[i];
        cr_assert(known, "a record came back with other bytes");
        found++;
    }
    return found;
}

Test(client_spill, any_flipped_byte_costs_one_record_at_most_and_is_reported)
{
    struct spill spill;
    struct spill_record record;
    struct err err;
    static uint8_t message[CHUNK_BYTES_MAX], copy[65536];
    uint64_t checksums[3];
    client_open((struct gbill_options){.spill_path = path, .chunk_events = 1});
    client_track_many(0, 3);
    expect_spilled(3);
    client_close();
    cr_assert_eq(spill_open(&spill, path, 1 << 20, &err), ERR_OK, "%s", err.text);
    cr_assert_eq(spill_recover(&spill, message, &err), ERR_OK);
    for (int i = 0; i < 3; i++) {
        cr_assert(spill_read(&spill, &record, message));
        checksums[i] = hash_mem(message, record.message_bytes);
    }
    spill_close(&spill, true);

    off_t size = size_of(path);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    cr_assert_eq(read(fd, copy, sizeof copy), size);
    for (off_t at = 0; at < size;
         at += at == 1023 ? 3073 : 1) { /* the rest of the head is unused */
        flip(at);
        cr_assert_eq(spill_open(&spill, path, 1 << 20, &err), ERR_OK, "byte %ld: %s", (long)at,
                     err.text);
        unsigned found = read_back(checksums, &spill);
        cr_assert(found == 3 || (found == 2 && at >= SPILL_HEAD_BYTES && spill.damaged_bytes > 0),
                  "byte %ld: %u records, %lu bytes damaged", (long)at, found,
                  (unsigned long)spill.damaged_bytes);
        spill_close(&spill, true);
        cr_assert_eq(pwrite(fd, copy, (size_t)size, 0), size);
        cr_assert_eq(truncate(path, size), 0);
        unlink(damaged_path);
    }
    close(fd);
}

Test(client_spill, a_foreign_file_is_refused_and_left_as_it_is)
{
    static const char *const texts[] = {"root:x:0:0:root:/root:/bin/bash\n", "GBSPILL1", "x"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char back[64] = "";
        int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        cr_assert_eq(write(fd, texts[i], strlen(texts[i])), (ssize_t)strlen(texts[i]));
        const struct gbill_options options = {.socket_path = fake->path, .spill_path = path};
        cr_expect_eq(gbill_open(&client, &options, &why), GBILL_CORRUPT);
        cr_expect_not_null(strstr(why.text, path), "%s", why.text);
        cr_expect_eq(pread(fd, back, sizeof back, 0), (ssize_t)strlen(texts[i]));
        cr_expect_str_eq(back, texts[i]);
        close(fd);
    }
    const struct gbill_options folder = {.socket_path = fake->path, .spill_path = fake->folder};
    cr_expect_neq(gbill_open(&client, &folder, &why), GBILL_OK);
    unlink(path);
    cr_assert_eq(symlink("/dev/null", path), 0);
    const struct gbill_options link = {.socket_path = fake->path, .spill_path = path};
    cr_expect_neq(gbill_open(&client, &link, &why), GBILL_OK);
}

Test(client_spill, two_clients_never_share_a_file)
{
    struct gbill *second;
    int status;
    const struct gbill_options options = {.socket_path = fake->path, .spill_path = path};
    open_spilling();
    cr_expect_eq(gbill_open(&second, &options, &why), GBILL_BUSY);
    cr_expect_not_null(strstr(why.text, path), "%s", why.text);
    pid_t pid = fork();
    if (pid == 0)
        _exit(gbill_open(&second, &options, &why) == GBILL_BUSY ? 0 : 1);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_expect_eq(status, 0, "another process got it too");
    client_close();
    cr_expect_eq(gbill_open(&second, &options, &why), GBILL_OK, "%s", why.text);
    gbill_close(second);
}

Test(client_spill, a_full_spill_file_fills_the_queue_and_then_refuses)
{
    struct gbill_check check;
    unsigned count = 0;
    client_open((struct gbill_options){.spill_path = path,
                                       .spill_bytes = GBILL_SPILL_BYTES_MIN,
                                       .queue_bytes = GBILL_QUEUE_BYTES_MIN});
    for (;;) {
        if (client_track(count) == GBILL_OK)
            count++;
        else if (gbill_wait(client, 300, &why) != GBILL_OK)
            break;
    }
    cr_expect_not_null(strstr(why.text, "the spill file is full"), "%s", why.text);
    cr_expect_leq(size_of(path), GBILL_SPILL_BYTES_MIN + SPILL_HEAD_BYTES);
    cr_expect_eq(gbill_check(client, &check), GBILL_FULL);
    cr_expect_gt(check.events_refused, 0u);
    cr_expect_eq(gbill_flush(client, 0, &why), GBILL_PEER, "not all of it is on disk");
    fake_start(fake, FAKE_ACK);
    client_flush();
    cr_expect_eq(gbill_check(client, &check), GBILL_OK, "%s", check.trouble);
    cr_expect_eq(check.events_acked, count);
    fake_stop(fake);
    client_expect_in_order(count);
}

Test(client_spill, a_disk_that_fails_at_any_write_loses_nothing)
{
    static const int errors[] = {ENOSPC, EIO};
    for (int n = 1; n <= 24; n++) {
        unsigned first = (unsigned)(n - 1) * 25;
        open_spilling();
        fault_errno = errors[n % 2];
        fault_count = 0;
        fault_at = n;
        client_track_many(first, 25);
        enum gbill_code code = gbill_flush(client, 0, &why);
        cr_assert(code == GBILL_PEER || code == GBILL_SPILLED, "fault %d: %s", n, why.text);
        cr_assert(code == GBILL_SPILLED || fault_count > 0, "fault %d: %s", n, why.text);
        fault_at = 0; /* there is space again */
        cr_assert_eq(gbill_flush(client, 0, &why), GBILL_SPILLED, "fault %d: %s", n, why.text);
        cr_assert_eq(client_check().events_spilled, first + 25, "fault %d", n);
        client_close();
    }
    fake_start(fake, FAKE_ACK);
    open_spilling();
    client_flush();
    cr_expect_eq(client_check().damaged_bytes, 0u);
    fake_stop(fake);
    client_expect_in_order(24 * 25);
}

Test(client_spill, a_full_disk_is_named_and_the_events_stay_in_memory)
{
    struct gbill_check check;
    open_spilling();
    fault_errno = ENOSPC;
    fault_spares_ftruncate = true;
    fault_at = 1;
    client_track_many(0, 40);
    cr_expect_eq(gbill_flush(client, 0, &why), GBILL_PEER);
    cr_expect_not_null(strstr(why.text, "No space left"), "%s", why.text);
    cr_expect_eq(size_of(path), SPILL_HEAD_BYTES, "half a record stays behind");
    cr_expect_neq(gbill_check(client, &check), GBILL_OK);
    cr_expect_not_null(strstr(check.trouble, "No space left"), "%s", check.trouble);
    cr_expect_eq(check.events_spilled, 0u);
    fake_start(fake, FAKE_ACK);
    client_flush();
    fake_stop(fake);
    client_expect_in_order(40);
}

/*
 * The sanitizers' allocators, unlike the C library's, may be locked for ever in the
 * child of a process with threads, so there the child does without memory.
 */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CHILD_HAS_MEMORY false
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define CHILD_HAS_MEMORY false
#endif
#endif
#ifndef CHILD_HAS_MEMORY
#define CHILD_HAS_MEMORY true
#endif

/* Runs in the child of a fork; returns what was wrong there, 0 if nothing. */
static int
use_in_child(const char *own_spill)
{
    struct gbill *own;
    struct gbill_check check;
    struct gbill_usage u = call;
    const struct gbill_options options = {.socket_path = fake->path, .spill_path = own_spill};
    if (gbill_track(client, &call, &why) != GBILL_USAGE || strstr(why.text, "fork") == NULL)
        return 1;
    if (gbill_track_record(client, "usage", 0, "\x80", 1, &why) != GBILL_USAGE ||
        gbill_flush(client, 0, &why) != GBILL_USAGE || gbill_wait(client, 0, &why) != GBILL_USAGE ||
        gbill_check(client, &check) != GBILL_USAGE)
        return 2;
    if (!CHILD_HAS_MEMORY)
        return 0;
    gbill_close(client);
    u.id = "e-100";
    if (gbill_open(&own, &options, &why) != GBILL_OK)
        return 3;
    if (gbill_track(own, &u, &why) != GBILL_OK || gbill_flush(own, 100, &why) != GBILL_SPILLED)
        return 4;
    gbill_close(own);
    return 0;
}

static void *
keep_the_lock_busy(void *context)
{
    struct gbill_check check;
    while (!*(_Atomic bool *)context)
        (void)!gbill_check(client, &check);
    return NULL;
}

Test(client_spill, the_child_of_a_fork_can_do_no_harm)
{
    char own_spill[140];
    pthread_t thread;
    _Atomic bool enough = false;
    snprintf(own_spill, sizeof own_spill, "%s.child", path);
    open_spilling();
    client_track_many(0, 100);
    client_await_spilled(100);
    /* Another thread may hold the client's lock while this one forks. */
    cr_assert_eq(pthread_create(&thread, NULL, keep_the_lock_busy, &enough), 0);
    for (int i = 0; i < 20; i++) {
        int status;
        pid_t pid = fork();
        if (pid == 0)
            _exit(use_in_child(own_spill));
        cr_assert_eq(waitpid(pid, &status, 0), pid);
        cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "check %d", WEXITSTATUS(status));
        unlink(own_spill);
    }
    enough = true;
    pthread_join(thread, NULL);

    /* The lock is still the parent's, and goes with it although a child has the file open. */
    struct gbill *second;
    const struct gbill_options options = {.socket_path = fake->path, .spill_path = path};
    cr_expect_eq(gbill_open(&second, &options, &why), GBILL_BUSY);
    pid_t idle = fork();
    if (idle == 0) {
        pause();
        _exit(0);
    }
    fake_start(fake, FAKE_ACK);
    client_flush();
    client_close();
    cr_expect_eq(gbill_open(&second, &options, &why), GBILL_OK, "%s", why.text);
    gbill_close(second);
    kill(idle, SIGKILL);
    waitpid(idle, NULL, 0);
    fake_stop(fake);
    client_expect_in_order(100);
}
