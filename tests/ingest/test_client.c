#include <criterion/criterion.h>
#include <inttypes.h>
#include <poll.h>
#include <unistd.h>

#include "fake_agent.h"
#include "ingest/client/gbill.h"
#include "store/base/clock.h"
#include "store/event/event.h"

static struct fake *fake;
static struct gbill *client;
static struct err err;

static void
setup(void)
{
    fake = fake_new();
}

static void
teardown(void)
{
    gbill_close(client);
    fake_free(fake);
}

TestSuite(client, .init = setup, .fini = teardown);

static const struct gbill_usage call = {.organization_id = "acme",
                                        .user_id = "u-1",
                                        .type = "chat",
                                        .provider = "openai",
                                        .model = "gpt-4o-mini",
                                        .input_tokens = 150,
                                        .output_tokens = 300};

static void
start(enum fake_mode mode, struct gbill_options options)
{
    fake_start(fake, mode);
    options.socket_path = fake->path;
    cr_assert_eq(gbill_open(&client, &options, &err), ERR_OK, "%s", err.text);
}

static enum err_code
track(unsigned n)
{
    char id[32];
    struct gbill_usage u = call;
    snprintf(id, sizeof id, "e-%u", n);
    u.id = id;
    return gbill_track_usage(client, &u, &err);
}

static void
track_many(unsigned first, unsigned count)
{
    for (unsigned i = first; i < first + count; i++)
        cr_assert_eq(track(i), ERR_OK, "event %u: %s", i, err.text);
}

static void
flush(void)
{
    cr_assert_eq(gbill_flush(client, 20000, &err), ERR_OK, "%s", err.text);
}

/* e-0 to e-<count - 1>, each once, in this order. */
static void
expect_events_in_order(size_t count)
{
    cr_assert_eq(fake->event_count, count, "%zu events", fake->event_count);
    for (size_t i = 0; i < count; i++) {
        char id[32];
        snprintf(id, sizeof id, "e-%zu", i);
        cr_assert_str_eq(fake->ids[i], id);
    }
}

/* The same events in whatever order. */
static void
expect_events(size_t count)
{
    static bool seen[FAKE_EVENTS_MAX];
    memset(seen, 0, sizeof seen);
    cr_assert_eq(fake->event_count, count, "%zu events", fake->event_count);
    for (size_t i = 0; i < count; i++) {
        size_t n = strtoul(fake->ids[i] + 2, NULL, 10);
        cr_assert(n < count && !seen[n], "%s is twice or foreign", fake->ids[i]);
        seen[n] = true;
    }
}

Test(client, every_event_arrives_once_and_in_order)
{
    start(FAKE_ACK, (struct gbill_options){.chunk_events = 100, .fill_chunks = true});
    track_many(0, 2345);
    flush();
    struct gbill_stats stats = gbill_stats(client);
    cr_expect_eq(stats.events_tracked, 2345u);
    cr_expect_eq(stats.events_acked, 2345u);
    cr_expect_eq(stats.chunks_acked, 24u);
    cr_expect_eq(stats.chunks_resent, 0u);
    fake_stop(fake);
    expect_events_in_order(2345);
    cr_expect_str_eq(fake->chunks[0].tag, "gbill.usage");
}

Test(client, a_single_event_is_sent_without_a_flush)
{
    start(FAKE_ACK, (struct gbill_options){0});
    cr_assert_eq(track(0), ERR_OK);
    for (int i = 0; i < 1000 && fake->chunk_count == 0; i++)
        poll(NULL, 0, 5);
    cr_expect_eq(fake->chunk_count, 1u);
    fake_stop(fake);
}

Test(client, events_that_come_while_one_is_under_way_travel_together)
{
    start(FAKE_ACK_LATE, (struct gbill_options){0});
    track_many(0, 50);
    flush();
    cr_expect_lt(gbill_stats(client).chunks_acked, 10u);
    fake_stop(fake);
    expect_events_in_order(50);
}

Test(client, work_sends_what_waits_for_an_idle_wire)
{
    start(FAKE_ACK_LATE, (struct gbill_options){0});
    track_many(0, 2);
    for (int i = 0; i < 100 && gbill_stats(client).events_acked < 2; i++)
        gbill_work(client, 50);
    cr_expect_eq(gbill_stats(client).events_acked, 2u);
    fake_stop(fake);
}

