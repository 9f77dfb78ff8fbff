/*
 * store/postgres/published_optimize.h - rows of recommendations and efficiency, for
 * published[].
 */
#ifndef STORE_POSTGRES_PUBLISHED_OPTIMIZE_H
#define STORE_POSTGRES_PUBLISHED_OPTIMIZE_H

#include "store/base/bytes.h"
#include "store/postgres/copy.h"

void published_recommendation_key(struct copy *copy, struct bytes key);
void published_recommendation_row(struct copy *copy, struct bytes key, struct bytes value);

void published_efficiency_key(struct copy *copy, struct bytes key);
void published_efficiency_row(struct copy *copy, struct bytes key, struct bytes value);

#endif
