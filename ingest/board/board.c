#include "ingest/board/board.h"

#include <string.h>

enum { TRIES = 100 }; /* a change takes nanoseconds, unless its writer was put to sleep */

uint64_t
board_key(const uint8_t secret[HASH_SECRET_BYTES], struct str organization)
{
    struct hash_id id = hash_id_of(secret, organization, (struct str){"", 0});
    return id.hi != 0 ? id.hi : 1;
}

bool
board_is_alive(const struct board *b, int64_t now_ms)
{
    int64_t beat_ms = atomic_load_explicit(&b->beat_ms, memory_order_acquire);
    return beat_ms > 0 && beat_ms <= now_ms && now_ms - beat_ms <= BOARD_STALE_MS;
}

bool
board_row_take(const uint64_t words[BOARD_ROW_WORDS], struct board_row *ret)
{
    memcpy(ret, words, sizeof *ret);
    if (ret->key == 0 || ret->organization_bytes > sizeof ret->organization)
        return false;
    ret->plan[EVENT_TEXT_BYTES_MAX] = '\0';
    ret->pause[BUDGET_PAUSE_REASON_BYTES_MAX] = '\0';
    for (int d = 0; d < LIMIT_DIMENSIONS; d++)
        ret->upgrade[d][EVENT_TEXT_BYTES_MAX] = '\0';
    return true;
}

/* Words are stored with release and loaded with acquire, instead of with fences: whoever read a
   word of a change sees, after it, the turn that the change began with. */
static bool
read_slot(const struct board_slot *slot, struct board_row *ret)
{
    uint64_t words[BOARD_ROW_WORDS];
    for (int i = 0; i < TRIES; i++) {
        uint64_t turn = atomic_load_explicit(&slot->turn, memory_order_acquire);
        if (turn % 2 != 0)
            continue;
        for (int w = 0; w < BOARD_ROW_WORDS; w++)
            words[w] = atomic_load_explicit(&slot->words[w], memory_order_acquire);
        if (atomic_load_explicit(&slot->turn, memory_order_relaxed) == turn)
            return board_row_take(words, ret);
    }
    return false;
}

bool
board_find(const struct board *b, struct str organization, struct board_row *ret)
{
    uint64_t key = board_key(b->secret, organization);
    size_t set = key % BOARD_SETS * BOARD_WAYS;
    for (size_t i = set; i < set + BOARD_WAYS; i++) {
        if (atomic_load_explicit(&b->keys[i], memory_order_acquire) == key)
            return read_slot(&b->slots[i], ret) && ret->key == key &&
                   str_equal((struct str){ret->organization, ret->organization_bytes},
                             organization);
    }
    return false;
}