Test(client, acks_may_come_in_any_order_and_in_any_pieces)
{
    start(FAKE_ACK_BACKWARDS, (struct gbill_options){.chunk_events = 10, .fill_chunks = true});
    track_many(0, 80);
    flush();
    fake->mode = FAKE_ACK_BYTEWISE;
    track_many(80, 80);
    flush();
    cr_expect_eq(gbill_stats(client).events_acked, 160u);
    cr_expect_eq(gbill_stats(client).connects, 1u);
    fake_stop(fake);
    expect_events_in_order(160);
}

Test(client, a_chunk_cut_off_midway_is_sent_again)
{
    start(FAKE_CLOSE_FIRST_MIDWAY, (struct gbill_options){.chunk_events = 100});
    track_many(0, 500);
    flush();
    cr_expect_geq(gbill_stats(client).chunks_resent, 1u);
    cr_expect_eq(gbill_stats(client).connects, 2u);
    fake_stop(fake);
    expect_events_in_order(500);
}

Test(client, what_was_not_acked_is_sent_again_as_the_same_bytes_under_the_same_chunk_id)
{
    start(FAKE_CLOSE_FIRST_UNACKED, (struct gbill_options){.chunk_events = 20});
    cr_assert_eq(gbill_track_usage(client, &call, &err), ERR_OK); /* its id is the client's */
    flush();
    fake_stop(fake);
    cr_assert_eq(fake->chunk_count, 2u);
    cr_expect_eq(fake->chunks[0].connection, 1);
    cr_expect_eq(fake->chunks[1].connection, 2);
    cr_expect_str_eq(fake->chunks[0].id, fake->chunks[1].id);
    cr_expect_eq(fake->chunks[0].bytes_hash, fake->chunks[1].bytes_hash);
    cr_expect_eq(gbill_stats(client).chunks_resent, 1u);
}

Test(client, an_agent_that_restarts_gets_the_rest)
{
    /* A window for all of it: nobody is there to make room while the agent is away. */
    start(FAKE_ACK, (struct gbill_options){.chunk_events = 50, .window_chunks = 32});
    track_many(0, 300);
    fake_stop(fake); /* whatever it had not acknowledged is lost with it */
    track_many(300, 300);
    fake_start(fake, FAKE_ACK);
    flush();
    cr_expect_eq(gbill_stats(client).events_acked, 600u);
    cr_expect_eq(gbill_stats(client).connects, 2u);
    fake_stop(fake);
    expect_events(600);
}

Test(client, an_agent_that_dies_again_and_again_gets_each_event_once)
{
    start(FAKE_ACK_LATE, (struct gbill_options){.chunk_events = 10, .window_chunks = 4});
    for (unsigned i = 0; i < 20; i++) {
        track_many(i * 30, 30);
        fake->drop = true;
    }
    flush();
    cr_expect_gt(gbill_stats(client).connects, 3u);
    fake_stop(fake);
    expect_events(600);
}

Test(client, a_silent_agent_ends_the_flush_at_its_deadline_and_nothing_is_forgotten)
{
    start(FAKE_SILENT, (struct gbill_options){.chunk_events = 10});
    track_many(0, 25);
    int64_t before_ns = clock_monotonic_ns();
    cr_expect_eq(gbill_flush(client, 300, &err), ERR_PEER);
    int64_t took_ms = (clock_monotonic_ns() - before_ns) / 1000000;
    cr_expect(took_ms >= 300 && took_ms < 3000, "took %" PRId64 " ms", took_ms);
    cr_expect_not_null(strstr(err.text, fake->path), "%s", err.text);
    cr_expect_not_null(strstr(err.text, "25 events"), "%s", err.text);
    cr_expect_eq(gbill_stats(client).events_acked, 0u);

    fake->mode = FAKE_ACK;
    fake->drop = true;
    flush();
    fake_stop(fake);
    expect_events_in_order(25);
}

