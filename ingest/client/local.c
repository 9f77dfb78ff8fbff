#include "ingest/client/local.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WANT_FIRST = 0, WANT_NEXT = 1, WANT_PAUSE_MS = 1000 };

bool
local_init(struct local *l)
{
    return pthread_rwlock_init(&l->lock, NULL) == 0;
}

static void
unmap(const struct board *board)
{
    if (board != NULL)
        munmap((void *)(uintptr_t)board, sizeof *board);
}

void
local_clear(struct local *l, bool is_ours)
{
    unmap(l->board);
    if (is_ours)
        pthread_rwlock_destroy(&l->lock);
}

/* As limit_message_read() fills it from the agent's words. */
static void
give(const struct answer *a, struct gbill_limit_answer *ret)
{
    *ret = (struct gbill_limit_answer){
        .allowed = a->allowed,
        .known = a->known,
        .used = a->used,
        .held = a->held,
        .limit = a->limit,
        .remaining = answer_remaining(a),
        .reset_at_utc_ms = a->reset_ms,
        .requests_per_minute = a->requests_per_minute,
        .tokens_per_minute = a->tokens_per_minute,
        .position = a->position,
    };
    snprintf(ret->state, sizeof ret->state, "%s", a->state);
    snprintf(ret->reason, sizeof ret->reason, "%s", a->reason);
    snprintf(ret->plan, sizeof ret->plan, "%s", a->plan != NULL ? a->plan : "");
    snprintf(ret->upgrade_to, sizeof ret->upgrade_to, "%s", a->upgrade != NULL ? a->upgrade : "");
}

/* What is wrong with a question, the agent says. */
static bool
read_question(const struct gbill_limit_question *q, enum limit_dimension *ret_dimension,
              uint64_t *ret_amount)
{
    if (!judge_action(str_of(q->action != NULL ? q->action : "ai"), ret_dimension) ||
        q->tokens > EVENT_COUNT_MAX || q->max_tokens > EVENT_COUNT_MAX || q->life_ms > 3600000)
        return false;
    bool is_ai = *ret_dimension == LIMIT_AI_CREDITS;
    *ret_amount = is_ai && q->tokens > 0 ? q->tokens : 1;
    return q->max_tokens == 0 || is_ai;
}

static bool
is_valid(const struct board_row *row, int64_t now_utc_ms)
{
    return now_utc_ms >= row->valid_from_ms && now_utc_ms < row->valid_until_ms;
}

bool
local_answer(struct local *l, const struct gbill_limit_question *q, int64_t now_utc_ms,
             int64_t now_ms, struct gbill_limit_answer *ret)
{
    enum limit_dimension dimension;
    uint64_t amount;
    struct board_row row;
    struct answer a;
    if (!read_question(q, &dimension, &amount) || pthread_rwlock_tryrdlock(&l->lock) != 0)
        return false;
    bool found = l->board != NULL && board_is_alive(l->board, now_ms) &&
                 board_find(l->board, str_of(q->organization_id), &row);
    pthread_rwlock_unlock(&l->lock);
    if (!found || !is_valid(&row, now_utc_ms))
        return false;
    judge_row(&row, dimension, amount, &a);
    give(&a, ret);
    return true;
}

bool
local_wants(struct local *l, int64_t now_ms)
{
    int64_t want_ms = atomic_load_explicit(&l->want_ms, memory_order_relaxed);
    if (want_ms == WANT_FIRST) { /* who asks once has no use for it */
        (void)atomic_compare_exchange_strong(&l->want_ms, &want_ms, WANT_NEXT);
        return false;
    }
    if (now_ms < want_ms || pthread_rwlock_tryrdlock(&l->lock) != 0)
        return false;
    bool has_one = l->board != NULL && board_is_alive(l->board, now_ms);
    pthread_rwlock_unlock(&l->lock);
    return !has_one &&
           atomic_compare_exchange_strong(&l->want_ms, &want_ms, now_ms + WANT_PAUSE_MS);
}

/* Nobody can cut it short under us, or read of it would end this process. */
static bool
is_sealed(int fd)
{
    struct stat st;
    int seals = fcntl(fd, F_GET_SEALS);
    return seals >= 0 && (seals & F_SEAL_SHRINK) != 0 && fstat(fd, &st) == 0 &&
           st.st_size == (off_t)sizeof(struct board);
}

static const struct board *
map_board(int fd)
{
    if (!is_sealed(fd))
        return NULL;
    void *map = mmap(NULL, sizeof(struct board), PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        return NULL;
    const struct board *board = map;
    if (board->magic == BOARD_MAGIC && board->size_bytes == sizeof *board)
        return board;
    unmap(board);
    return NULL;
}

void
local_take(struct local *l, int fd)
{
    const struct board *board = map_board(fd);
    close(fd);
    if (board == NULL)
        return;
    pthread_rwlock_wrlock(&l->lock);
    const struct board *old = l->board;
    l->board = board;
    pthread_rwlock_unlock(&l->lock);
    unmap(old);
}
