/*
 * store/tables/spike.h - spending and usage out of the ordinary, as gbill spikes found it.
 *
 * Key: organization, the hour it was first found at, what it is about.  A row is
 * brought up to date while its hours are judged; its key never changes.
 */
#ifndef STORE_TABLES_SPIKE_H
#define STORE_TABLES_SPIKE_H

#include "store/base/money.h"
#include "store/tables/tables.h"

#define SPIKE_SCOPES(X)             \
    X(ORGANIZATION, "organization") \
    X(PROJECT, "project")           \
    X(USER, "user")                 \
    X(MODEL, "model")

enum spike_scope {
#define SPIKE_ENUM(name, text) SPIKE_##name,
    SPIKE_SCOPES(SPIKE_ENUM)
#undef SPIKE_ENUM
        SPIKE_SCOPE_COUNT
};

/* What was above the usual; bits of struct spike.measures. */
enum spike_measure { SPIKE_CALLS, SPIKE_TOKENS, SPIKE_COST, SPIKE_MEASURES };

enum { SPIKE_TEXT_BYTES_MAX = 600, SPIKE_ID_BYTES = 33 };

/* One organization, or a part of it. */
struct spike_subject {
    enum spike_scope scope;
    uint32_t provider; /* dictionary; of a model, else 0 */
    uint32_t value;    /* dictionary: the project, user or model; 0: none, or the organization */
};

struct spike_figures {
    uint64_t calls, tokens;
    money_sum cost_pico;
};

/* One of them as a whole number: calls, tokens, picos. */
money_sum spike_measure_of(const struct spike_figures *figures, enum spike_measure measure);

/* The one that a spike is told by: the first of cost, tokens and calls among its measures. */
enum spike_measure spike_leading(uint8_t measures);

/* Who has the largest part of the leading measure's excess: a project, a user, a model. */
struct spike_driver {
    uint32_t provider, value; /* as in struct spike_subject; both 0 and no cost: nobody does */
    money_sum excess_pico;    /* cost above before; 0 too where calls have no price */
};

struct spike {
    uint32_t organization; /* dictionary */
    uint32_t found_hour;   /* since 1970: the first hour of the spike as it was first found */
    struct spike_subject subject;
    uint32_t from_hour, to_hour; /* to exclusive */
    uint32_t peak_hour;          /* with the largest excess of the leading measure */
    uint8_t measures;            /* bit 1 << enum spike_measure: that one was out of the ordinary */
    bool burst;                  /* a runaway loop was seen, minute by minute */
    bool withdrawn;              /* what was counted then has been taken back (void, new price) */
    uint32_t threshold_percent;  /* of the usual, that the organization asked for */
    struct spike_figures actual, usual;             /* of all its hours */
    struct spike_driver drivers[SPIKE_SCOPE_COUNT]; /* [SPIKE_ORGANIZATION] is not used */
    char currency[4];
    int64_t noticed_ms;                  /* when it was found */
    uint64_t position;                   /* of the log that the figures are from */
    char text[SPIKE_TEXT_BYTES_MAX + 1]; /* all of it in words */
};

const char *spike_scope_name(enum spike_scope scope);
const char *spike_measure_name(enum spike_measure measure); /* "calls" */

/* Store a row and note it for publishing.  One that differs in its position only is left alone. */
enum err_code spike_put(struct tables_txn *txn, const struct spike *row,
                        struct err *err) ERR_MUST_CHECK;

enum err_code spike_delete(struct tables_txn *txn, const struct spike *row,
                           struct err *err) ERR_MUST_CHECK;

/* One by its key. */
bool spike_get(struct tables_txn *txn, uint32_t organization, uint32_t found_hour,
               const struct spike_subject *subject, struct spike *ret);

/* What a key and value of TABLE_SPIKES say, for publish; value may be empty. */
void spike_decode(struct bytes key, struct bytes value, struct spike *ret);

/* A spike's id: a function of its key, with names for numbers. */
void spike_id(struct tables_txn *txn, const struct spike *row, char id[SPIKE_ID_BYTES]);

/* Walk one organization's spikes (0: everybody's), the earliest found first. */
struct spike_scan {
    struct spike row;
    struct tables_scan scan;
};

void spike_scan_begin(struct spike_scan *scan, struct tables_txn *txn, uint32_t organization);
bool spike_scan_next(struct spike_scan *scan);
void spike_scan_end(struct spike_scan *scan);

/*
 * What an organization's hours were when they were last judged: as long as it is the
 * same, judging them again would find the same.
 */
enum { SPIKE_MARK_BYTES = 32 };

bool spike_mark_is(struct tables_txn *txn, uint32_t organization,
                   const uint8_t mark[SPIKE_MARK_BYTES]);
enum err_code spike_mark_put(struct tables_txn *txn, uint32_t organization,
                             const uint8_t mark[SPIKE_MARK_BYTES], struct err *err) ERR_MUST_CHECK;

#endif
