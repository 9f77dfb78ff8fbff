#include <criterion/criterion.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client_fixture.h"
#include "ingest/client/usage.h"
#include "store/base/clock.h"
#include "store/event/event.h"

TestSuite(client, .init = client_setup, .fini = client_teardown);

Test(client, every_event_arrives_once_and_in_order)
{
    client_start(FAKE_ACK, (struct gbill_options){.chunk_events = 100});
    client_track_many(0, 2345);
    client_flush();
    struct gbill_check check = client_check();
    cr_expect_eq(check.events_taken, 2345u);
    cr_expect_eq(check.events_acked, 2345u);
    cr_expect_geq(check.chunks_acked, 24u);
    cr_expect_eq(check.chunks_resent, 0u);
    cr_expect_eq(check.queue_bytes, 0u);
    fake_stop(fake);
    client_expect_in_order(2345);
    cr_expect_str_eq(fake->chunks[0].tag, "gbill.usage");
}

Test(client, a_single_event_is_sent_without_a_flush)
{
    client_start(FAKE_ACK, (struct gbill_options){0});
    cr_assert_eq(client_track(0), GBILL_OK);
    client_await_acked(1);
    fake_stop(fake);
    client_expect_in_order(1);
}

Test(client, events_that_come_while_one_is_under_way_travel_together)
{
    client_start(FAKE_ACK_LATE, (struct gbill_options){0});
    client_track_many(0, 50);
    client_flush();
    cr_expect_lt(client_check().chunks_acked, 10u);
    fake_stop(fake);
    client_expect_in_order(50);
}

Test(client, acks_may_come_in_any_order_and_in_any_pieces)
{
    /* Without an agent at first, so that there are eight chunks of ten. */
    client_open((struct gbill_options){.chunk_events = 10});
    client_track_many(0, 80);
    fake_start(fake, FAKE_ACK_BACKWARDS);
    client_flush();
    fake->mode = FAKE_ACK_BYTEWISE;
    client_track_many(80, 80);
    client_flush();
    cr_expect_eq(client_check().events_acked, 160u);
    cr_expect_eq(client_check().connects, 1u);
    fake_stop(fake);
    client_expect_in_order(160);
}

Test(client, a_chunk_cut_off_midway_is_sent_again)
{
    client_open((struct gbill_options){.chunk_events = 100});
    client_track_many(0, 500);
    fake_start(fake, FAKE_CLOSE_FIRST_MIDWAY);
    client_flush();
    cr_expect_geq(client_check().chunks_resent, 1u);
    cr_expect_eq(client_check().connects, 2u);
    fake_stop(fake);
    client_expect_in_order(500);
}

Test(client, what_was_not_acked_is_sent_again_as_the_same_bytes_under_the_same_chunk_id)
{
    client_start(FAKE_CLOSE_FIRST_UNACKED, (struct gbill_options){.chunk_events = 20});
    cr_assert_eq(gbill_track(client, &call, &why), GBILL_OK); /* its id is the client's */
    client_flush();
    fake_stop(fake);
    cr_assert_eq(fake->chunk_count, 2u);
    cr_expect_eq(fake->chunks[0].connection, 1);
    cr_expect_eq(fake->chunks[1].connection, 2);
    cr_expect_str_eq(fake->chunks[0].id, fake->chunks[1].id);
    cr_expect_eq(fake->chunks[0].bytes_hash, fake->chunks[1].bytes_hash);
    cr_expect_eq(client_check().chunks_resent, 1u);
}

Test(client, an_agent_that_restarts_gets_the_rest)
{
    client_start(FAKE_ACK, (struct gbill_options){.chunk_events = 50});
    client_track_many(0, 300);
    fake_stop(fake); /* whatever it had not acknowledged is lost with it */
    client_track_many(300, 300);
    fake_start(fake, FAKE_ACK);
    client_flush();
    cr_expect_eq(client_check().events_acked, 600u);
    cr_expect_eq(client_check().connects, 2u);
    fake_stop(fake);
    client_expect(600);
}

Test(client, an_agent_that_dies_again_and_again_gets_each_event_once)
{
    client_start(FAKE_ACK_LATE, (struct gbill_options){.chunk_events = 10});
    for (unsigned i = 0; i < 20; i++) {
        client_track_many(i * 30, 30);
        fake->drop = true;
        poll(NULL, 0, 20);
    }
    client_flush();
    cr_expect_gt(client_check().connects, 3u);
    fake_stop(fake);
    client_expect(600);
}

