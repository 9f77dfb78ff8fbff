/*
 * rollup/sum.h - usage summed in memory: key -> sums, in two cache lines.
 *
 * The sums of one transaction, so counts of calls fit 32 bits.  Classes and fees
 * that few calls have are kept apart.  A sum may be negative, modulo its width,
 * where events of an earlier transaction were voided.
 */
#ifndef ROLLUP_SUM_H
#define ROLLUP_SUM_H

#include "rollup/batch.h"
#include "rollup/map.h"
#include "store/base/list.h"
#include "store/tables/balance.h"
#include "store/tables/usage.h"

struct sum {
    money_sum cost_pico;
    uint64_t tokens[EVENT_TEXT_CLASSES], reasoning_tokens, latency_us;
    uint32_t calls, failed_calls, estimated_calls, unpriced_calls;
    uint32_t rare; /* index + 1 into sums->rare; 0: none */
};

struct sums {
    struct map map;   /* USAGE_KEY_BYTES -> struct sum */
    struct list rare; /* struct sum_rare */
};

void sums_init(struct sums *sums);
void sums_clear(struct sums *sums);
void sums_reset(struct sums *sums); /* empty, keeps its memory */

/*
 * Add a call, or with sign -1 take it away.
 *
 *   hash  map_hash() of the key
 *
 * Returns false out of memory.
 */
bool sums_add(struct sums *sums, const uint8_t key[USAGE_KEY_BYTES], uint64_t hash,
              const struct batch_usage *usage, int sign) __attribute__((warn_unused_result));

/* Add the sum of an entry of other sums; false out of memory. */
bool sums_add_entry(struct sums *sums, const uint8_t key[USAGE_KEY_BYTES], const struct sums *from,
                    uint32_t index) __attribute__((warn_unused_result));

/* Add a sum's calls to the columns of what became of them. */
void sum_to_balance(const struct sum *sum, struct balance *balance);

/* An entry as a row, to be added to the table's modulo 2^64. */
struct usage_row sums_row(const struct sums *sums, uint32_t index);

#endif
