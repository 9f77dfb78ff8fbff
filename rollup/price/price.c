#include "rollup/price/price.h"

#include <assert.h>
#include <string.h>

#include "store/base/money.h"

/* The better of two rows among those known on receipt, and among those learned later. */
struct pick {
    const struct price_when *known, *late;
};

/* schemas/prices.md, "Which row": a row is offered, the better one kept. */
static inline void
pick_offer(struct pick *pick, const struct price_when *w, int64_t event_ms, int64_t receive_ms)
{
    if (w->from_ms > event_ms)
        return;
    if (w->recorded_ms <= receive_ms) {
        const struct price_when *k = pick->known;
        if (w->retracted_ms > receive_ms &&
            (k == NULL || w->from_ms > k->from_ms ||
             (w->from_ms == k->from_ms && w->recorded_ms > k->recorded_ms)))
            pick->known = w;
        return;
    }
    const struct price_when *l = pick->late;
    if (w->retracted_ms == PRICE_NEVER &&
        (l == NULL || w->recorded_ms < l->recorded_ms ||
         (w->recorded_ms == l->recorded_ms && w->from_ms > l->from_ms)))
        pick->late = w;
}

static inline const struct price_when *
pick_result(const struct pick *pick)
{
    return pick->known != NULL ? pick->known : pick->late;
}

const struct price_model *
price_id_model(const struct price_id *id, int64_t event_ms, int64_t receive_ms)
{
    if (id->model != NULL)
        return id->model;
    struct pick pick = {NULL, NULL};
    for (const struct price_alias *a = id->aliases; a != NULL; a = a->next)
        pick_offer(&pick, &a->when, event_ms, receive_ms);
    /* when is the first member of both kinds of row. */
    const struct price_alias *a = (const struct price_alias *)(const void *)pick_result(&pick);
    return a != NULL ? a->model : NULL;
}

static struct pick
pick_row(const struct price_rows *rows, const struct price_query *q)
{
    struct pick pick = {NULL, NULL};
    for (size_t i = 0; i < rows->count; i++)
        pick_offer(&pick, &rows->rows[i].when, q->event_ms, q->receive_ms);
    return pick;
}

static const struct price_override *
find_override(const struct price_model *model, struct str organization)
{
    size_t low = 0, high = model->override_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = str_compare(model->overrides[middle].organization, organization);
        if (order == 0)
            return &model->overrides[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

const struct price_row *
price_model_row(const struct price_model *model, enum price_tier tier,
                const struct price_query *query)
{
    struct pick all = pick_row(&model->tiers[tier], query);
    const struct price_override *own =
        model->override_count > 0 ? find_override(model, query->organization) : NULL;
    const struct price_when *w = pick_result(&all);
    if (own != NULL) {
        struct pick mine = pick_row(&own->tiers[tier], query);
        /* Among prices learned late the first learned stays, or a grown book would change it. */
        bool late = all.known == NULL && mine.late != NULL &&
                    (all.late == NULL || mine.late->recorded_ms <= all.late->recorded_ms);
        if (mine.known != NULL)
            w = mine.known;
        else if (late)
            w = mine.late;
    }
    return (const struct price_row *)(const void *)w;
}

_Static_assert(offsetof(struct price_alias, when) == 0 && offsetof(struct price_row, when) == 0,
               "pick_result() is cast back to the row it belongs to");

const struct price_band *
price_row_band(const struct price_row *row, uint64_t total_input_tokens)
{
    if (row == NULL)
        return NULL;
    for (size_t i = row->band_count; i > 0; i--) {
        if (total_input_tokens >= row->bands[i - 1].first_tokens)
            return &row->bands[i - 1];
    }
    return NULL;
}

bool
price_factor_find(const struct price_row *row, const struct price_row *other,
                  enum price_dimension dimension, struct str word, int64_t *ret_millionths)
{
    const struct price_row *rows[] = {row, other};
    *ret_millionths = PRICE_FACTOR_ONE;
    if (word.size_bytes == 0)
        return true;
    for (size_t r = 0; r < 2; r++) {
        const struct price_factors *f = rows[r] != NULL ? &rows[r]->factors[dimension] : NULL;
        for (size_t i = 0; f != NULL && i < f->count; i++) {
            if (str_equal(f->rows[i].word, word)) {
                *ret_millionths = f->rows[i].millionths;
                return true;
            }
        }
    }
    return dimension == PRICE_REGION ? str_is(word, "global") || str_is(word, "not_available")
                                     : str_is(word, "standard");
}

bool
price_scale(int64_t pico, int64_t a_millionths, int64_t b_millionths, int64_t *ret_pico)
{
    /* Factors are at most 10^9 millionths: 63 + 30 + 30 bits. */
    const money_sum one = (money_sum)PRICE_FACTOR_ONE * PRICE_FACTOR_ONE;
    money_sum product = (money_sum)pico * a_millionths * b_millionths;
    if (product % one != 0 || product / one > INT64_MAX)
        return false;
    *ret_pico = (int64_t)(product / one);
    return true;
}

bool
price_tier_find(struct str word, enum price_tier *ret_tier)
{
    static const struct {
        const char *word;
        enum price_tier tier;
    } words[] = {
        {"standard", PRICE_STANDARD}, {"default", PRICE_STANDARD}, {"auto", PRICE_STANDARD},
        {"batch", PRICE_BATCH},       {"flex", PRICE_FLEX},        {"priority", PRICE_PRIORITY},
        {"fast", PRICE_PRIORITY},
    };
    if (word.size_bytes == 0) {
        *ret_tier = PRICE_STANDARD;
        return true;
    }
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (str_is(word, words[i].word)) {
            *ret_tier = words[i].tier;
            return true;
        }
    }
    return false;
}

const char *
price_tier_name(enum price_tier tier)
{
    static const char *const names[] = {
#define PRICE_TIER_TEXT(name, text) [PRICE_##name] = text,
        PRICE_TIER_NAMES(PRICE_TIER_TEXT)
#undef PRICE_TIER_TEXT
    };
    assert(tier < PRICE_TIERS);
    return names[tier];
}

const struct price_id *
price_book_find(const struct price_book *book, struct str provider, struct str model)
{
    uint64_t hash;
    if (!price_id_hash(provider, model, &hash))
        return NULL;
    for (size_t slot = (size_t)hash & book->slot_mask;; slot = (slot + 1) & book->slot_mask) {
        uint32_t index = book->slots[slot];
        if (index == 0)
            return NULL;
        const struct price_id *id = &book->ids[index - 1];
        if (str_equal(id->id, model) && str_equal(id->provider, provider))
            return id;
    }
}

bool
price_id_hash(struct str provider, struct str id, uint64_t *ret_hash)
{
    uint8_t key[EVENT_TEXT_BYTES_MAX + EVENT_MODEL_BYTES_MAX];
    if (provider.size_bytes == 0 || provider.size_bytes > EVENT_TEXT_BYTES_MAX ||
        id.size_bytes == 0 || id.size_bytes > EVENT_MODEL_BYTES_MAX)
        return false;
    memcpy(key, provider.data, provider.size_bytes);
    memcpy(key + provider.size_bytes, id.data, id.size_bytes);
    *ret_hash = hash_mem(key, provider.size_bytes + id.size_bytes);
    return true;
}

void
price_book_free(struct price_book *book)
{
    if (book == NULL)
        return;
    /* The book lies in its own arena. */
    struct arena arena = book->arena;
    arena_clear(&arena);
}
