/*
 * ingest/overview.h - what gbill status knows: what the agent says of itself, and
 * what can be seen in the data directory, whether an agent runs or not.
 */
#ifndef INGEST_OVERVIEW_H
#define INGEST_OVERVIEW_H

#include <stdio.h>

#include "ingest/figures.h"
#include "store/base/clock.h"
#include "store/base/err.h"
#include "store/log/tip.h"

/* name, the error that is its exit status; the worst first */
#define OVERVIEW_STATES(X)                                                                   \
    X(AGENT_DOWN, "agent_down", PEER)       /* nobody answers, or not an agent */            \
    X(AGENT_HIDDEN, "agent_hidden", DENIED) /* it may not be asked by this user */           \
    X(DISK_FULL, "disk_full", FULL)         /* the agent waits for room */                   \
    X(LOW_SPACE, "low_space", LIMIT)        /* the disk is full soon */                      \
    X(BEHIND, "behind", LIMIT)              /* the fold does not keep up, or does not run */ \
    X(OK, "ok", OK)

enum overview_state {
#define OVERVIEW_ENUM(state, name, code) OVERVIEW_##state,
    OVERVIEW_STATES(OVERVIEW_ENUM)
#undef OVERVIEW_ENUM
};

struct overview_options {
    const char *data;
    const char *status_socket; /* NULL: <data>/status.sock */
    int64_t behind_s;          /* older than this and not folded is BEHIND; 0: never */
    int64_t space_s;           /* a disk that is full sooner is LOW_SPACE; 0: never */
};

struct overview {
    const char *data;
    int64_t now_utc_ms;
    enum overview_state state;
    struct err why; /* of a state that is not OK */

    bool agent_answers;
    struct figures agent;
    struct buf agent_text; /* as it came */

    struct log_tip log;
    uint64_t free_bytes;
    uint64_t growth_bytes_per_day; /* of the log, over its newest two days; 0: not known */
    uint64_t left_s;               /* until the disk is full at that rate; UINT64_MAX: not known */

    bool folded; /* tables.mdb is there */
    uint64_t fold_seq;
    uint64_t behind_events;
    int64_t oldest_ms; /* how long ago the oldest event not folded was received; 0: all is folded */
    uint64_t unpriced_events;
    uint64_t owed_rows; /* to Postgres */
};

/*
 * Look.
 *
 *   ret  filled; overview_clear() it, also after an error
 *
 * That the agent is down, and every other state, is no error: see ret->state.
 * Errors: those of reading the log and the tables, ERR_NOT_FOUND without a data
 * directory.
 */
enum err_code overview_look(const struct overview_options *options, const struct clock *clock,
                            struct overview *ret, struct err *err) ERR_MUST_CHECK;
void overview_clear(struct overview *overview);

const char *overview_state_name(enum overview_state state);
enum err_code overview_state_code(enum overview_state state);

/*
 * For a person: one screen.
 *
 *   before  an earlier look, so that rates are those between the two; NULL: since
 *           the agent began
 */
void overview_print(const struct overview *overview, const struct overview *before, FILE *out);
void overview_print_json(const struct overview *overview, FILE *out);

/* The agent's text and our own figures; false when out has no room. */
bool overview_write_prometheus(const struct overview *overview, struct buf *out)
    __attribute__((warn_unused_result));

#endif
