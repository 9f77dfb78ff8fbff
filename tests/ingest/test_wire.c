/*
 * The agent against clients that are slow, greedy, over their quota or hostile: they
 * get their due, and nobody else notices.
 */
#include <criterion/criterion.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "store/base/file.h"
#include "tests/ingest/live_agent.h"

TestSuite(ingest_wire, .init = live_setup, .fini = live_teardown);

static void
pause_ms(int ms)
{
    poll(NULL, 0, ms);
}

static int64_t
now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* A packed message of at least so many bytes. */
static void
make_large(struct wire *w, size_t size_bytes, const char *chunk)
{
    wire_init(w);
    wire_packed(w, live_now_s(), "large", (int)(size_bytes / 100), chunk);
    cr_assert_geq(wire_bytes(w).size_bytes, size_bytes);
}

static struct bytes
part(struct bytes b, size_t from, size_t to)
{
    return (struct bytes){b.data + from, to - from};
}

/* recv() of this program stands before the C library's and counts, in a page shared with the agent. */
static volatile long *recv_count;

ssize_t
recv(int fd, void *data, size_t size_bytes, int flags)
{
    static ssize_t (*real)(int, void *, size_t, int);
    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "recv");
    if (recv_count != NULL)
        (*recv_count)++;
    return real(fd, data, size_bytes, flags);
}

/*
 * Every byte is a buffer of its own to the kernel, which holds 278 of them for a unix socket.  Asked
 * for each, they would cost 2 calls a byte: recv() and epoll_wait().
 */
Test(ingest_wire, one_byte_a_write_is_read_many_at_a_time_and_delays_nobody)
{
    struct wire w;
    char last[256];
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(page, MAP_FAILED);
    recv_count = page;
    make_large(&w, 256 * 1024, "slow");
    struct bytes b = wire_bytes(&w);
    live_start_agent();
    int fd = live_dial(), other = live_dial();
    pid_t sender = fork();
    if (sender == 0) {
        for (size_t i = 0; i < b.size_bytes; i++) {
            if (send(fd, b.data + i, 1, MSG_NOSIGNAL) != 1)
                _exit(1);
        }
        _exit(0);
    }
    int status, rounds = 0;
    while (waitpid(sender, &status, WNOHANG) == 0) {
        live_send_one(other, "ev", "c");
        live_hear_ack(other, "c");
        rounds++;
        pause_ms(20);
    }
    cr_expect_eq(status, 0);
    live_hear_ack(fd, "slow");
    cr_log_info("%ld calls for %zu bytes, %d acks of another", *recv_count, b.size_bytes, rounds);
    cr_expect_lt(*recv_count, (long)b.size_bytes / 32);
    cr_expect_eq(live_end_agent(SIGTERM), 0);
    cr_expect_geq(live_count_log(LOG_EVENTS, last), b.size_bytes / 130);
    close(fd);
    close(other);
    wire_clear(&w);
    munmap(page, 4096);
}

Test(ingest_wire, a_message_that_is_never_finished_is_closed_and_who_is_between_two_is_not)
{
    struct wire w;
    live_options.deadline_ms = 400;
    live_start_agent();
    int idle = live_dial(), slow = live_dial(), trickling = live_dial(), good = live_dial();
    wire_init(&w);
    wire_packed(&w, live_now_s(), "x", 50, "c");
    struct bytes b = wire_bytes(&w);
    live_send_one(idle, "ev", "c");
    live_hear_ack(idle, "c");
    live_say(slow, part(b, 0, 100));
    /* One byte at a time does not prolong it. */
    bool closed = false;
    for (size_t i = 0; i < 200 && !closed; i++) {
        closed = send(trickling, b.data + i, 1, MSG_NOSIGNAL) != 1;
        pause_ms(10);
    }
    cr_expect(closed, "whoever trickles has all the time in the world");
    cr_expect(live_is_closed(slow));
    live_wait_for("was begun and not whole in time");
    /* Several messages, each in time, in pieces. */
    for (int i = 0; i < 4; i++) {
        live_say(good, part(b, 0, 100));
        pause_ms(250);
        live_say(good, part(b, 100, b.size_bytes));
        live_hear_ack(good, "c");
    }
    live_send_one(idle, "ev", "c");
    live_hear_ack(idle, "c");
    cr_expect_eq(live_end_agent(SIGTERM), 0);
    cr_expect(live_errors_say("rejected=2"));
    close(idle);
    close(slow);
    close(trickling);
    close(good);
    wire_clear(&w);
}

