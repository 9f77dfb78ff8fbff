/*
 * One thread writes rows of the board, as the agent does; six read them, as clients do.
 * Built and run with ThreadSanitizer; of every row that is read its numbers belong
 * together, whatever of it was changed last.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/live/poster.h"

enum { READERS = 6, ORGS = 3, CHANGES = 60000, SUM = 1000000 };

static struct poster poster;
static const char *const names[ORGS] = {"acme", "globex", "initech"};
static _Atomic bool is_over;

static void
fail(const char *what)
{
    fprintf(stderr, "board_threads: %s\n", what);
    exit(1);
}

/* used + held is the same sum in every state of a row; its texts say its position. */
static void
fill(struct board_row *row, uint64_t n)
{
    for (int d = 0; d < LIMIT_DIMENSIONS; d++) {
        row->since[d] = (n * 7919 + (uint64_t)d) % SUM;
        row->held[d] = SUM - row->since[d];
    }
    row->position = n;
    snprintf(row->plan, sizeof row->plan, "%lu", (unsigned long)n);
}

static size_t
place_of(uint64_t key)
{
    return key % BOARD_SETS * BOARD_WAYS + 3;
}

static void *
write_rows(void *context)
{
    struct board_row rows[ORGS] = {{.key = 0}};
    (void)context;
    for (int i = 0; i < ORGS; i++) {
        rows[i].key = board_key(poster.board->secret, (struct str){names[i], strlen(names[i])});
        rows[i].organization_bytes = (uint8_t)strlen(names[i]);
        memcpy(rows[i].organization, names[i], strlen(names[i]));
    }
    for (uint64_t n = 1; n <= CHANGES; n++) {
        struct board_row *row = &rows[n % ORGS];
        size_t place = place_of(row->key);
        fill(row, n);
        if (n % 7 == 0 || !poster_has(&poster, place)) {
            poster_put(&poster, place, row);
        } else if (n % 1000 == 0 && n + ORGS < CHANGES) {
            poster_remove(&poster, place);
        } else {
            const struct poster_count counts[] = {{LIMIT_PROJECTS, row->since[0], row->held[0]},
                                                  {LIMIT_AI_CREDITS, row->since[2], row->held[2]}};
            poster_count(&poster, place, counts, 2);
            poster_get(&poster, place, row); /* all else is as it was */
        }
        poster_beat(&poster, (int64_t)n);
    }
    is_over = true;
    return NULL;
}

static void *
read_rows(void *context)
{
    uint64_t *found = context;
    for (int i = 0; !is_over || *found == 0; i = (i + 1) % ORGS) {
        struct board_row row;
        if (!board_find(poster.board, (struct str){names[i], strlen(names[i])}, &row))
            continue;
        for (int d = 0; d < LIMIT_DIMENSIONS; d++) {
            if (row.since[d] + row.held[d] != SUM)
                fail("a row is torn");
        }
        if (strtoull(row.plan, NULL, 10) != row.position)
            fail("a row is of two times");
        (void)board_is_alive(poster.board, 0);
        ++*found;
    }
    return NULL;
}

int
main(void)
{
    static const uint8_t secret[HASH_SECRET_BYTES] = {1};
    pthread_t writer, readers[READERS];
    uint64_t found[READERS] = {0}, sum = 0;
    struct err err;
    if (poster_open(&poster, secret, &err) != ERR_OK)
        fail(err.text);
    for (int i = 0; i < READERS; i++)
        pthread_create(&readers[i], NULL, read_rows, &found[i]);
    pthread_create(&writer, NULL, write_rows, NULL);
    pthread_join(writer, NULL);
    for (int i = 0; i < READERS; i++) {
        pthread_join(readers[i], NULL);
        sum += found[i];
    }
    poster_close(&poster);
    printf("board_threads: %d changes, %lu rows read\n", CHANGES, (unsigned long)sum);
    return 0;
}
