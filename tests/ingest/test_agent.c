/*
 * The agent as a process of its own, over a real socket, on a real log.
 */
#include "ingest/agent.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/ingest/live_agent.h"

TestSuite(ingest_agent, .init = live_setup, .fini = live_teardown);

Test(ingest_agent, an_acked_event_survives_kill_9_at_once)
{
    char last[256];
    live_start_agent();
    int fd = live_dial();
    live_send_one(fd, "ev-1", "c1");
    live_hear_ack(fd, "c1");
    (void)live_end_agent(SIGKILL);
    cr_expect_eq(live_count_log(LOG_EVENTS, last), 1);
    cr_expect_str_eq(last, "ev-1");
    /* What it left behind, socket file included, does not stop the next one. */
    live_start_agent();
    int again = live_dial();
    live_send_one(again, "ev-2", "c2");
    live_hear_ack(again, "c2");
    cr_expect_eq(live_end_agent(SIGTERM), 0, "see %s", live_errors);
    cr_expect_eq(live_count_log(LOG_EVENTS, last), 2);
    cr_expect_neq(access(live_sock, F_OK), 0, "the socket file is left behind");
    close(fd);
    close(again);
}

Test(ingest_agent, pipelined_chunks_are_acked_in_order)
{
    enum { CHUNKS = 300 };
    struct wire w, acks;
    char last[256];
    wire_init(&w);
    wire_init(&acks);
    for (int i = 0; i < CHUNKS; i++) {
        char chunk[32];
        snprintf(chunk, sizeof chunk, "chunk-%d", i);
        if (i % 5 == 0)
            msgpack_pack_nil(&w.pk);
        wire_packed(&w, live_now_s(), chunk, i % 3 * 50, chunk);
        wire_ack(&acks, chunk);
    }
    live_start_agent();
    int fd = live_dial();
    live_say(fd, wire_bytes(&w));
    live_hear(fd, &acks);
    cr_expect_eq(live_end_agent(SIGTERM), 0);
    cr_expect_eq(live_count_log(LOG_EVENTS, last), CHUNKS / 3 * 150);
    close(fd);
    wire_clear(&w);
    wire_clear(&acks);
}

Test(ingest_agent, chunks_of_nothing_are_acked_and_nothing_is_stored)
{
    enum { CHUNKS = 3000 }; /* more than the io thread commits itself */
    struct wire w, acks;
    char last[256];
    wire_init(&w);
    wire_init(&acks);
    for (int i = 0; i < CHUNKS; i++) {
        char chunk[32];
        snprintf(chunk, sizeof chunk, "c%d", i);
        wire_packed(&w, live_now_s(), chunk, 0, chunk);
        wire_ack(&acks, chunk);
    }
    live_start_agent();
    int fd = live_dial();
    live_say(fd, wire_bytes(&w));
    live_hear(fd, &acks);
    live_send_one(fd, "ev-1", "then");
    live_hear_ack(fd, "then");
    cr_expect_eq(live_end_agent(SIGTERM), 0, "see %s", live_errors);
    cr_expect_eq(live_count_log(LOG_EVENTS, last), 1);
    close(fd);
    wire_clear(&w);
    wire_clear(&acks);
}

Test(ingest_agent, what_breaks_the_contract_is_in_the_quarantine_and_acked)
{
    char last[256];
    live_start_agent();
    int fd = live_dial();
    live_send_one(fd, NULL, "c1");
    live_hear_ack(fd, "c1");
    cr_expect_eq(live_end_agent(SIGTERM), 0);
    cr_expect_eq(live_count_log(LOG_QUARANTINE, last), 1);
    cr_expect_not_null(strstr(last, "id is missing"), "%s", last);
    cr_expect_eq(live_count_log(LOG_EVENTS, last), 0);
    close(fd);
}

Test(ingest_agent, rubbish_is_closed_and_others_go_on)
{
    static const struct bytes rubbish[] = {
        {(const uint8_t *)"GET / HTTP/1.1\r\n\r\n", 18},
        {(const uint8_t *)"\x16\x03\x01\x02\x00", 5},
        {(const uint8_t *)"{\"tag\":1}", 9},
        {(const uint8_t *)"\xdd\xff\xff\xff\xff", 5},
        {(const uint8_t *)"\xc1", 1},
    };
    char last[256];
    live_start_agent();
    int good = live_dial();
    for (size_t i = 0; i < sizeof rubbish / sizeof rubbish[0]; i++) {
        int fd = live_dial();
        live_say(fd, rubbish[i]);
        cr_expect(live_is_closed(fd), "rubbish %zu", i);
        close(fd);
        live_send_one(good, "ev", "c");
        live_hear_ack(good, "c");
    }
    cr_expect_eq(live_end_agent(SIGTERM), 0);
    cr_expect(live_errors_say("rejected=5"));
    cr_expect(live_errors_say("event=rejected uid="));
    cr_expect(live_errors_say("looks like HTTP"));
    cr_expect(live_errors_say("looks like TLS"));
    cr_expect(live_errors_say("looks like JSON"));
    cr_expect_eq(live_count_log(LOG_EVENTS, last), 5);
    close(good);
}