Test(client, memory_is_bounded_by_the_window)
{
    start(FAKE_DEAF,
          (struct gbill_options){
              .chunk_events = 10, .window_chunks = 2, .timeout_ms = 200, .fill_chunks = true});
    track_many(0, 30); /* two chunks under way, one open */
    cr_expect_eq(track(30), ERR_PEER);
    cr_expect_eq(gbill_stats(client).events_tracked, 30u, "the refused event must not be taken");
    fake->mode = FAKE_ACK;
    cr_assert_eq(track(30), ERR_OK, "%s", err.text);
    flush();
    fake_stop(fake);
    expect_events_in_order(31);
}

Test(client, more_than_the_socket_holds_goes_through_in_pieces)
{
    static uint8_t record[30000] = {0x82, 0xa2, 'i', 'd', 0xa3, 'x', '-', '0', 0xa1, 'p', 0xc5};
    size_t payload = sizeof record - 13;
    record[11] = (uint8_t)(payload >> 8);
    record[12] = (uint8_t)payload;
    start(FAKE_ACK_LATE, (struct gbill_options){.fill_chunks = true});
    for (int i = 0; i < 200; i++)
        cr_assert_eq(gbill_track_record(client, "usage", 1000, record, sizeof record, &err), ERR_OK,
                     "%s", err.text);
    flush();
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
        start(liars[i].mode, (struct gbill_options){.chunk_events = 10});
        track_many(0, 5);
        cr_expect_eq(gbill_flush(client, 150, &err), ERR_PEER);
        cr_expect_eq(gbill_stats(client).events_acked, 0u);
        /* Within 150 ms: pauses of 10, 20, 40 and 80 ms. */
        cr_expect_leq(gbill_stats(client).connects, 6u);
        gbill_close(client);
        client = NULL;
        fake_stop(fake);
    }
}

Test(client, after_rubbish_the_events_still_arrive)
{
    start(FAKE_RUBBISH, (struct gbill_options){.chunk_events = 10});
    track_many(0, 5);
    cr_expect_eq(gbill_flush(client, 100, &err), ERR_PEER);
    fake->mode = FAKE_ACK;
    flush();
    fake_stop(fake);
    expect_events_in_order(5);
}

Test(client, an_absent_agent_is_named_with_the_remedy_at_once)
{
    const struct gbill_options options = {.socket_path = fake->path};
    int64_t before_ns = clock_monotonic_ns();
    cr_expect_eq(gbill_open(&client, &options, &err), ERR_PEER);
    cr_expect_lt((clock_monotonic_ns() - before_ns) / 1000000, 1000);
    cr_expect_null(client);
    cr_expect_not_null(strstr(err.text, fake->path), "%s", err.text);
    cr_expect_not_null(strstr(err.text, "start gbill-agent"), "%s", err.text);
}

static void *
start_late(void *context)
{
    poll(NULL, 0, 200);
    fake_start(context, FAKE_ACK);
    return NULL;
}

Test(client, an_absent_agent_is_waited_for_when_asked)
{
    pthread_t thread;
    const struct gbill_options options = {.socket_path = fake->path, .wait_for_agent = true};
    cr_assert_eq(pthread_create(&thread, NULL, start_late, fake), 0);
    cr_assert_eq(gbill_open(&client, &options, &err), ERR_OK, "%s", err.text);
    pthread_join(thread, NULL);
    track_many(0, 1);
    flush();
    fake_stop(fake);
}

Test(client, waiting_for_an_absent_agent_ends)
{
    const struct gbill_options options = {
        .socket_path = fake->path, .wait_for_agent = true, .timeout_ms = 100};
    cr_expect_eq(gbill_open(&client, &options, &err), ERR_PEER);
    cr_expect_not_null(strstr(err.text, "start gbill-agent"), "%s", err.text);
}

Test(client, wrong_options_are_refused)
{
    char long_path[200];
    memset(long_path, 'a', sizeof long_path);
    long_path[sizeof long_path - 1] = '\0';
    const struct gbill_options no_path = {0}, deep = {.socket_path = "x", .window_chunks = 65},
                               wide = {.socket_path = "x", .chunk_events = 10001},
                               too_long = {.socket_path = long_path};
    cr_expect_eq(gbill_open(&client, &no_path, &err), ERR_USAGE);
    cr_expect_eq(gbill_open(&client, &deep, &err), ERR_USAGE);
    cr_expect_eq(gbill_open(&client, &wide, &err), ERR_USAGE);
    cr_expect_eq(gbill_open(&client, &too_long, &err), ERR_LIMIT);
    cr_expect_not_null(strstr(err.text, "107"), "%s", err.text);
}

