/*
 * reports/spikes/spike_words.h - a spike in one or two sentences.
 */
#ifndef REPORTS_SPIKES_SPIKE_WORDS_H
#define REPORTS_SPIKES_SPIKE_WORDS_H

#include "store/tables/spike.h"

/*
 * Write row->text from all its other columns.  Amounts are rounded for show only.
 *
 *   parts  the drivers' excess of the leading measure: calls, tokens or picos
 */
void spike_words(struct tables_txn *txn, struct spike *row,
                 const money_sum parts[SPIKE_SCOPE_COUNT]);

/* "user u7", "model openai gpt-4o", "acme" of an organization; cut to fit, never within UTF-8. */
enum { SPIKE_SUBJECT_BYTES = 160 };
void spike_subject_text(struct tables_txn *txn, uint32_t organization,
                        const struct spike_subject *subject, char text[SPIKE_SUBJECT_BYTES]);

/* actual as a percentage of usual, rounded down; UINT64_MAX where nothing is usual. */
uint64_t spike_percent(money_sum actual, money_sum usual);

#endif
