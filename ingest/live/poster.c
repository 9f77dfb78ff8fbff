#include "ingest/live/poster.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define WORD_OF(member) (offsetof(struct board_row, member) / 8)

enum err_code
poster_open(struct poster *p, const uint8_t *secret, struct err *err)
{
    int fd = memfd_create("gbill-board", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    void *map = MAP_FAILED;
    if (fd >= 0 && ftruncate(fd, sizeof *p->board) == 0)
        map = mmap(NULL, sizeof *p->board, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    /* From here on this map is the only one that is ever written. */
    if (map == MAP_FAILED ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) !=
            0) {
        int e = errno;
        if (map != MAP_FAILED)
            munmap(map, sizeof *p->board);
        if (fd >= 0)
            close(fd);
        return err_set_errno(err, e, "cannot make a board for the answers");
    }
    *p = (struct poster){.board = map, .fd = fd};
    p->board->magic = BOARD_MAGIC;
    p->board->size_bytes = sizeof *p->board;
    memcpy(p->board->secret, secret, sizeof p->board->secret);
    return ERR_OK;
}

void
poster_close(struct poster *p)
{
    if (p->board == NULL)
        return;
    poster_beat(p, 0);
    munmap(p->board, sizeof *p->board);
    close(p->fd);
    *p = (struct poster){.board = NULL};
}

void
poster_beat(struct poster *p, int64_t now_ms)
{
    if (p->board != NULL)
        atomic_store_explicit(&p->board->beat_ms, now_ms, memory_order_release);
}

/* board.c reads in the opposite order. */
static void
store(struct board_slot *slot, size_t word, uint64_t value)
{
    atomic_store_explicit(&slot->words[word], value, memory_order_release);
}

static uint64_t
load(const struct board_slot *slot, size_t word)
{
    return atomic_load_explicit(&slot->words[word], memory_order_relaxed);
}

static uint64_t
begin_turn(struct board_slot *slot)
{
    uint64_t turn = atomic_load_explicit(&slot->turn, memory_order_relaxed) + 1;
    atomic_store_explicit(&slot->turn, turn, memory_order_relaxed);
    return turn + 1;
}

static void
end_turn(struct board_slot *slot, uint64_t turn)
{
    atomic_store_explicit(&slot->turn, turn, memory_order_release);
}

bool
poster_has(const struct poster *p, size_t place)
{
    return p->board != NULL &&
           atomic_load_explicit(&p->board->keys[place], memory_order_relaxed) != 0;
}

void
poster_put(struct poster *p, size_t place, const struct board_row *row)
{
    struct board_slot *slot = &p->board->slots[place];
    uint64_t words[BOARD_ROW_WORDS];
    memcpy(words, row, sizeof words);
    p->count += !poster_has(p, place);
    uint64_t turn = begin_turn(slot);
    for (size_t i = 0; i < BOARD_ROW_WORDS; i++)
        store(slot, i, words[i]);
    end_turn(slot, turn);
    atomic_store_explicit(&p->board->keys[place], row->key, memory_order_release);
}

void
poster_remove(struct poster *p, size_t place)
{
    if (!poster_has(p, place))
        return;
    struct board_slot *slot = &p->board->slots[place];
    uint64_t turn = begin_turn(slot);
    store(slot, WORD_OF(key), 0);
    end_turn(slot, turn);
    atomic_store_explicit(&p->board->keys[place], 0, memory_order_release);
    p->count--;
}

void
poster_clear(struct poster *p)
{
    for (size_t i = 0; p->count > 0 && i < BOARD_ROWS; i++)
        poster_remove(p, i);
}

void
poster_get(const struct poster *p, size_t place, struct board_row *ret)
{
    uint64_t words[BOARD_ROW_WORDS];
    for (size_t i = 0; i < BOARD_ROW_WORDS; i++)
        words[i] = load(&p->board->slots[place], i);
    memcpy(ret, words, sizeof *ret);
}

void
poster_count(struct poster *p, size_t place, const struct poster_count *counts, size_t count)
{
    struct board_slot *slot = &p->board->slots[place];
    uint64_t turn = begin_turn(slot);
    for (size_t i = 0; i < count; i++) {
        store(slot, WORD_OF(since) + counts[i].dimension, counts[i].since);
        store(slot, WORD_OF(held) + counts[i].dimension, counts[i].held);
    }
    end_turn(slot, turn);
}

void
poster_basis(const struct poster *p, size_t place, uint64_t *ret_position, int64_t *ret_from_ms)
{
    const struct board_slot *slot = &p->board->slots[place];
    *ret_position = load(slot, WORD_OF(position));
    *ret_from_ms = (int64_t)load(slot, WORD_OF(count_from_ms));
}
