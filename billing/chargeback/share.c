#include <assert.h>
#include <stdlib.h>

#include "billing/chargeback/chargeback.h"

/* One part's fraction of a unit. */
struct fraction {
    struct chargeback_part *part;
    money_sum rest; /* of the division by the sum of the weights */
};

static int
by_fraction(const void *a, const void *b)
{
    const struct fraction *x = a, *y = b;
    if (x->rest != y->rest)
        return x->rest < y->rest ? 1 : -1;
    return str_compare(x->part->value, y->part->value);
}

static money_sum
cost_of(const struct chargeback_part *p)
{
    return p->llm_cost_pico > 0 ? p->llm_cost_pico : 0;
}

static enum err_code
too_large(struct err *err)
{
    return err_set(err, ERR_LIMIT, "an amount and its costs are too large to be split exactly");
}

/* Whole units to everyone; what each has left over into fractions. */
static enum err_code
give_whole(struct chargeback_part *parts, size_t count, money_sum amount, bool by_cost,
           money_sum sum, struct fraction *fractions, money_sum *ret_left, struct err *err)
{
    money_sum left = amount;
    for (size_t i = 0; i < count; i++) {
        money_sum weight = by_cost ? cost_of(&parts[i]) : (money_sum)parts[i].credits, product;
        if (__builtin_mul_overflow(weight, amount, &product))
            return too_large(err);
        parts[i].amount_minor = (int64_t)(product / sum);
        left -= product / sum;
        fractions[i] = (struct fraction){&parts[i], product % sum};
    }
    *ret_left = left;
    return ERR_OK;
}

enum err_code
chargeback_share(struct chargeback_part *parts, size_t count, int64_t total_minor, struct err *err)
{
    money_sum costs = 0, credits = 0, left = 0;
    money_sum amount = total_minor < 0 ? -(money_sum)total_minor : total_minor;
    size_t without = 0;
    assert(count > 0);
    for (size_t i = 0; i < count; i++) {
        if (__builtin_add_overflow(costs, cost_of(&parts[i]), &costs))
            return too_large(err);
        credits += parts[i].credits;
        parts[i].amount_minor = 0;
        without = parts[i].value.size_bytes == 0 ? i : without;
    }
    if (costs == 0 && credits == 0) {
        parts[without].amount_minor = total_minor;
        return ERR_OK;
    }
    struct fraction *fractions = malloc(count * sizeof *fractions);
    if (fractions == NULL)
        return err_set(err, ERR_LIMIT, "no memory to split an amount over %zu parts", count);
    enum err_code code = give_whole(parts, count, amount, costs > 0, costs > 0 ? costs : credits,
                                    fractions, &left, err);
    if (code == ERR_OK) {
        assert(left >= 0 && left < (money_sum)count);
        qsort(fractions, count, sizeof *fractions, by_fraction);
        for (money_sum i = 0; i < left; i++)
            fractions[i].part->amount_minor++;
        for (size_t i = 0; total_minor < 0 && i < count; i++)
            parts[i].amount_minor = -parts[i].amount_minor;
    }
    free(fractions);
    return code;
}