Test(client, a_silent_agent_ends_the_flush_at_its_deadline_and_nothing_is_forgotten)
{
    client_start(FAKE_SILENT, (struct gbill_options){.chunk_events = 10});
    client_track_many(0, 25);
    int64_t before_ns = clock_monotonic_ns();
    cr_expect_eq(gbill_flush(client, 300, &why), GBILL_PEER);
    cr_expect_geq((clock_monotonic_ns() - before_ns) / 1000000, 300);
    cr_expect_eq(why.code, GBILL_PEER);
    cr_expect_not_null(strstr(why.text, "silent"), "%s", why.text);
    cr_expect_not_null(strstr(why.text, "25 events"), "%s", why.text);
    cr_expect_eq(client_check().events_acked, 0u);

    fake->mode = FAKE_ACK;
    fake->drop = true;
    client_flush();
    fake_stop(fake);
    client_expect_in_order(25);
}

Test(client, a_full_queue_refuses_at_once_and_counts)
{
    struct gbill_check check;
    unsigned count = 0;
    client_start(FAKE_DEAF, (struct gbill_options){.queue_bytes = GBILL_QUEUE_BYTES_MIN});
    while (client_track(count) == GBILL_OK)
        count++;
    cr_expect_eq(why.code, GBILL_FULL, "%s", why.text);
    cr_expect_not_null(strstr(why.text, "full"), "%s", why.text);
    cr_expect_gt(count, 1000u);
    cr_expect_eq(gbill_check(client, &check), GBILL_FULL);
    cr_expect_eq(check.events_taken, count);
    cr_expect_eq(check.events_refused, 1u);
    cr_expect_leq(check.queue_bytes, (uint64_t)GBILL_QUEUE_BYTES_MIN);
    cr_expect_eq(gbill_wait(client, 50, &why), GBILL_FULL);

    fake->mode = FAKE_ACK;
    cr_assert_eq(gbill_wait(client, 20000, &why), GBILL_OK, "%s", why.text);
    cr_assert_eq(client_track(count), GBILL_OK, "%s", why.text);
    client_flush();
    cr_expect_eq(gbill_check(client, &check), GBILL_OK);
    fake_stop(fake);
    client_expect_in_order(count + 1);
}

Test(client, more_than_the_socket_holds_goes_through_in_pieces)
{
    static uint8_t record[30000] = {0x82, 0xa2, 'i', 'd', 0xa3, 'x', '-', '0', 0xa1, 'p', 0xc5};
    size_t payload = sizeof record - 13;
    record[11] = (uint8_t)(payload >> 8);
    record[12] = (uint8_t)payload;
    client_start(FAKE_ACK_LATE, (struct gbill_options){.queue_bytes = 16 * 1024 * 1024});
    for (int i = 0; i < 200; i++)
        cr_assert_eq(gbill_track_record(client, "usage", 1000, record, sizeof record, &why),
                     GBILL_OK, "%s", why.text);
    client_flush();
    fake_stop(fake);
    cr_expect_eq(fake->event_count, 200u);
    cr_expect_gt(fake->chunk_count, 10u, "a chunk is bounded in bytes too");
}

struct liar {
    enum fake_mode mode;
    const char *says;
};

Test(client, what_is_no_ack_is_never_taken_for_one)
{
    static const struct liar liars[] = {{FAKE_RUBBISH, "no gbill-agent"},
                                        {FAKE_FOREIGN_ACK, "no gbill-agent"},
                                        {FAKE_HUGE_HEAD, "no gbill-agent"},
                                        {FAKE_CLOSE_AT_ONCE, "closed"}};
    for (size_t i = 0; i < sizeof liars / sizeof liars[0]; i++) {
        client_start(liars[i].mode, (struct gbill_options){.chunk_events = 10});
        client_track_many(0, 5);
        cr_expect_eq(gbill_flush(client, 150, &why), GBILL_PEER);
        cr_expect_not_null(strstr(why.text, fake->path), "%s", why.text);
        cr_expect_eq(client_check().events_acked, 0u);
        /* Within 150 ms: pauses of 10, 20, 40 and 80 ms. */
        cr_expect_leq(client_check().connects, 7u);
        client_close();
        fake_stop(fake);
    }
}

