#include "rollup/price/ratio.h"

#include <string.h>

#include "store/base/money.h"

/* By provider, model and side. */
static int
compare_key(const struct ratio *r, struct str provider, struct str model, enum event_side side)
{
    int order = str_compare(r->provider, provider);
    if (order == 0)
        order = str_compare(r->model, model);
    return order != 0 ? order : (r->side > side) - (r->side < side);
}

const struct ratio *
ratio_find(const struct ratio_book *book, struct str provider, struct str model,
           enum event_side side, int64_t receive_ms)
{
    size_t first = 0, end = book->count;
    /* The first row that is beyond the key, or was not known yet. */
    while (first < end) {
        size_t middle = first + (end - first) / 2;
        const struct ratio *r = &book->rows[middle];
        int order = compare_key(r, provider, model, side);
        if (order < 0 || (order == 0 && r->recorded_ms <= receive_ms))
            first = middle + 1;
        else
            end = middle;
    }
    if (first > 0 && compare_key(&book->rows[first - 1], provider, model, side) == 0)
        return &book->rows[first - 1];
    return first < book->count && compare_key(&book->rows[first], provider, model, side) == 0
               ? &book->rows[first]
               : NULL;
}

bool
ratio_tokens(const struct ratio *ratio, uint64_t bytes, uint64_t *ret_tokens)
{
    money_sum n = ((money_sum)bytes * ratio->tokens + ratio->bytes / 2) / ratio->bytes;
    if (n > (money_sum)EVENT_COUNT_MAX)
        return false;
    *ret_tokens = n == 0 && bytes > 0 ? 1 : (uint64_t)n;
    return true;
}

void
ratio_estimate(const struct ratio_book *book, int64_t receive_ms, struct event_usage *usage)
{
    static const enum event_class classes[EVENT_SIDES] = {EVENT_INPUT, EVENT_OUTPUT};
    struct event_usage *u = usage;
    if (u->uncounted == 0)
        return;
    bool known = true;
    for (int s = 0; known && s < EVENT_SIDES; s++) {
        if ((u->uncounted >> s & 1) == 0)
            continue;
        const struct ratio *r =
            ratio_find(book, u->provider, u->model, (enum event_side)s, receive_ms);
        known = r != NULL && ratio_tokens(r, u->bytes[s], &u->tokens[classes[s]]);
    }
    if (known) {
        u->uncounted = 0;
        u->estimated = true;
        return;
    }
    memset(u->tokens, 0, sizeof u->tokens);
    u->reasoning_tokens = 0;
}

static const char *const side_names[EVENT_SIDES] = {"input", "output"};

const char *
ratio_side_name(enum event_side side)
{
    return side_names[side];
}

bool
ratio_side_find(struct str name, enum event_side *ret_side)
{
    for (int s = 0; s < EVENT_SIDES; s++) {
        if (!str_is(name, side_names[s]))
            continue;
        *ret_side = (enum event_side)s;
        return true;
    }
    return false;
}
