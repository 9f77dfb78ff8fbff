/*
 * store/postgres/published_forecast.h - rows of forecasts, for published[].
 */
#ifndef STORE_POSTGRES_PUBLISHED_FORECAST_H
#define STORE_POSTGRES_PUBLISHED_FORECAST_H

#include "store/base/bytes.h"
#include "store/postgres/copy.h"

void published_forecast_key(struct copy *copy, struct bytes key);
void published_forecast_row(struct copy *copy, struct bytes key, struct bytes value);

#endif