Test(ingest_wire, a_large_message_that_advances_has_more_time)
{
    struct wire w;
    char last[256];
    const size_t mib = 1024 * 1024;
    live_options.deadline_ms = 1000;
    live_start_agent();
    make_large(&w, 5 * mib, "c");
    struct bytes b = wire_bytes(&w);
    cr_assert(b.size_bytes > 6 * mib && b.size_bytes < 8 * mib);
    int fd = live_dial();
    live_say(fd, part(b, 0, 3 * mib));
    pause_ms(700);
    live_say(fd, part(b, 3 * mib, 6 * mib));
    pause_ms(700);
    live_say(fd, part(b, 6 * mib, b.size_bytes));
    live_hear_ack(fd, "c");
    cr_expect_eq(live_end_agent(SIGTERM), 0);
    cr_expect_gt(live_count_log(LOG_EVENTS, last), 50000);
    close(fd);
    wire_clear(&w);
}

Test(ingest_wire, messages_that_are_not_whole_share_a_bounded_memory_and_all_end_well)
{
    enum { CONNS = 40 };
    struct wire w;
    int fds[CONNS];
    pid_t senders[CONNS];
    char last[256];
    make_large(&w, 1024 * 1024, "c");
    struct bytes b = wire_bytes(&w);
    live_start_agent();
    for (int i = 0; i < CONNS; i++) {
        fds[i] = live_dial();
        senders[i] = fork();
        if (senders[i] == 0) {
            /* All of them stand in the middle of a message before any goes on. */
            for (size_t at = 0; at < b.size_bytes;) {
                size_t n = b.size_bytes - at < 100000 ? b.size_bytes - at : 100000;
                ssize_t sent = send(fds[i], b.data + at, n, MSG_NOSIGNAL);
                if (sent <= 0)
                    _exit(1);
                at += (size_t)sent;
                if (at < 800000)
                    pause_ms(5);
            }
            _exit(0);
        }
    }
    int lone = live_dial();
    for (int i = 0; i < 20; i++) {
        live_send_one(lone, "ev", "lone");
        live_hear_ack(lone, "lone");
    }
    for (int i = 0; i < CONNS; i++) {
        int status;
        live_hear_ack(fds[i], "c");
        cr_assert_eq(waitpid(senders[i], &status, 0), senders[i]);
        cr_expect_eq(status, 0);
        close(fds[i]);
    }
    cr_expect_eq(live_end_agent(SIGTERM), 0);
    cr_expect_eq(live_count_log(LOG_EVENTS, last) % CONNS, 20);
    close(lone);
    wire_clear(&w);
}

/* The acks that a recorded stream is owed, by msgpack-c's reading of it. */
static void
expect_acks(struct bytes stream, struct wire *acks)
{
    msgpack_unpacked u;
    msgpack_unpacked_init(&u);
    for (size_t at = 0; msgpack_unpack_next(&u, (const char *)stream.data, stream.size_bytes,
                                            &at) == MSGPACK_UNPACK_SUCCESS;) {
        msgpack_object_array a = u.data.via.array;
        msgpack_object option = a.ptr[a.size - 1];
        for (uint32_t i = 0;
             a.size > 2 && option.type == MSGPACK_OBJECT_MAP && i < option.via.map.size; i++) {
            msgpack_object_kv kv = option.via.map.ptr[i];
            if (kv.key.via.str.size != 5 || memcmp(kv.key.via.str.ptr, "chunk", 5) != 0)
                continue;
            msgpack_pack_map(&acks->pk, 1);
            wire_text(acks, "ack");
            msgpack_pack_str(&acks->pk, kv.val.via.str.size);
            msgpack_pack_str_body(&acks->pk, kv.val.via.str.ptr, kv.val.via.str.size);
        }
    }
    msgpack_unpacked_destroy(&u);
}

