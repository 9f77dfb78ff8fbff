#include "client_fixture.h"

#include <criterion/criterion.h>
#include <poll.h>

struct fake *fake;
struct gbill *client;
struct gbill_err why;

const struct gbill_usage call = {.organization_id = "acme",
                                 .user_id = "u-1",
                                 .type = "chat",
                                 .provider = "openai",
                                 .model = "gpt-4o-mini",
                                 .input_tokens = 150,
                                 .output_tokens = 300};

void
client_setup(void)
{
    fake = fake_new();
}

void
client_teardown(void)
{
    client_close();
    fake_free(fake);
}

void
client_open(struct gbill_options options)
{
    options.socket_path = fake->path;
    cr_assert_eq(gbill_open(&client, &options, &why), GBILL_OK, "%s", why.text);
}

void
client_close(void)
{
    gbill_close(client);
    client = NULL;
}

void
client_start(enum fake_mode mode, struct gbill_options options)
{
    fake_start(fake, mode);
    client_open(options);
}

enum gbill_code
client_track(unsigned n)
{
    char id[32];
    struct gbill_usage u = call;
    snprintf(id, sizeof id, "e-%u", n);
    u.id = id;
    return gbill_track(client, &u, &why);
}

void
client_track_many(unsigned first, unsigned count)
{
    for (unsigned i = first; i < first + count; i++)
        cr_assert_eq(client_track(i), GBILL_OK, "event %u: %s", i, why.text);
}

void
client_flush(void)
{
    cr_assert_eq(gbill_flush(client, 20000, &why), GBILL_OK, "%s", why.text);
}

struct gbill_check
client_check(void)
{
    struct gbill_check check;
    cr_assert_neq(gbill_check(client, &check), GBILL_USAGE);
    return check;
}

void
client_await_acked(uint64_t count)
{
    for (int i = 0; i < 2000 && client_check().events_acked < count; i++)
        poll(NULL, 0, 5);
    cr_assert_eq(client_check().events_acked, count);
}

void
client_await_spilled(uint64_t count)
{
    for (int i = 0; i < 2000 && client_check().events_spilled < count; i++)
        poll(NULL, 0, 5);
    cr_assert_eq(client_check().events_spilled, count);
}

/* Again over another connection is right; over the same one it is waste. */
static void
expect_no_chunk_twice_on_a_connection(void)
{
    for (size_t i = 0; i < fake->chunk_count; i++) {
        for (size_t k = 0; k < i; k++)
            cr_assert(fake->chunks[i].bytes_hash != fake->chunks[k].bytes_hash ||
                          fake->chunks[i].connection != fake->chunks[k].connection,
                      "chunk %s came twice", fake->chunks[i].id);
    }
}

void
client_expect_in_order(size_t count)
{
    expect_no_chunk_twice_on_a_connection();
    cr_assert_eq(fake->event_count, count, "%zu events", fake->event_count);
    for (size_t i = 0; i < count; i++) {
        char id[32];
        snprintf(id, sizeof id, "e-%zu", i);
        cr_assert_str_eq(fake->ids[i], id);
    }
}

void
client_expect(size_t count)
{
    static bool seen[FAKE_EVENTS_MAX];
    memset(seen, 0, sizeof seen);
    expect_no_chunk_twice_on_a_connection();
    cr_assert_eq(fake->event_count, count, "%zu events", fake->event_count);
    for (size_t i = 0; i < count; i++) {
        size_t n = strtoul(fake->ids[i] + 2, NULL, 10);
        cr_assert(n < count && !seen[n], "%s is twice or foreign", fake->ids[i]);
        seen[n] = true;
    }
}
