/*
 * ingest/board/board.h - what gbill-agent judges from, in memory that its clients map
 * read-only: one row an organization that was asked about.  Layout: schemas/live.md.
 *
 * A row changes under a turn (a seqlock): odd while it is written, so a reader sees all
 * of a change or none of it.  The agent's io thread writes, anybody reads, nobody waits.
 * To a reader all of it is foreign bytes: board_find() bounds what it gives out.
 */
#ifndef INGEST_BOARD_BOARD_H
#define INGEST_BOARD_BOARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "store/base/hash.h"
#include "store/event/event.h"
#include "store/tables/budget_pause.h"
#include "store/tables/limit.h"

enum {
    BOARD_WAYS = 8,
    BOARD_SETS = 2048,
    BOARD_ROWS = BOARD_WAYS * BOARD_SETS,
    BOARD_BEAT_MS = 100,   /* the agent says that it lives, so often */
    BOARD_STALE_MS = 1000, /* it has not for so long: it is not to be believed */
};

#define BOARD_MAGIC UINT64_C(0x316472616f626267) /* "gbboard1" in little-endian */

/* What is known of an organization: all that judge_row() needs. */
struct board_row {
    uint64_t key;                          /* of the organization; 0: none */
    int64_t valid_from_ms, valid_until_ms; /* UTC: before and after this it is another one */
    int64_t count_from_ms;                 /* the period's begin: AI credits used since count */
    int64_t reset_ms;                      /* 0: never, or the next run of gbill limits tells */
    uint64_t position;                     /* of the log, that the snapshot holds for */
    uint64_t requests_per_minute, tokens_per_minute, weight; /* as in allowance.h */
    uint64_t base[LIMIT_DIMENSIONS];                         /* used in the snapshot */
    uint64_t since[LIMIT_DIMENSIONS];                        /* and behind it: tokens, or things */
    uint64_t held[LIMIT_DIMENSIONS], limit[LIMIT_DIMENSIONS];
    uint8_t soft[LIMIT_DIMENSIONS]; /* not 0: more than the limit is allowed */
    uint8_t is_paused;              /* not 0: by the organization's budget */
    uint8_t is_suspended;           /* not 0: the subscription is paused */
    uint8_t organization_bytes;
    uint8_t unused;
    char organization[EVENT_TEXT_BYTES_MAX];
    char plan[EVENT_TEXT_BYTES_MAX + 8], upgrade[LIMIT_DIMENSIONS][EVENT_TEXT_BYTES_MAX + 8];
    char pause[BUDGET_PAUSE_REASON_BYTES_MAX + 8]; /* texts end with NUL */
};

enum { BOARD_ROW_WORDS = sizeof(struct board_row) / 8 };

struct board_slot {
    _Atomic uint64_t turn; /* odd: it is being written */
    _Atomic uint64_t words[BOARD_ROW_WORDS];
};

struct board {
    uint64_t magic;
    uint64_t size_bytes;
    uint8_t secret[HASH_SECRET_BYTES];    /* of the keys */
    _Alignas(64) _Atomic int64_t beat_ms; /* monotonic: when the agent last lived; 0: it ends */
    _Alignas(
        4096) _Atomic uint64_t keys[BOARD_ROWS]; /* where a row is; the row itself says so too */
    _Alignas(4096) struct board_slot slots[BOARD_ROWS];
};

_Static_assert(sizeof(struct board_row) % 8 == 0, "a row is whole words");
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "words are written in one piece");

/* The key of an organization, of 1 to 64 bytes; never 0. */
uint64_t board_key(const uint8_t secret[HASH_SECRET_BYTES], struct str organization);

/* Does who writes it live?  Else nothing on it is to be believed. */
bool board_is_alive(const struct board *board, int64_t now_monotonic_ms);

/*
 * Find an organization's row.  Safe whatever the map holds, and whoever writes it now.
 *
 *   ret  a copy; its texts end within their fields
 *
 * False: there is none, or it was written anew all the time.
 */
bool board_find(const struct board *board, struct str organization, struct board_row *ret);

/*
 * Make a row of what was read: its texts end within their fields.  False: it is none.
 */
bool board_row_take(const uint64_t words[BOARD_ROW_WORDS], struct board_row *ret);

#endif
