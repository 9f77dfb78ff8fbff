/*
 * The figures as text, and read back.  tests/e2e/status.sh holds the text of a live
 * agent against the format.
 */
#include "ingest/figures.h"

#include <criterion/criterion.h>

static const uint64_t first_ns = FIGURES_FIRST_NS;

Test(ingest_figures, a_value_is_counted_in_the_bucket_whose_bound_it_does_not_exceed)
{
    static const struct {
        uint64_t ns;
        int bucket;
    } cases[] = {{0, 0},
                 {1, 0},
                 {50000, 0},
                 {50001, 1},
                 {100000, 1},
                 {100001, 2},
                 {200000, 2},
                 {200001, 3},
                 {3276800000, 16},
                 {3276800001, FIGURES_BUCKETS},
                 {UINT64_MAX / 2, FIGURES_BUCKETS}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct figures_histogram h = {.sum = 0};
        figures_observe(&h, first_ns, cases[i].ns);
        cr_expect_eq(h.buckets[cases[i].bucket], 1, "%zu", i);
        cr_expect_eq(figures_count(&h), 1);
        cr_expect_eq(h.sum, cases[i].ns);
    }
}

Test(ingest_figures, a_quantile_is_the_bound_that_the_share_lies_below)
{
    struct figures_histogram h = {.sum = 0};
    cr_expect_eq(figures_quantile(&h, first_ns, 990), 0);
    for (int i = 0; i < 98; i++)
        figures_observe(&h, first_ns, 60000);
    figures_observe(&h, first_ns, 900000);
    cr_expect_eq(figures_quantile(&h, first_ns, 500), 100000);
    cr_expect_eq(figures_quantile(&h, first_ns, 989), 100000);
    cr_expect_eq(figures_quantile(&h, first_ns, 990), 1600000);
    figures_observe(&h, first_ns, UINT64_MAX / 4);
    cr_expect_eq(figures_quantile(&h, first_ns, 980), 100000);
    cr_expect_eq(figures_quantile(&h, first_ns, 1000), UINT64_MAX);
}

static struct figures
some_figures(void)
{
    struct figures f = {.version = "1.2.3"};
    uint64_t n = 1000000007;
#define SET(field, name, labels, type, help) f.field = n += 1234567;
    FIGURES(SET)
#undef SET
    for (uint64_t i = 0; i < 1000; i++) {
        figures_observe(&f.commits.flush_ns, first_ns, i * i * 977);
        figures_observe(&f.commits.events, FIGURES_FIRST_COUNT, i * i);
        figures_observe(&f.ack_ns, first_ns, i * 1009);
    }
    return f;
}

Test(ingest_figures, what_was_written_is_read_back)
{
    struct figures f = some_figures(), read;
    struct buf out;
    buf_init(&out, 64 * 1024);
    cr_assert(figures_write(&f, &out));
    cr_assert(figures_read((struct str){(const char *)out.data, out.size_bytes}, &read));
    cr_expect_str_eq(read.version, "1.2.3");
#define SAME(field, name, labels, type, help) cr_expect_eq(read.field, f.field, #field);
    FIGURES(SAME)
#undef SAME
    cr_expect_arr_eq(&read.commits, &f.commits, sizeof f.commits);
    cr_expect_arr_eq(&read.ack_ns, &f.ack_ns, sizeof f.ack_ns);
    buf_clear(&out);
}

Test(ingest_figures, foreign_text_is_refused_and_strange_numbers_are_nothing)
{
    static const char strange[] =
        "gbill_agent_build_info{version=\"9\"} 1\ngbill_agent_events_total 99999999999999999999999\n"
        "gbill_agent_messages_total -1\ngbill_agent_connections 1e9\n"
        "gbill_agent_cpu_seconds_total 1.5\nxgbill_agent_heartbeats_total 3\n"
        "gbill_agent_undeclared_fields_total 7";
    struct figures f;
    cr_expect_not(figures_read(str_of("HTTP/1.0 404 no"), &f));
    cr_expect_not(figures_read((struct str){NULL, 0}, &f));
    cr_assert(figures_read(str_of(strange), &f));
    cr_expect_eq(f.events, 0);
    cr_expect_eq(f.messages, 0);
    cr_expect_eq(f.connections, 0);
    cr_expect_eq(f.heartbeats, 0);
    cr_expect_eq(f.cpu_ns, 1500000000);
    cr_expect_eq(f.undeclared, 7);
    /* Cut anywhere it is read without a step beyond its end. */
    for (size_t n = 0; n < sizeof strange; n++) {
        char *copy = malloc(n + 1);
        memcpy(copy, strange, n);
        (void)!figures_read((struct str){copy, n}, &f);
        free(copy);
    }
}

Test(ingest_figures, a_text_without_room_is_not_half_a_text)
{
    struct figures f = some_figures();
    struct buf out;
    buf_init(&out, 512);
    cr_expect_not(figures_write(&f, &out));
    buf_clear(&out);
}