Test(client, after_rubbish_the_events_still_arrive)
{
    client_start(FAKE_RUBBISH, (struct gbill_options){.chunk_events = 10});
    client_track_many(0, 5);
    cr_expect_eq(gbill_flush(client, 100, &why), GBILL_PEER);
    fake->mode = FAKE_ACK;
    client_flush();
    fake_stop(fake);
    client_expect_in_order(5);
}

Test(client, an_absent_agent_is_told_by_check_and_waited_for)
{
    struct gbill_check check;
    client_open((struct gbill_options){0});
    cr_expect_eq(gbill_check(client, &check), GBILL_PEER);
    cr_expect_not(check.connected);
    cr_expect_not_null(strstr(check.trouble, fake->path), "%s", check.trouble);
    cr_expect_not_null(strstr(check.trouble, "start gbill-agent"), "%s", check.trouble);
    client_track_many(0, 10);
    cr_expect_eq(gbill_flush(client, 50, &why), GBILL_PEER);
    cr_expect_not_null(strstr(why.text, "start gbill-agent"), "%s", why.text);
    fake_start(fake, FAKE_ACK);
    client_flush();
    cr_expect_eq(gbill_check(client, &check), GBILL_OK);
    cr_expect(check.connected);
    cr_expect_str_eq(check.trouble, "");
    fake_stop(fake);
    client_expect_in_order(10);
}

Test(client, check_tells_that_an_idle_agent_went_away)
{
    struct gbill_check check;
    client_start(FAKE_ACK, (struct gbill_options){0});
    client_track_many(0, 1);
    client_flush();
    fake_stop(fake);
    for (int i = 0; i < 2000 && gbill_check(client, &check) == GBILL_OK; i++)
        poll(NULL, 0, 5);
    cr_expect_eq(gbill_check(client, &check), GBILL_PEER);
}

