/*
 * tests/bench/bench_export.c - how fast gbill report export makes rows, against what
 * this machine can do at all, and how much memory it takes.
 *
 *   bench_export GBILL DIRECTORY ROWS
 *
 * The table hourly is written as a fold would leave it: a hundred organizations of
 * 40 users, whose calls of 12 models fill as many hours as ROWS needs.  Two limits of
 * the same run: walking and decoding the rows alone, and write(2) of the same bytes.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/base/clock.h"
#include "store/tables/dict.h"
#include "store/tables/usage.h"
#include "tests/bench/child.h"
#include "tests/bench/workload.h"

enum {
    ORGANIZATIONS = 100,
    USERS = 40,
    MODELS = 12,
    FIRST_HOUR = 498744, /* 2026-11-24 */
    TXN_ROWS = 500000,
    BLOCK_BYTES = 64 * 1024
};

static struct err err;

static void
check(enum err_code code)
{
    if (code == ERR_OK)
        return;
    fprintf(stderr, "bench_export: %s\n", err.text);
    exit(1);
}

/* Numbers of "<word>-<i>", count of them. */
static void
intern(struct dict *dict, struct tables_txn *txn, const char *word, unsigned count, uint32_t *ret)
{
    struct list fresh;
    for (unsigned i = 0; i < count; i++) {
        char text[32];
        snprintf(text, sizeof text, "%s-%04u", word, i);
        check(dict_intern(dict, txn, str_of(text), &ret[i], &err));
    }
    dict_take_new(dict, &fresh);
    check(dict_write(&fresh, txn, &err));
    list_clear(&fresh);
}

struct names {
    uint32_t organizations[ORGANIZATIONS], users[USERS], projects[USERS], models[MODELS];
    uint32_t type, provider, tier;
};

static struct usage_row
some_calls(uint64_t *seed)
{
    uint64_t calls = 1 + workload_roll(seed) % 50, r = workload_roll(seed);
    return (struct usage_row){
        .calls = calls,
        .failed_calls = r % 20 == 0,
        .reasoning_tokens = r % 4 == 0 ? calls * 120 : 0,
        .latency_us = calls * (400000 + r % 3000000),
        .cost_pico = (int64_t)(calls * (1000000000 + r % 90000000000)),
        .tokens = {[EVENT_INPUT] = calls * (300 + r % 4000),
                   [EVENT_CACHE_READ] = r % 3 == 0 ? calls * 1024 : 0,
                   [EVENT_OUTPUT] = calls * (50 + r % 900)},
    };
}

/* Rows go in by rising key: organization, hour, project, user, model. */
static uint64_t
fill(const char *directory, uint64_t rows)
{
    struct tables *tables;
    struct tables_txn *txn;
    struct dict dict = {.slots = NULL};
    struct names n;
    uint64_t seed = 7, made = 0;
    uint64_t each = (rows + ORGANIZATIONS - 1) / ORGANIZATIONS, a_user = MODELS, an_hour = USERS;
    check(tables_open(directory, TABLES_WRITE, &tables, &err));
    check(tables_begin(tables, TABLES_WRITE, &txn, &err));
    intern(&dict, txn, "organization", ORGANIZATIONS, n.organizations);
    intern(&dict, txn, "project", USERS, n.projects);
    intern(&dict, txn, "user", USERS, n.users);
    intern(&dict, txn, "gpt-model", MODELS, n.models);
    intern(&dict, txn, "chat", 1, &n.type);
    intern(&dict, txn, "openai", 1, &n.provider);
    intern(&dict, txn, "default", 1, &n.tier);
    for (uint64_t o = 0; o < ORGANIZATIONS; o++) {
        for (uint64_t i = 0; i < each; i++, made++) {
            uint8_t key[USAGE_KEY_BYTES];
            uint64_t user = i / a_user % an_hour;
            struct usage_row row = some_calls(&seed);
            struct usage_key k = {.organization = n.organizations[o],
                                  .period = FIRST_HOUR + (uint32_t)(i / a_user / an_hour),
                                  .project = n.projects[user / 8],
                                  .user = n.users[user],
                                  .type = n.type,
                                  .provider = n.provider,
                                  .model = n.models[i % a_user],
                                  .tier = n.tier};
            usage_key_encode(&k, key);
            check(usage_add(txn, TABLE_HOURLY, key, &row, &err));
            if (made % TXN_ROWS == TXN_ROWS - 1) {
                check(tables_commit(txn, &err));
                check(tables_begin(tables, TABLES_WRITE, &txn, &err));
            }
        }
    }
    check(tables_commit(txn, &err));
    dict_clear(&dict);
    tables_close(tables);
    return made;
}