/* What real clients sent, retries with new chunk ids and all, is acked chunk by chunk, in order. */
Test(ingest_wire, the_recorded_bytes_of_real_clients_are_acked_in_order)
{
    char path[256];
    int count = 0;
    live_start_agent();
    snprintf(path, sizeof path, "%s/data/forward", GBILL_TESTS_DIR);
    DIR *d = opendir(path);
    cr_assert_not_null(d);
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        struct bytes bytes = {NULL, 0};
        struct err err;
        struct wire acks;
        if (strstr(e->d_name, ".bin") == NULL)
            continue;
        snprintf(path, sizeof path, "%s/data/forward/%s", GBILL_TESTS_DIR, e->d_name);
        cr_assert_eq(file_read(path, 65536, &bytes, &err), ERR_OK, "%s", err.text);
        wire_init(&acks);
        expect_acks(bytes, &acks);
        int fd = live_dial();
        live_say(fd, bytes);
        if (strstr(e->d_name, "-ack") != NULL)
            cr_expect_gt(wire_bytes(&acks).size_bytes, 0, "%s", e->d_name);
        if (wire_bytes(&acks).size_bytes > 0)
            live_hear(fd, &acks);
        shutdown(fd, SHUT_WR);
        cr_expect(live_is_closed(fd), "%s", e->d_name);
        close(fd);
        wire_clear(&acks);
        free((void *)(uintptr_t)bytes.data);
        count++;
    }
    closedir(d);
    cr_expect_eq(count, 31);
    cr_expect_eq(live_end_agent(SIGTERM), 0);
    cr_expect(live_errors_say("rejected=0 cut=0"));
}

Test(ingest_wire, clients_that_close_at_once_leave_nothing_behind)
{
    live_start_agent();
    int fd = live_dial();
    live_send_one(fd, "ev", "c");
    live_hear_ack(fd, "c");
    for (int i = 0; i < 500; i++) {
        int other = live_dial();
        if (i % 2 == 0)
            live_send_one(other, "ev", "c"); /* whose ack nobody hears */
        close(other);
    }
    /* Some are accepted in each round. */
    for (int i = 0; i < 50; i++) {
        live_send_one(fd, "ev", "c");
        live_hear_ack(fd, "c");
    }
    cr_expect_eq(live_end_agent(SIGTERM), 0);
    cr_expect(live_errors_say("connections=501 open=1 "));
    close(fd);
}

static int
files_of_agent(void)
{
    char path[64];
    int count = 0;
    snprintf(path, sizeof path, "/proc/%d/fd", (int)live_pid);
    DIR *d = opendir(path);
    cr_assert_not_null(d);
    while (readdir(d) != NULL)
        count++;
    closedir(d);
    return count;
}

static void
send_with_files(int fd, struct bytes b, const int *files, size_t files_bytes)
{
    union {
        char bytes[CMSG_SPACE(1024)];
        struct cmsghdr head;
    } control;
    struct iovec iov = {(void *)(uintptr_t)b.data, b.size_bytes};
    struct msghdr m = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = control.bytes,
                       .msg_controllen = CMSG_SPACE(files_bytes)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    *c = (struct cmsghdr){
        .cmsg_len = CMSG_LEN(files_bytes), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(c), files, files_bytes);
    /* A user may have only so many files under way. */
    ssize_t n;
    while ((n = sendmsg(fd, &m, MSG_NOSIGNAL)) < 0 && errno == ETOOMANYREFS)
        pause_ms(1);
    cr_assert_eq(n, (ssize_t)b.size_bytes);
}

Test(ingest_wire, a_million_file_descriptors_that_are_sent_along_leak_none)
{
    enum { FILES = 200, SENDS = 5000, ACK_EVERY = 500 };
    struct wire w;
    int files[FILES], null = open("/dev/null", O_RDONLY);
    live_start_agent();
    int fd = live_dial();
    live_send_one(fd, "ev", "c");
    live_hear_ack(fd, "c");
    int before = files_of_agent();
    for (int i = 0; i < FILES; i++)
        files[i] = null;
    wire_init(&w);
    msgpack_pack_nil(&w.pk);
    for (int i = 0; i < SENDS; i++) {
        send_with_files(fd, wire_bytes(&w), files, sizeof files);
        if (i % ACK_EVERY == 0) {
            live_send_one(fd, "ev", "c");
            live_hear_ack(fd, "c");
            cr_assert_eq(files_of_agent(), before);
        }
    }
    live_send_one(fd, "ev", "c");
    live_hear_ack(fd, "c");
    cr_expect_eq(files_of_agent(), before);
    cr_expect_eq(live_end_agent(SIGTERM), 0);
    close(fd);
    close(null);
    wire_clear(&w);
}

