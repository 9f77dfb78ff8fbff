#include "rollup/ratio_learn.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "rollup/calls.h"
#include "rollup/map.h"
#include "store/base/clock.h"
#include "store/base/file.h"
#include "store/base/json.h"
#include "store/base/money.h"
#include "store/tables/cursor.h"
#include "store/tables/dict.h"

enum {
    TEXT_BYTES_MAX = 64 * 1024 * 1024,
    BOOK_MODE = 0640,
    LOCK_TRIES = 1200,
    LOCK_REST_MS = 50,
    BUCKETS = RATIO_PER_MILLE_MAX + 2, /* the last: beyond */
};

struct key {
    uint32_t provider, model, side; /* dictionary, dictionary, enum event_side */
};

/* One key's calls. */
struct tally {
    int64_t calls, bytes, tokens;
    int64_t measured; /* in the second pass: calls so far */
    uint32_t *errors; /* BUCKETS, by per mille; NULL: too few calls */
};

struct pass {
    const struct ratio_learn_options *options;
    struct tables *tables;
    struct tables_txn *txn;
    struct dict dict;
    struct map tallies; /* struct key -> struct tally */
    bool measures;      /* the second pass */
    int64_t from_ms, to_ms;
};

static const struct bytes day_key = {(const uint8_t *)"ratios day", 10};

static enum err_code
no_memory(struct err *err)
{
    return err_set(err, ERR_LIMIT, "no memory to learn ratios; ask for fewer --days");
}

static uint64_t
tokens_of(const struct event_usage *u, enum event_side side)
{
    const uint64_t *n = u->tokens;
    return side == EVENT_RECEIVED ? n[EVENT_OUTPUT]
                                  : n[EVENT_INPUT] + n[EVENT_CACHE_READ] + n[EVENT_CACHE_WRITE] +
                                        n[EVENT_CACHE_WRITE_1H];
}

static bool
is_evidence(const struct event_usage *u)
{
    return !u->failed && !u->estimated && u->uncounted == 0 && !u->media && !u->charged_uses &&
           u->iterations.size_bytes == 0;
}

/* The sums are far below their bound, or the call is left out of them. */
static void
add(struct tally *t, int64_t bytes, int64_t tokens)
{
    if (t->calls++ % 2 != 0 || t->bytes > RATIO_SUM_MAX - bytes ||
        t->tokens > RATIO_SUM_MAX - tokens)
        return;
    t->bytes += bytes;
    t->tokens += tokens;
}

static void
measure(struct tally *t, uint64_t bytes, uint64_t tokens)
{
    const struct ratio ratio = {.bytes = t->bytes, .tokens = t->tokens};
    uint64_t estimate = 0;
    if (t->measured++ % 2 == 0 || t->errors == NULL)
        return;
    size_t bucket = BUCKETS - 1;
    if (ratio_tokens(&ratio, bytes, &estimate)) {
        uint64_t off = tokens > estimate ? tokens - estimate : estimate - tokens;
        uint64_t per_mille = (off * 1000 + estimate - 1) / estimate; /* off <= 10^12 */
        bucket = per_mille < bucket ? (size_t)per_mille : bucket;
    }
    t->errors[bucket]++;
}

static enum err_code
visit(void *context, const struct event *event, int64_t receive_utc_ms, struct err *err)
{
    struct pass *p = context;
    const struct event_usage *u = &event->usage;
    enum err_code code = ERR_OK;
    (void)receive_utc_ms;
    if (!is_evidence(u))
        return ERR_OK;
    for (int s = 0; code == ERR_OK && s < EVENT_SIDES; s++) {
        struct key key = {.side = (uint32_t)s};
        uint64_t bytes = u->bytes[s], tokens = tokens_of(u, (enum event_side)s);
        if (bytes == 0 || tokens == 0)
            continue;
        code = dict_intern(&p->dict, p->txn, u->provider, &key.provider, err);
        if (code == ERR_OK)
            code = dict_intern(&p->dict, p->txn, u->model, &key.model, err);
        if (code != ERR_OK)
            return code;
        struct tally *t = map_at(&p->tallies, &key, map_hash(&p->tallies, &key));
        if (t == NULL)
            code = no_memory(err);
        else if (p->measures)
            measure(t, bytes, tokens);
        else
            add(t, (int64_t)bytes, (int64_t)tokens);
    }
    return code;
}

static enum err_code
walk(struct pass *p, struct err *err)
{
    const struct calls_options calls = {
        .data_directory = p->options->data_directory,
        .txn = p->txn,
        .from_ms = p->from_ms,
        .to_ms = p->to_ms,
        .progress = p->options->progress,
        .progress_context = p->options->context,
    };
    enum err_code code = calls_walk(&calls, visit, p, err);
    return code == ERR_NOT_FOUND ? ERR_OK : code; /* no log, or none of those days any more */
}