Test(client, wrong_options_are_refused)
{
    char long_path[700];
    memset(long_path, 'a', sizeof long_path);
    long_path[sizeof long_path - 1] = '\0';
    const struct {
        struct gbill_options options;
        enum gbill_code code;
        const char *says;
    } cases[] = {
        {{0}, GBILL_USAGE, "socket_path"},
        {{.socket_path = "x", .queue_bytes = 1000}, GBILL_USAGE, "queue_bytes"},
        {{.socket_path = "x", .queue_bytes = UINT64_MAX}, GBILL_USAGE, "queue_bytes"},
        {{.socket_path = "x", .spill_bytes = 1}, GBILL_USAGE, "spill_bytes"},
        {{.socket_path = "x", .chunk_events = 10001}, GBILL_USAGE, "chunk_events"},
        {{.socket_path = long_path}, GBILL_LIMIT, "107"},
        {{.socket_path = "x", .spill_path = long_path}, GBILL_LIMIT, "500"},
        {{.socket_path = "x", .spill_path = "/nowhere/at/all"}, GBILL_NOT_FOUND, "/nowhere"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cr_expect_eq(gbill_open(&client, &cases[i].options, &why), cases[i].code, "case %zu", i);
        cr_expect_eq(why.code, cases[i].code, "case %zu", i);
        cr_expect_not_null(strstr(why.text, cases[i].says), "%s", why.text);
        cr_expect_null(client);
        cr_expect_eq(gbill_open(&client, &cases[i].options, NULL), cases[i].code);
    }
}

enum { THREADS = 8, EVENTS_A_THREAD = 1500 };

/* Returns what failed, or NULL. */
static const char *
track_all(unsigned number)
{
    for (unsigned i = 0; i < EVENTS_A_THREAD; i++) {
        char id[32];
        struct gbill_usage u = call;
        struct gbill_err own;
        struct gbill_check check;
        snprintf(id, sizeof id, "e-%u", number * EVENTS_A_THREAD + i);
        u.id = id;
        if (gbill_track(client, &u, &own) != GBILL_OK)
            return "not taken";
        if (i % 300 == 0 && gbill_flush(client, 20000, &own) != GBILL_OK)
            return "not flushed";
        (void)!gbill_check(client, &check);
    }
    return NULL;
}

struct tracker {
    unsigned number;
    const char *failed;
};

static void *
track_from_thread(void *context)
{
    struct tracker *t = context;
    t->failed = track_all(t->number);
    return NULL;
}

Test(client, eight_threads_share_a_client_and_each_keeps_its_order)
{
    pthread_t threads[THREADS];
    struct tracker trackers[THREADS];
    int at[THREADS];
    client_start(FAKE_ACK, (struct gbill_options){.chunk_events = 100});
    for (unsigned i = 0; i < THREADS; i++) {
        trackers[i] = (struct tracker){.number = i};
        at[i] = -1;
        cr_assert_eq(pthread_create(&threads[i], NULL, track_from_thread, &trackers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        cr_assert_null(trackers[i].failed, "thread %u: %s", i, trackers[i].failed);
    }
    client_flush();
    fake_stop(fake);
    client_expect((size_t)THREADS * EVENTS_A_THREAD);
    for (size_t i = 0; i < fake->event_count; i++) {
        int n = (int)strtol(fake->ids[i] + 2, NULL, 10);
        cr_assert_gt(n, at[n / EVENTS_A_THREAD], "%s is out of order", fake->ids[i]);
        at[n / EVENTS_A_THREAD] = n;
    }
}

static uint64_t
blocked_signals_of_the_client(void)
{
    char line[256];
    uint64_t blocked = 0;
    FILE *f = popen("grep -l '^gbill$' /proc/$PPID/task/*/comm | sed 's/comm$/status/' | "
                    "xargs grep -h SigBlk",
                    "r");
    cr_assert_not_null(f);
    cr_assert_not_null(fgets(line, sizeof line, f), "there is no thread called gbill");
    cr_assert_eq(sscanf(line, "SigBlk: %" SCNx64, &blocked), 1);
    cr_assert_null(fgets(line, sizeof line, f), "a client has one thread");
    pclose(f);
    return blocked;
}

Test(client, its_thread_takes_no_signals_and_its_descriptors_are_not_inherited)
{
    static const int signals[] = {SIGHUP,  SIGINT,  SIGTERM, SIGQUIT, SIGCHLD, SIGALRM,
                                  SIGUSR1, SIGUSR2, SIGPIPE, SIGXFSZ, SIGIO,   SIGWINCH};
    char path[256], spill[128];
    bool was_open[64];
    for (int fd = 0; fd < 64; fd++)
        was_open[fd] = fcntl(fd, F_GETFD) >= 0;
    fake_start(fake, FAKE_CLOSE_AT_ONCE); /* SIGPIPE would end this process */
    fake_stop(fake);
    snprintf(spill, sizeof spill, "%s/spill", fake->folder);
    client_open((struct gbill_options){.spill_path = spill});
    client_track_many(0, 3);
    uint64_t blocked = blocked_signals_of_the_client();
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
        cr_expect((blocked >> (signals[i] - 1) & 1) == 1, "signal %d is not blocked", signals[i]);
    int count = 0;
    for (int fd = 0; fd < 64; fd++) {
        if (was_open[fd] || fcntl(fd, F_GETFD) < 0)
            continue;
        count++;
        snprintf(path, sizeof path, "descriptor %d is inherited by programs", fd);
        cr_expect((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0, "%s", path);
    }
    cr_expect_geq(count, 2);
    client_close();
    for (int fd = 0; fd < 64; fd++)
        cr_expect_eq(fcntl(fd, F_GETFD) >= 0, was_open[fd], "descriptor %d", fd);
    unlink(spill);
}

Test(client, an_event_without_an_id_gets_one_of_its_own)
{
    client_start(FAKE_ACK, (struct gbill_options){0});
    for (int i = 0; i < 2; i++)
        cr_assert_eq(gbill_track(client, &call, &why), GBILL_OK, "%s", why.text);
    client_flush();
    fake_stop(fake);
    cr_assert_eq(fake->event_count, 2u);
    cr_expect_str_neq(fake->ids[0], fake->ids[1]);
    /* UUID, version 7: the first 12 digits are the time. */
    cr_assert_eq(strlen(fake->ids[0]), 36u);
    cr_expect_eq(strspn(fake->ids[0], "0123456789abcdef-"), 36u);
    cr_expect(fake->ids[0][8] == '-' && fake->ids[0][13] == '-' && fake->ids[0][18] == '-' &&
              fake->ids[0][23] == '-' && fake->ids[0][14] == '7');
    cr_expect_not_null(strchr("89ab", fake->ids[0][19]));
    char digits[13];
    snprintf(digits, sizeof digits, "%.8s%.4s", fake->ids[0], fake->ids[0] + 9);
    int64_t off_ms = strtoll(digits, NULL, 16) - fake->times[0];
    cr_expect(off_ms >= -10000 && off_ms <= 10000, "the id's time is off by %" PRId64 " ms",
              off_ms);
}

Test(client, the_time_that_was_given_travels_to_the_millisecond)
{
    client_start(FAKE_ACK, (struct gbill_options){0});
    struct gbill_usage u = call;
    u.created_at_utc_ms = 1793000000123;
    cr_assert_eq(gbill_track(client, &u, &why), GBILL_OK, "%s", why.text);
    client_flush();
    fake_stop(fake);
    cr_expect_eq(fake->times[0], 1793000000123);
}

Test(client, a_call_that_nobody_counted_tells_bytes_instead)
{
    struct gbill_usage u = call;
    struct buf record;
    u.input_tokens = u.output_tokens = 0;
    u.uncounted = true;
    u.input_bytes = 300;
    buf_init(&record, 4096);
    cr_assert(usage_pack(&u, "x", &record));
    cr_expect_not_null(memmem(record.data, record.size_bytes, "inputBytes\xcd\x01\x2c", 13));
    cr_expect_not_null(memmem(record.data, record.size_bytes, "outputBytes\0", 12));
    cr_expect_null(memmem(record.data, record.size_bytes, "Tokens", 6));
    buf_clear(&record);
    u = call;
    u.estimated = true;
    cr_assert(usage_pack(&u, "x", &record));
    cr_expect_not_null(memmem(record.data, record.size_bytes, "estimated\xc3", 10));
    buf_clear(&record);

    client_start(FAKE_ACK, (struct gbill_options){0});
    cr_expect_eq(gbill_track(client, &u, &why), GBILL_OK, "%s", why.text);
    u.uncounted = true;
    u.input_tokens = u.output_tokens = 0;
    cr_expect_eq(gbill_track(client, &u, &why), GBILL_OK, "%s", why.text);
    u.cached_input_tokens = 1;
    cr_expect_eq(gbill_track(client, &u, &why), GBILL_INPUT);
    fake_stop(fake);
}

Test(client, what_breaks_the_contract_is_refused_where_it_is_made)
{
    client_start(FAKE_ACK, (struct gbill_options){0});
    struct gbill_usage no_user = call, contradiction = call, both = call, cut = call;
    no_user.user_id = NULL;
    contradiction.cached_input_tokens = 151;
    static const uint8_t usage[] = "\x81\xadprompt_tokens\x05";
    both.provider_usage = usage;
    both.provider_usage_bytes = sizeof usage - 1;
    both.cached_input_tokens = 1;
    cut.metadata = "\x82\xa1x\x01"; /* says two pairs, has one */
    cut.metadata_bytes = 4;
    cr_expect_eq(gbill_track(client, &no_user, &why), GBILL_INPUT);
    cr_expect_not_null(strstr(why.text, "userId"), "%s", why.text);
    cr_expect_eq(gbill_track(client, &contradiction, &why), GBILL_INPUT);
    cr_expect_not_null(strstr(why.text, "inputTokens"), "%s", why.text);
    cr_expect_eq(gbill_track(client, &both, &why), GBILL_INPUT);
    cr_expect_eq(gbill_track(client, &cut, &why), GBILL_INPUT);
    cr_expect_not_null(strstr(why.text, "metadata"), "%s", why.text);
    cr_expect_eq(client_check().events_taken, 0u);

    both.cached_input_tokens = 0;
    both.input_tokens = both.output_tokens = 0;
    cr_expect_eq(gbill_track(client, &both, &why), GBILL_OK, "%s", why.text);
    fake_stop(fake);
}

Test(client, every_field_of_the_struct_reaches_the_record)
{
    client_start(FAKE_ACK, (struct gbill_options){0});
    struct gbill_usage u = call;
    u.id = "full";
    u.provider = "anthropic";
    u.project_id = "p-1";
    u.service_tier = "batch";
    u.status = "error";
    u.cached_input_tokens = 7;
    u.cache_write_tokens = 8;
    u.cache_write_1h_tokens = 9;
    u.reasoning_tokens = 10;
    u.latency_ms = 812;
    u.metadata = "\x81\xa1x\x01";
    u.metadata_bytes = 4;
    cr_assert_eq(gbill_track(client, &u, &why), GBILL_OK, "%s", why.text);
    client_flush();
    fake_stop(fake);
    struct event e;
    struct event_defect defect;
    struct bytes record = {fake->record, fake->record_bytes};
    cr_assert(event_parse(EVENT_USAGE, record, fake->times[0], &e, &defect), "%s", defect.text);
    cr_expect(str_is(e.id, "full") && str_is(e.organization, "acme"));
    cr_expect(str_is(e.usage.user, "u-1") && str_is(e.usage.project, "p-1"));
    cr_expect(str_is(e.usage.type, "chat") && str_is(e.usage.provider, "anthropic"));
    cr_expect(str_is(e.usage.model, "gpt-4o-mini") && str_is(e.usage.tier, "batch"));
    cr_expect_eq(e.usage.tokens[EVENT_INPUT], 150u);
    cr_expect_eq(e.usage.tokens[EVENT_CACHE_READ], 7u);
    cr_expect_eq(e.usage.tokens[EVENT_CACHE_WRITE], 8u);
    cr_expect_eq(e.usage.tokens[EVENT_CACHE_WRITE_1H], 9u);
    cr_expect_eq(e.usage.tokens[EVENT_OUTPUT], 300u);
    cr_expect_eq(e.usage.reasoning_tokens, 10u);
    cr_expect_eq(e.usage.latency_us, 812000u);
    cr_expect(e.usage.failed);
    cr_expect_eq(e.undeclared, 0u);
}

Test(client, a_record_must_be_one_map_of_a_known_kind)
{
    static uint8_t big[EVENT_RECORD_BYTES_MAX + 1];
    client_start(FAKE_ACK, (struct gbill_options){0});
    const struct {
        const char *kind, *bytes;
        size_t size_bytes;
        int64_t at;
    } cases[] = {{"usages", "\x80", 1, 0},
                 {"usage", "", 0, 0},
                 {"usage", "\x90", 1, 0},
                 {"usage", "\x81\xa1x", 3, 0},
                 {"usage", "\x80\x80", 2, 0},
                 {"usage", "\x80", 1, -1},
                 {"usage", (const char *)big, sizeof big, 0},
                 {"usage", "\x80", 1, INT64_MAX}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        cr_expect_eq(gbill_track_record(client, cases[i].kind, cases[i].at, cases[i].bytes,
                                        cases[i].size_bytes, &why),
                     GBILL_INPUT, "case %zu", i);
    cr_expect_eq(client_check().events_taken, 0u);
    fake_stop(fake);
}

Test(client, kinds_keep_their_order_and_have_chunks_of_their_own)
{
    /* Before there is an agent, so that chunks are as full as they can be. */
    client_open((struct gbill_options){0});
    static const char *const kinds[] = {"subscription", "usage", "usage", "void"};
    static const uint8_t record[] = "\x81\xa2id\xa1x";
    for (size_t i = 0; i < 4; i++)
        cr_assert_eq(gbill_track_record(client, kinds[i], 1000, record, sizeof record - 1, &why),
                     GBILL_OK, "%s", why.text);
    fake_start(fake, FAKE_ACK);
    client_flush();
    fake_stop(fake);
    cr_assert_eq(fake->chunk_count, 3u);
    cr_expect_str_eq(fake->chunks[0].tag, "gbill.subscription");
    cr_expect_str_eq(fake->chunks[1].tag, "gbill.usage");
    cr_expect_eq(fake->chunks[1].event_count, 2u);
    cr_expect_str_eq(fake->chunks[2].tag, "gbill.void");
}

Test(client, changing_kinds_do_not_use_up_the_queue)
{
    static const uint8_t record[] = "\x81\xa2id\xa1x";
    client_open((struct gbill_options){0});
    for (int i = 0; i < 1000; i++)
        cr_assert_eq(gbill_track_record(client, i % 2 == 0 ? "resource" : "usage", 1000, record,
                                        sizeof record - 1, &why),
                     GBILL_OK, "event %d: %s", i, why.text);
}