Test(ingest_agent, acks_owed_before_the_rubbish_are_still_sent)
{
    live_start_agent();
    int fd = live_dial();
    struct wire w;
    wire_init(&w);
    wire_message(&w, "gbill.usage", live_now_s(), "ev", "c1");
    msgpack_pack_true(&w.pk);
    live_say(fd, wire_bytes(&w));
    live_hear_ack(fd, "c1");
    cr_expect(live_is_closed(fd));
    cr_expect_eq(live_end_agent(SIGTERM), 0);
    close(fd);
    wire_clear(&w);
}

Test(ingest_agent, a_client_that_ends_its_side_still_gets_its_acks)
{
    live_start_agent();
    int fd = live_dial();
    live_send_one(fd, "ev", "c1");
    shutdown(fd, SHUT_WR);
    live_hear_ack(fd, "c1");
    cr_expect(live_is_closed(fd));
    cr_expect_eq(live_end_agent(SIGTERM), 0);
    close(fd);
}

Test(ingest_agent, a_client_that_never_reads_and_is_gone_loses_no_event)
{
    enum { CHUNKS = 2000 };
    char last[256];
    live_start_agent();
    int fd = live_dial();
    for (int i = 0; i < CHUNKS; i++)
        live_send_one(fd, "ev", "a-chunk-id-of-some-length");
    close(fd);
    int other = live_dial();
    for (int i = 0; i < 500; i++) {
        live_send_one(other, "ev", "c");
        live_hear_ack(other, "c");
        if (live_count_log(LOG_EVENTS, last) == CHUNKS + (uint64_t)i + 1)
            break;
    }
    cr_expect_eq(live_end_agent(SIGTERM), 0);
    cr_expect_geq(live_count_log(LOG_EVENTS, last), CHUNKS + 1);
    close(other);
}

Test(ingest_agent, one_byte_a_write_is_understood)
{
    live_start_agent();
    int fd = live_dial();
    struct wire w;
    wire_init(&w);
    wire_packed(&w, live_now_s(), "p", 5, "slow");
    struct bytes b = wire_bytes(&w);
    for (size_t i = 0; i < b.size_bytes; i++)
        live_say(fd, (struct bytes){b.data + i, 1});
    live_hear_ack(fd, "slow");
    cr_expect_eq(live_end_agent(SIGTERM), 0);
    close(fd);
    wire_clear(&w);
}

Test(ingest_agent, what_is_acked_around_sigterm_is_in_the_log)
{
    for (int round = 0; round < 10; round++) {
        char last[256] = "", id[32];
        live_start_agent();
        int fd = live_dial();
        snprintf(id, sizeof id, "round-%d", round);
        live_send_one(fd, id, "c");
        cr_expect_eq(live_end_agent(SIGTERM), 0);
        uint8_t ack[16];
        bool acked = read(fd, ack, sizeof ack) > 0;
        if (acked) {
            cr_expect_gt(live_count_log(LOG_EVENTS, last), 0);
            cr_expect_str_eq(last, id);
        }
        close(fd);
    }
}

Test(ingest_agent, a_second_one_on_the_same_data_is_told_that_it_is_busy)
{
    live_start_agent();
    int fd = live_dial();
    pid_t first = live_pid;
    live_start_agent();
    int status;
    cr_assert_eq(waitpid(live_pid, &status, 0), live_pid);
    cr_expect_eq(WEXITSTATUS(status), 8);
    cr_expect(live_errors_say("another gbill-agent runs here"));
    live_pid = first;
    live_send_one(fd, "ev", "c");
    live_hear_ack(fd, "c");
    cr_expect_eq(live_end_agent(SIGTERM), 0);
    close(fd);
}

Test(ingest_agent, the_socket_is_for_owner_and_group_and_the_data_not_for_the_world)
{
    struct stat st;
    umask(0);
    live_start_agent();
    close(live_dial());
    cr_assert_eq(stat(live_sock, &st), 0);
    cr_expect_eq(st.st_mode & 07777, 0660);
    cr_assert_eq(stat(live_data, &st), 0);
    cr_expect_eq(st.st_mode & 07777, 0750);
    cr_expect_eq(live_end_agent(SIGTERM), 0);
}

