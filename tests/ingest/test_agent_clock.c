/*
 * The agent when the clock jumps and when the day changes under load: nothing stalls,
 * nothing is lost, and sequence numbers, not the clock, order the log.
 */
#include <criterion/criterion.h>
#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/base/time.h"
#include "tests/ingest/live_agent.h"

#define HOUR_MS ((int64_t)3600 * 1000)

TestSuite(ingest_agent_clock, .init = live_setup, .fini = live_teardown);

static int
count_days(void)
{
    char path[128];
    int count = 0;
    snprintf(path, sizeof path, "%s/log", live_data);
    DIR *d = opendir(path);
    cr_assert_not_null(d);
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        count += strlen(e->d_name) == 14 && strcmp(e->d_name + 10, ".mdb") == 0;
    closedir(d);
    return count;
}

static void
send_and_hear(int fd, const char *id)
{
    live_send_one(fd, id, "c");
    live_hear_ack(fd, "c");
}

Test(ingest_agent_clock, jumps_forwards_and_back_lose_nothing_and_stall_nobody)
{
    static const int64_t jumps_ms[] = {-HOUR_MS, 10 * 365 * 24 * HOUR_MS, -10 * 365 * 24 * HOUR_MS,
                                       1000, -24 * HOUR_MS};
    char last[256], id[32];
    live_start_agent();
    int fd = live_dial();
    send_and_hear(fd, "first");
    for (size_t i = 0; i < sizeof jumps_ms / sizeof jumps_ms[0]; i++) {
        live_shift_clock(jumps_ms[i]);
        snprintf(id, sizeof id, "jump-%zu", i);
        send_and_hear(fd, id);
    }
    cr_expect_eq(live_end_agent(SIGTERM), 0);
    cr_expect_eq(live_count_log(LOG_EVENTS, last), 6);
    cr_expect_str_eq(last, "jump-4");
    /* The newest file goes on when the clock is before it. */
    live_start_agent();
    int again = live_dial();
    send_and_hear(again, "restarted");
    cr_expect_eq(live_end_agent(SIGTERM), 0);
    cr_expect_eq(live_count_log(LOG_EVENTS, last), 7);
    cr_expect_str_eq(last, "restarted");
    cr_expect_eq(count_days(), 2);
    close(fd);
    close(again);
}

Test(ingest_agent_clock, an_event_of_before_the_jump_is_kept_in_the_quarantine)
{
    char last[256];
    struct wire w;
    live_start_agent();
    int fd = live_dial();
    int64_t before_s = live_now_s();
    live_shift_clock(10 * 365 * 24 * HOUR_MS);
    wire_init(&w);
    wire_message(&w, "gbill.usage", before_s, "old", "c");
    live_say(fd, wire_bytes(&w));
    live_hear_ack(fd, "c");
    wire_clear(&w);
    cr_expect_eq(live_end_agent(SIGTERM), 0);
    cr_expect_eq(live_count_log(LOG_QUARANTINE, last), 1);
    close(fd);
}

Test(ingest_agent_clock, days_change_under_load)
{
    enum { CHUNKS = 400, EVENTS = 50, DAYS = 8 };
    struct wire w, acks;
    char last[256];
    wire_init(&w);
    wire_init(&acks);
    for (int i = 0; i < CHUNKS; i++) {
        wire_packed(&w, live_now_s(), "d", EVENTS, "chunk");
        wire_ack(&acks, "chunk");
    }
    live_start_agent();
    int fd = live_dial(), slow = live_dial();
    pid_t sender = fork();
    if (sender == 0) {
        live_say(fd, wire_bytes(&w));
        _exit(0);
    }
    for (int day = 0; day < DAYS; day++) {
        live_shift_clock(TIME_DAY_MS);
        send_and_hear(slow, "slow");
    }
    live_hear(fd, &acks);
    int status;
    cr_assert_eq(waitpid(sender, &status, 0), sender);
    cr_expect_eq(live_end_agent(SIGTERM), 0);
    cr_expect_eq(live_count_log(LOG_EVENTS, last), CHUNKS * EVENTS + DAYS);
    /* A batch belongs to the day that its first message came on, so not each day has one. */
    cr_expect_geq(count_days(), 2);
    close(fd);
    close(slow);
    wire_clear(&w);
    wire_clear(&acks);
}

Test(ingest_agent_clock, a_reader_held_up_within_a_transaction_holds_up_nobody)
{
    char last[256];
    live_start_agent();
    int fd = live_dial();
    send_and_hear(fd, "first");
    pid_t reader = fork();
    if (reader == 0) {
        for (;;)
            (void)live_count_log(LOG_EVENTS, last);
    }
    for (int i = 0; i < 200; i++) {
        if (i % 20 == 10)
            kill(reader, SIGSTOP);
        send_and_hear(fd, "next");
        if (i % 20 == 19)
            kill(reader, SIGCONT);
    }
    kill(reader, SIGKILL);
    int status;
    cr_assert_eq(waitpid(reader, &status, 0), reader);
    cr_expect_eq(live_end_agent(SIGTERM), 0);
    cr_expect_eq(live_count_log(LOG_EVENTS, last), 201);
    close(fd);
}