static double
now_s(void)
{
    return (double)clock_monotonic_ns() / 1e9;
}

/* The first limit: nothing but reading the table. */
static double
walk_s(const char *directory)
{
    struct tables *tables;
    struct tables_txn *txn;
    struct usage_scan scan;
    uint64_t calls = 0;
    double begun = now_s();
    check(tables_open(directory, TABLES_READ, &tables, &err));
    check(tables_begin(tables, TABLES_READ, &txn, &err));
    for (usage_scan_begin(&scan, txn, TABLE_HOURLY, 0, NULL); usage_scan_next(&scan);)
        calls += scan.row.calls;
    check(usage_scan_end(&scan, &err));
    tables_abort(txn);
    tables_close(tables);
    if (calls == 0)
        exit(1);
    return now_s() - begun;
}

/* The second: the same number of bytes to a file, flushed, as the export does. */
static double
write_s(const char *path, uint64_t bytes)
{
    static char block[BLOCK_BYTES];
    double begun = now_s();
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    for (uint64_t done = 0; fd >= 0 && done < bytes; done += sizeof block) {
        if (write(fd, block, sizeof block) != (ssize_t)sizeof block)
            exit(1);
    }
    if (fd < 0 || fsync(fd) != 0 || close(fd) != 0)
        exit(1);
    unlink(path);
    return now_s() - begun;
}

static void
measure(const char *gbill, const char *directory, const char *what, const char *format,
        uint64_t rows, double alone_s)
{
    char path[512];
    struct stat st;
    snprintf(path, sizeof path, "%s/export", directory);
    const char *const to_nowhere[] = {gbill,      "report", "export", "--what",  what,
                                      "--format", format,   "--data", directory, NULL};
    const char *const to_file[] = {gbill,  "report", "export",  "--what",   what, "--format",
                                   format, "--data", directory, "--output", path, NULL};
    struct child_cost best = child_run(to_nowhere), file = child_run(to_file);
    for (int i = 0; i < 2; i++) {
        struct child_cost again = child_run(to_nowhere);
        best = again.cpu_s < best.cpu_s ? again : best;
    }
    if (stat(path, &st) != 0)
        exit(1);
    unlink(path);
    double bytes = (double)st.st_size, mb = 1e6, count = (double)rows;
    double plain_s = write_s(path, (uint64_t)st.st_size);
    printf("export %-5s %-5s %.2f M rows/s of one core, %.0f MB/s; %.1f times the time of walking "
           "the table alone; peak %ld KiB of its own memory\n",
           what, format, count / best.cpu_s / 1e6, bytes / best.cpu_s / mb, best.cpu_s / alone_s,
           best.anonymous_kib);
    printf("       to a file, flushed: %.2f M rows/s, %.0f MB/s; write(2) of the same bytes %.0f "
           "MB/s\n",
           count / file.wall_s / 1e6, bytes / file.wall_s / mb, bytes / plain_s / mb);
}

int
main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: bench_export GBILL DIRECTORY ROWS\n");
        return 2;
    }
    uint64_t rows = fill(argv[2], strtoull(argv[3], NULL, 10));
    walk_s(argv[2]); /* into the page cache */
    double alone_s = walk_s(argv[2]);
    printf("export %" PRIu64 " rows of usage by the hour; walking and decoding them alone: %.2f M "
           "rows/s\n",
           rows, (double)rows / alone_s / 1e6);
    measure(argv[1], argv[2], "usage", "csv", rows, alone_s);
    measure(argv[1], argv[2], "usage", "jsonl", rows, alone_s);
    measure(argv[1], argv[2], "costs", "csv", rows, alone_s);
    measure(argv[1], argv[2], "costs", "jsonl", rows, alone_s);
    return 0;
}