static enum err_code
make_room(struct pass *p, struct err *err)
{
    for (uint32_t i = 0; i < p->tallies.count; i++) {
        struct tally *t = map_value_of(&p->tallies, i);
        if (t->calls < p->options->calls_min)
            continue;
        t->errors = calloc(BUCKETS, sizeof *t->errors);
        if (t->errors == NULL)
            return no_memory(err);
    }
    p->measures = true;
    return ERR_OK;
}

/* The k-th smallest error of the half that was measured; BUCKETS - 1: beyond. */
static int64_t
bound_of(const struct tally *t)
{
    int64_t m = t->calls / 2, k = (95 * (m + 1) + 99) / 100, seen = 0;
    assert(k <= m); /* from 40 calls on */
    for (int64_t e = 0; e < BUCKETS; e++) {
        seen += t->errors[e];
        if (seen >= k)
            return e;
    }
    return BUCKETS - 1;
}

static enum err_code
add_finding(struct pass *p, const struct key *key, const struct tally *t, struct ratio_learned *r,
            struct err *err)
{
    struct str provider = dict_text(p->txn, key->provider), model = dict_text(p->txn, key->model);
    struct ratio_finding f = {
        .ratio = {.provider = {arena_text(&r->texts, provider), provider.size_bytes},
                  .model = {arena_text(&r->texts, model), model.size_bytes},
                  .side = (enum event_side)key->side,
                  .from_ms = p->from_ms,
                  .to_ms = p->to_ms,
                  .calls = t->calls},
        .news = RATIO_TOO_FEW,
    };
    if (t->errors != NULL) {
        f.ratio.bytes = t->bytes;
        f.ratio.tokens = t->tokens;
        f.ratio.error_per_mille = bound_of(t);
        f.news = f.ratio.error_per_mille > RATIO_PER_MILLE_MAX ? RATIO_TOO_WIDE : RATIO_UNCHANGED;
    }
    return f.ratio.provider.data != NULL && f.ratio.model.data != NULL && list_add(&r->findings, &f)
               ? ERR_OK
               : no_memory(err);
}

static int
by_key(const void *a, const void *b)
{
    const struct ratio *x = &((const struct ratio_finding *)a)->ratio;
    const struct ratio *y = &((const struct ratio_finding *)b)->ratio;
    int order = str_compare(x->provider, y->provider);
    if (order == 0)
        order = str_compare(x->model, y->model);
    return order != 0 ? order : (x->side > y->side) - (x->side < y->side);
}

static enum err_code
read_log(struct pass *p, struct ratio_learned *r, struct err *err)
{
    enum err_code code = walk(p, err);
    if (code == ERR_OK)
        code = make_room(p, err);
    if (code == ERR_OK)
        code = walk(p, err);
    for (uint32_t i = 0; code == ERR_OK && i < p->tallies.count; i++) {
        struct key key;
        memcpy(&key, map_key(&p->tallies, i), sizeof key);
        code = add_finding(p, &key, map_value(&p->tallies, i), r, err);
    }
    if (r->findings.count > 1)
        qsort(r->findings.items, r->findings.count, sizeof(struct ratio_finding), by_key);
    return code;
}

static bool
is_news(const struct ratio *now, const struct ratio *last)
{
    if (last == NULL)
        return true;
    int64_t moved = now->error_per_mille - last->error_per_mille;
    money_sum a = (money_sum)now->tokens * last->bytes, b = (money_sum)last->tokens * now->bytes;
    int64_t tenth = last->error_per_mille / 10;
    moved = moved < 0 ? -moved : moved;
    return (a > b ? a - b : b - a) >= b / 100 || moved >= (tenth > 20 ? tenth : 20);
}

/* Behind all that was folded without the new rows, and behind every row there is. */
static int64_t
recorded_ms(const struct pass *p, const struct ratio_book *book, const struct cursor *cursor)
{
    int64_t ms = p->options->now_utc_ms;
    if (ms <= cursor->receive_utc_ms)
        ms = cursor->receive_utc_ms + 1;
    for (size_t i = 0; i < book->count; i++) {
        if (ms <= book->rows[i].recorded_ms)
            ms = book->rows[i].recorded_ms + 1;
    }
    return ms;
}

static enum err_code
write_book(const struct pass *p, const struct ratio_book *book, const struct list *rows,
           struct err *err)
{
    char path[FILE_PATH_BYTES_MAX];
    struct buf text;
    buf_init(&text, JSON_FILE_BYTES_MAX);
    enum err_code code = ratio_book_write(book, rows->items, rows->count, &text, err);
    if (code == ERR_OK)
        code = file_path(path, p->options->data_directory, RATIO_FILE_NAME, err);
    if (code == ERR_OK)
        code = file_replace(path, BOOK_MODE, (struct bytes){text.data, text.size_bytes}, err);
    buf_clear(&text);
    return code;
}