Test(client, an_event_without_an_id_gets_one_of_its_own)
{
    start(FAKE_ACK, (struct gbill_options){0});
    for (int i = 0; i < 2; i++)
        cr_assert_eq(gbill_track_usage(client, &call, &err), ERR_OK, "%s", err.text);
    flush();
    fake_stop(fake);
    cr_assert_eq(fake->event_count, 2u);
    cr_expect_eq(strlen(fake->ids[0]), 32u);
    cr_expect_str_neq(fake->ids[0], fake->ids[1]);
}

Test(client, the_time_that_was_given_travels_to_the_millisecond)
{
    start(FAKE_ACK, (struct gbill_options){0});
    struct gbill_usage u = call;
    u.created_at_utc_ms = 1793000000123;
    cr_assert_eq(gbill_track_usage(client, &u, &err), ERR_OK, "%s", err.text);
    flush();
    fake_stop(fake);
    cr_expect_eq(fake->times[0], 1793000000123);
}

Test(client, what_breaks_the_contract_is_refused_where_it_is_made)
{
    start(FAKE_ACK, (struct gbill_options){0});
    struct gbill_usage no_user = call, contradiction = call, both = call, cut = call;
    no_user.user_id = NULL;
    contradiction.cached_input_tokens = 151;
    static const uint8_t usage[] = "\x81\xadprompt_tokens\x05";
    both.provider_usage = usage;
    both.provider_usage_bytes = sizeof usage - 1;
    both.cached_input_tokens = 1;
    cut.metadata = "\x82\xa1x\x01"; /* says two pairs, has one */
    cut.metadata_bytes = 4;
    cr_expect_eq(gbill_track_usage(client, &no_user, &err), ERR_INPUT);
    cr_expect_not_null(strstr(err.text, "userId"), "%s", err.text);
    cr_expect_eq(gbill_track_usage(client, &contradiction, &err), ERR_INPUT);
    cr_expect_not_null(strstr(err.text, "inputTokens"), "%s", err.text);
    cr_expect_eq(gbill_track_usage(client, &both, &err), ERR_INPUT);
    cr_expect_eq(gbill_track_usage(client, &cut, &err), ERR_INPUT);
    cr_expect_not_null(strstr(err.text, "metadata"), "%s", err.text);
    cr_expect_eq(gbill_stats(client).events_tracked, 0u);

    both.cached_input_tokens = 0;
    both.input_tokens = both.output_tokens = 0;
    cr_expect_eq(gbill_track_usage(client, &both, &err), ERR_OK, "%s", err.text);
    fake_stop(fake);
}

Test(client, every_field_of_the_struct_reaches_the_record)
{
    start(FAKE_ACK, (struct gbill_options){0});
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
    cr_assert_eq(gbill_track_usage(client, &u, &err), ERR_OK, "%s", err.text);
    flush();
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
    start(FAKE_ACK, (struct gbill_options){0});
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
                                        cases[i].size_bytes, &err),
                     ERR_INPUT, "case %zu", i);
    cr_expect_eq(gbill_stats(client).events_tracked, 0u);
    fake_stop(fake);
}

Test(client, kinds_keep_their_order_and_have_chunks_of_their_own)
{
    start(FAKE_ACK, (struct gbill_options){.fill_chunks = true});
    static const char *const kinds[] = {"subscription", "usage", "usage", "void"};
    static const uint8_t record[] = "\x81\xa2id\xa1x";
    for (size_t i = 0; i < 4; i++)
        cr_assert_eq(gbill_track_record(client, kinds[i], 1000, record, sizeof record - 1, &err),
                     ERR_OK, "%s", err.text);
    flush();
    fake_stop(fake);
    cr_assert_eq(fake->chunk_count, 3u);
    cr_expect_str_eq(fake->chunks[0].tag, "gbill.subscription");
    cr_expect_str_eq(fake->chunks[1].tag, "gbill.usage");
    cr_expect_eq(fake->chunks[1].event_count, 2u);
    cr_expect_str_eq(fake->chunks[2].tag, "gbill.void");
}