/* ---- rules ---- */

static char rules_path[128];

static void
rules(const char *format, uint32_t uid)
{
    snprintf(rules_path, sizeof rules_path, "%s.peers", live_errors);
    FILE *f = fopen(rules_path, "w");
    cr_assert_not_null(f);
    fprintf(f, format, uid);
    fclose(f);
    live_options.peers = rules_path;
}

Test(ingest_wire, a_uid_that_no_rule_names_is_turned_away)
{
    rules("uid %u for *\n", getuid() + 1);
    live_start_agent();
    int fd = live_dial();
    cr_expect(live_is_closed(fd));
    live_wait_for("this uid may not connect");
    cr_expect_eq(live_end_agent(SIGTERM), 0);
    cr_expect(live_errors_say("rejected=1"));
    close(fd);
}

Test(ingest_wire, an_event_for_another_organization_is_quarantined_with_the_reason_and_acked)
{
    char last[256];
    rules("uid %u for globex,initech\n", getuid());
    live_start_agent();
    int fd = live_dial();
    live_send_one(fd, "ev", "c");
    live_hear_ack(fd, "c");
    cr_expect_eq(live_end_agent(SIGTERM), 0);
    cr_expect_eq(live_count_log(LOG_EVENTS, last), 0);
    cr_expect_eq(live_count_log(LOG_QUARANTINE, last), 1);
    cr_expect_not_null(strstr(last, "may not write for organization org_acme"), "%s", last);
    close(fd);
    rules("uid %u for globex,org_acme\n", getuid());
    live_start_agent();
    fd = live_dial();
    live_send_one(fd, "ev", "c");
    live_hear_ack(fd, "c");
    cr_expect_eq(live_end_agent(SIGTERM), 0);
    cr_expect_eq(live_count_log(LOG_EVENTS, last), 1);
    close(fd);
}

Test(ingest_wire, over_its_quota_a_peer_waits_and_loses_nothing)
{
    enum { EVENTS = 300, CONNS = 3 };
    struct wire w, acks;
    int fds[CONNS];
    char last[256];
    rules("uid %u for * quota 200\n", getuid());
    live_start_agent();
    wire_init(&w);
    wire_init(&acks);
    for (int i = 0; i < EVENTS / CONNS; i++) {
        wire_message(&w, "gbill.usage", live_now_s(), "ev", "c");
        wire_ack(&acks, "c");
    }
    int64_t start = now_ms();
    for (int i = 0; i < CONNS; i++) {
        fds[i] = live_dial();
        live_say(fds[i], wire_bytes(&w));
    }
    for (int i = 0; i < CONNS; i++)
        live_hear(fds[i], &acks);
    /* 200 at once; then a message more, which is owed for: the next only when it is paid. */
    live_send_one(fds[0], "ev", "late");
    live_hear_ack(fds[0], "late");
    cr_expect_geq(now_ms() - start, 490, "300 events and one, of 200 a second");
    cr_expect_eq(live_end_agent(SIGTERM), 0);
    cr_expect_eq(live_count_log(LOG_EVENTS, last), EVENTS + 1);
    cr_expect(live_errors_say("rejected=0"));
    for (int i = 0; i < CONNS; i++)
        close(fds[i]);
    wire_clear(&w);
    wire_clear(&acks);
}

Test(ingest_wire, one_that_rests_and_is_gone_costs_nothing_and_loses_nothing)
{
    char last[256];
    rules("uid %u for * quota 100\n", getuid());
    live_start_agent();
    struct wire w;
    wire_init(&w);
    wire_packed(&w, live_now_s(), "x", 200, "c");
    int fd = live_dial();
    live_say(fd, wire_bytes(&w));
    live_hear_ack(fd, "c");
    live_send_one(fd, "last", "c");
    close(fd);
    int64_t before = live_cpu_ms();
    pause_ms(500);
    cr_expect_leq(live_cpu_ms() - before, 100, "the agent spins");
    for (int i = 0; i < 300 && live_count_log(LOG_EVENTS, last) < 201; i++)
        pause_ms(20);
    cr_expect_eq(live_end_agent(SIGTERM), 0);
    cr_expect_eq(live_count_log(LOG_EVENTS, last), 201);
    wire_clear(&w);
}