Test(ingest_agent, what_is_no_socket_is_never_removed)
{
    static const char *const kinds[] = {"file", "link"};
    cr_assert_eq(mkdir(live_data, 0750), 0);
    for (int i = 0; i < 2; i++) {
        if (i == 0)
            close(open(live_sock, O_WRONLY | O_CREAT, 0600));
        else
            cr_assert_eq(symlink("/nowhere", live_sock), 0);
        live_start_agent();
        int status;
        cr_assert_eq(waitpid(live_pid, &status, 0), live_pid);
        live_pid = 0;
        cr_expect_eq(WEXITSTATUS(status), 7, "%s", kinds[i]);
        cr_expect(live_errors_say("is not a socket"), "%s", kinds[i]);
        cr_expect_eq(unlink(live_sock), 0, "%s was removed", kinds[i]);
    }
}

Test(ingest_agent, two_hundred_connections_are_served)
{
    enum { CONNS = 200 };
    int fds[CONNS];
    char last[256];
    live_start_agent();
    for (int i = 0; i < CONNS; i++)
        fds[i] = live_dial();
    for (int i = 0; i < CONNS; i++)
        live_send_one(fds[i], "ev", "c");
    for (int i = 0; i < CONNS; i++)
        live_hear_ack(fds[i], "c");
    for (int i = 0; i < CONNS; i++)
        close(fds[i]);
    cr_expect_eq(live_end_agent(SIGTERM), 0);
    cr_expect_eq(live_count_log(LOG_EVENTS, last), CONNS);
}

Test(ingest_agent, a_chunk_larger_than_a_batch_is_taken_and_one_over_8_mib_is_not)
{
    struct wire w;
    char last[256];
    live_start_agent();
    int fd = live_dial();
    wire_init(&w);
    wire_packed(&w, live_now_s(), "big", 50000, "big");
    cr_assert_gt(wire_bytes(&w).size_bytes, 5 * 1024 * 1024);
    live_say(fd, wire_bytes(&w));
    live_hear_ack(fd, "big");
    int over = live_dial();
    static const uint8_t head[] = {0x92, 0xa1, 't', 0xc6, 0x00, 0x80, 0x00, 0x01};
    live_say(over, (struct bytes){head, sizeof head});
    cr_expect(live_is_closed(over));
    cr_expect_eq(live_end_agent(SIGTERM), 0);
    cr_expect_eq(live_count_log(LOG_EVENTS, last), 50000);
    close(fd);
    close(over);
    wire_clear(&w);
}

Test(ingest_agent, more_than_the_batches_hold_is_taken_from_clients_that_read_late)
{
    enum { CONNS = 4, CHUNKS = 12 };
    int fds[CONNS];
    struct wire w, acks;
    char last[256];
    live_start_agent();
    wire_init(&w);
    wire_init(&acks);
    for (int i = 0; i < CHUNKS; i++) {
        wire_packed(&w, live_now_s(), "x", 4000, "chunk");
        wire_ack(&acks, "chunk");
    }
    for (int i = 0; i < CONNS; i++)
        fds[i] = live_dial();
    pid_t senders[CONNS];
    for (int i = 0; i < CONNS; i++) {
        senders[i] = fork();
        if (senders[i] == 0) {
            struct bytes b = wire_bytes(&w);
            while (b.size_bytes > 0) {
                ssize_t n = write(fds[i], b.data, b.size_bytes);
                if (n <= 0)
                    _exit(1);
                b = (struct bytes){b.data + n, b.size_bytes - (size_t)n};
            }
            _exit(0);
        }
    }
    for (int i = 0; i < CONNS; i++) {
        int status;
        cr_assert_eq(waitpid(senders[i], &status, 0), senders[i]);
        cr_expect_eq(status, 0);
    }
    for (int i = 0; i < CONNS; i++) {
        live_hear(fds[i], &acks);
        close(fds[i]);
    }
    cr_expect_eq(live_end_agent(SIGTERM), 0);
    cr_expect_eq(live_count_log(LOG_EVENTS, last), CONNS * CHUNKS * 4000);
    wire_clear(&w);
    wire_clear(&acks);
}

Test(ingest_agent, check_says_what_is_wrong_and_changes_nothing)
{
    struct err err;
    char deep[160];
    struct agent_options o = {.data = live_data, .clock = clock_system()};
    cr_expect_eq(agent_check(&o, &err), ERR_OK);
    cr_expect_neq(access(live_data, F_OK), 0, "it made the directory");
    snprintf(deep, sizeof deep, "%s/missing/data", live_data);
    o.data = deep;
    cr_expect_eq(agent_check(&o, &err), ERR_NOT_FOUND);
    cr_expect_eq(agent_run(&o, &err), ERR_NOT_FOUND);
    char long_path[200];
    memset(long_path, 'x', sizeof long_path - 1);
    long_path[sizeof long_path - 1] = '\0';
    o = (struct agent_options){.data = live_data, .socket = long_path, .clock = clock_system()};
    cr_expect_eq(agent_check(&o, &err), ERR_LIMIT);
    cr_expect_not_null(strstr(err.text, "limit is 107"), "%s", err.text);
}
