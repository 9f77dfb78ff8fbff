/*
 * store/postgres/published_spike.h - rows of spikes, for published[].
 */
#ifndef STORE_POSTGRES_PUBLISHED_SPIKE_H
#define STORE_POSTGRES_PUBLISHED_SPIKE_H

#include "store/postgres/copy.h"

/* As put_key and put_row of struct published. */
void published_spike_key(struct copy *copy, struct bytes key);
void published_spike_row(struct copy *copy, struct bytes key, struct bytes value);

#endif
