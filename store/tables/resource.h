/*
 * store/tables/resource.h - projects, documents and members that exist.
 *
 * resources: (organization, type, resource) -> exists, and the event time and
 * sequence number that said so; an older event never undoes a newer one.
 * resource_counts: (organization, type) -> how many exist now.
 */
#ifndef STORE_TABLES_RESOURCE_H
#define STORE_TABLES_RESOURCE_H

#include "store/event/event.h"
#include "store/tables/tables.h"

/*
 * Apply one resource event.  Creating what exists or deleting what does not
 * changes no count.
 *
 *   resource  dictionary number of resourceId
 */
enum err_code resource_apply(struct tables_txn *txn, uint32_t organization,
                             enum event_resource_type type, uint32_t resource, bool created,
                             int64_t time_utc_ms, uint64_t seq, struct err *err) ERR_MUST_CHECK;

/* How many of a type exist. */
uint64_t resource_count(struct tables_txn *txn, uint32_t organization,
                        enum event_resource_type type);

#endif