/* Append what is news.  No fold runs meanwhile. */
static enum err_code
append(struct pass *p, const struct cursor *cursor, struct ratio_learned *r, struct err *err)
{
    struct ratio_book *book = NULL;
    struct list rows;
    enum err_code code = ratio_book_load(p->options->data_directory, &book, err);
    if (code != ERR_OK)
        return code;
    int64_t ms = recorded_ms(p, book, cursor);
    list_init(&rows, sizeof(struct ratio));
    for (size_t i = 0; code == ERR_OK && i < r->findings.count; i++) {
        struct ratio_finding *f = (struct ratio_finding *)r->findings.items + i;
        const struct ratio *now = &f->ratio;
        if (f->news != RATIO_UNCHANGED ||
            !is_news(now, ratio_find(book, now->provider, now->model, now->side, RATIO_NEWEST)))
            continue;
        f->news = RATIO_ADDED;
        f->ratio.recorded_ms = ms;
        if (!list_add(&rows, &f->ratio))
            code = no_memory(err);
    }
    if (code == ERR_OK && rows.count > 0)
        code = write_book(p, book, &rows, err);
    list_clear(&rows);
    ratio_book_free(book);
    return code;
}

/* A fold takes a moment; one that catches up may take longer than it is waited for. */
static enum err_code
lock_folds(const struct pass *p, int *ret_fd, struct err *err)
{
    char path[FILE_PATH_BYTES_MAX];
    enum err_code code = file_path(path, p->options->data_directory, "rollup.lock", err);
    if (code != ERR_OK)
        return code;
    code = file_lock(path, "gbill rollup", ret_fd, err);
    for (int i = 0; code == ERR_BUSY && i < LOCK_TRIES; i++) {
        nanosleep(&(struct timespec){0, LOCK_REST_MS * 1000000}, NULL);
        code = file_lock(path, "gbill rollup", ret_fd, err);
    }
    return code;
}

static enum err_code
keep(struct pass *p, struct ratio_learned *r, struct err *err)
{
    struct tables_txn *txn = NULL;
    uint8_t day[8];
    int fd = -1;
    enum err_code code = lock_folds(p, &fd, err);
    if (code == ERR_OK)
        code = tables_begin(p->tables, TABLES_WRITE, &txn, err);
    if (code == ERR_OK) {
        const struct cursor cursor = cursor_get(txn);
        code = append(p, &cursor, r, err);
    }
    put_le64(day, (uint64_t)(p->to_ms / TIME_DAY_MS));
    if (code == ERR_OK)
        code = tables_put(txn, TABLE_META, day_key, (struct bytes){day, sizeof day}, err);
    if (code == ERR_OK)
        code = tables_commit(txn, err);
    else
        tables_abort(txn);
    if (fd >= 0)
        close(fd);
    return code;
}

static bool
was_done(const struct pass *p)
{
    struct bytes day;
    return !p->options->again && tables_get(p->txn, TABLE_META, day_key, &day) &&
           day.size_bytes == 8 && get_le64(day.data) == (uint64_t)(p->to_ms / TIME_DAY_MS);
}

static void
pass_clear(struct pass *p)
{
    for (uint32_t i = 0; i < p->tallies.count; i++) {
        struct tally *t = map_value_of(&p->tallies, i);
        free(t->errors);
    }
    map_clear(&p->tallies);
    dict_clear(&p->dict);
    tables_abort(p->txn);
    tables_close(p->tables);
}

enum err_code
ratio_learn(const struct ratio_learn_options *options, struct ratio_learned *ret, struct err *err)
{
    struct pass p = {.options = options};
    struct ratio_learned r = {.was_done = false};
    assert(options->days >= 1 && options->calls_min >= RATIO_CALLS_MIN);
    p.to_ms = options->now_utc_ms / TIME_DAY_MS * TIME_DAY_MS;
    p.from_ms = p.to_ms - options->days * TIME_DAY_MS;
    if (p.from_ms < 0)
        p.from_ms = 0;
    map_init(&p.tallies, sizeof(struct key), sizeof(struct tally));
    list_init(&r.findings, sizeof(struct ratio_finding));
    arena_init(&r.texts, TEXT_BYTES_MAX);
    enum err_code code = tables_open(options->data_directory, TABLES_WRITE, &p.tables, err);
    if (code == ERR_OK)
        code = tables_begin(p.tables, TABLES_READ, &p.txn, err);
    if (code == ERR_OK)
        r.was_done = was_done(&p);
    if (code == ERR_OK && !r.was_done)
        code = read_log(&p, &r, err);
    tables_abort(p.txn);
    p.txn = NULL;
    if (code == ERR_OK && !r.was_done)
        code = keep(&p, &r, err);
    pass_clear(&p);
    if (code == ERR_OK)
        *ret = r;
    else
        ratio_learned_clear(&r);
    return code;
}

void
ratio_learned_clear(struct ratio_learned *learned)
{
    list_clear(&learned->findings);
    arena_clear(&learned->texts);
}

const char *
ratio_news_name(enum ratio_news news)
{
    static const char *const names[] = {"added", "unchanged", "too few calls", "too wide"};
    return names[news];
}
