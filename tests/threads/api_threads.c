/*
 * What gbill api's threads share, without libmicrohttpd between them: one asks for keys, rates,
 * repeats and the tables and hands jobs to the workers, who read the tables too; another ends slow
 * connections; and the tables and the keys become other files meanwhile.  Built and run with
 * ThreadSanitizer, which ends it when two threads meet without a lock.
 */
#include <inttypes.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "reports/api/links.h"
#include "reports/api/rates.h"
#include "reports/api/repeats.h"
#include "reports/api/shelf.h"
#include "reports/api/workers.h"
#include "store/base/clock.h"
#include "store/tables/limit.h"
#include "tests/support/tree_remove.h"

enum { VERSIONS = 4, GIVE_UP_MS = 60000, ORGANIZATION = 1, LINKS = 8 };

static char data[] = "/tmp/gbill-api-XXXXXX";
static struct shelf shelf;
static struct links links;
static atomic_uint newest[2]; /* version of the tables that was seen: by us, by a worker */
static atomic_uint reads, refused, under_way;
static atomic_bool over;

static _Noreturn void
fail(const char *what, const char *why)
{
    fprintf(stderr, "api_threads: %s: %s\n", what, why);
    exit(1);
}

/* Tables in a directory of their own, whose limits stand at the version. */
static void
make_tables(unsigned version, char path[96])
{
    char directory[64];
    struct err err;
    struct tables *t;
    struct tables_txn *txn;
    snprintf(directory, sizeof directory, "%s/%u", data, version);
    snprintf(path, 96, "%s/tables.mdb", directory);
    if (mkdir(directory, 0700) != 0 || tables_open(directory, TABLES_WRITE, &t, &err) != ERR_OK ||
        tables_begin(t, TABLES_WRITE, &txn, &err) != ERR_OK)
        fail("tables", directory);
    const struct limit row = {
        .organization = ORGANIZATION, .position = version, .plan = str_of("team")};
    if (limit_put(txn, &row, &err) != ERR_OK || tables_commit(txn, &err) != ERR_OK)
        fail("a limit", err.text);
    tables_close(t);
}

static void
read_limit(atomic_uint *seen)
{
    struct tables_txn *txn = NULL;
    struct limit row;
    struct err err;
    enum err_code code = shelf_begin(&shelf, &txn, &err);
    if (code == ERR_BUSY) {
        refused++;
        return;
    }
    if (code != ERR_OK || !limit_get(txn, ORGANIZATION, LIMIT_PROJECTS, &row))
        fail("the tables", code != ERR_OK ? err.text : "no limit");
    *seen = (unsigned)row.position;
    shelf_end(&shelf, txn);
    reads++;
}

static void
job(void *context)
{
    links_turn(&links, context, true, clock_monotonic_ms());
    read_limit(&newest[1]);
    under_way--;
}

static void *
tend(void *context)
{
    (void)context;
    while (!over) {
        if (links_end_slow(&links, clock_monotonic_ms(), INT64_MAX, INT64_MAX) != 0)
            fail("links", "none is slow");
        poll(NULL, 0, 1);
    }
    return NULL;
}

/* Another process would do it: a key more, and the next tables over the old. */
static void *
change(void *context)
{
    char(*paths)[96] = context, to[96], text[KEYS_TEXT_BYTES + 1];
    struct err err;
    struct key key;
    snprintf(to, sizeof to, "%s/tables.mdb", data);
    for (unsigned i = 1; i < VERSIONS; i++) {
        const struct keys_change change = {.data_directory = data, .now_ms = 1000};
        while (!over && (newest[0] < i || newest[1] < i))
            poll(NULL, 0, 1);
        if (keys_create(&change, "acme", KEY_READ, 0, &key, text, &err) != ERR_OK)
            fail("a key", err.text);
        if (rename(paths[i], to) != 0)
            fail("rename", paths[i]);
    }
    return NULL;
}

/* One request: by the server's thread what is its own, by a worker the rest. */
static void
request(struct workers *workers, struct rates *rates, struct repeats *repeats, struct link *link)
{
    static const struct bytes body = {(const uint8_t *)"{}", 2};
    struct err err;
    const struct keys *keys;
    struct repeat repeat;
    if (shelf_keys(&shelf, &keys, &err) != ERR_OK)
        fail("keys", err.text);
    (void)keys_find(keys, str_of("gbk_"), 1000);
    (void)rates_take(rates, body, clock_monotonic_ms());
    if (repeats_find(repeats, "acme", "k", body, clock_monotonic_ms(), &repeat) == REPEAT_NEW)
        repeats_add(repeats, &repeat);
    read_limit(&newest[0]);
    under_way++;
    if (!workers_add(workers, job, link))
        under_way--;
    links_turn(&links, link, false, clock_monotonic_ms());
}

int
main(void)
{
    static struct rates rates;
    static struct workers workers;
    char paths[VERSIONS + 1][96], to[96];
    struct link *link[LINKS];
    struct repeats *repeats;
    struct err err;
    pthread_t tending, changing;
    int lock;
    if (mkdtemp(data) == NULL)
        fail("mkdtemp", data);
    for (unsigned i = 1; i <= VERSIONS; i++)
        make_tables(i, paths[i - 1]);
    snprintf(to, sizeof to, "%s/tables.mdb", data);
    if (rename(paths[0], to) != 0 || shelf_open(&shelf, data, &err) != ERR_OK ||
        repeats_open(data, &repeats, &lock, &err) != ERR_OK ||
        workers_start(&workers, &err) != ERR_OK)
        fail("start", to);
    rates_init(&rates, 1000, 7);
    links_init(&links);
    for (int i = 0; i < LINKS; i++)
        link[i] = links_add(&links, -1, clock_monotonic_ms());
    pthread_create(&tending, NULL, tend, NULL);
    pthread_create(&changing, NULL, change, paths);
    const int64_t give_up_ms = clock_monotonic_ms() + GIVE_UP_MS;
    for (unsigned i = 0;
         (newest[0] < VERSIONS || newest[1] < VERSIONS) && clock_monotonic_ms() < give_up_ms; i++) {
        request(&workers, &rates, repeats, link[i % LINKS]);
        if (under_way > WORKERS_JOBS_MAX / 2)
            poll(NULL, 0, 1);
    }
    over = true;
    workers_stop(&workers);
    pthread_join(tending, NULL);
    pthread_join(changing, NULL);
    for (int i = 0; i < LINKS; i++)
        links_remove(&links, link[i]);
    links_clear(&links);
    repeats_close(repeats, lock);
    shelf_close(&shelf);
    if (tree_remove(data) != 0)
        fail("remove", data);
    if (newest[0] < VERSIONS || newest[1] < VERSIONS)
        fail("the last tables", "nobody saw them");
    printf("api_threads: %u reads, %u refused while tables were opened anew, %d times other tables "
           "and keys\n",
           reads, refused, VERSIONS - 1);
    return 0;
}
