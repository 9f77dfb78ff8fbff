/*
 * ingest/reader.h - what a connection sends becomes part of the batch that is
 * filled: read, cut into messages, admitted; and how it ends that sends rubbish,
 * or half a message for too long.
 */
#ifndef INGEST_READER_H
#define INGEST_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "ingest/admit.h"
#include "ingest/clients.h"
#include "ingest/collect.h"
#include "ingest/handover.h"
#include "ingest/rest.h"
#include "store/base/clock.h"
#include "store/base/inflate.h"

struct reader {
    struct clock clock;
    struct clients *clients;     /* borrowed */
    struct handover *handover;   /* borrowed */
    struct collector *collector; /* borrowed; NULL: nothing is shipped to us */
    struct live *live;           /* borrowed */
    struct rest rest;
    uint8_t *room;
    struct inflater *inflater;
    struct admit_counts admitted;
    uint64_t received_bytes;
    bool is_shut;   /* nothing is read: the agent ends */
    bool disk_full; /* nor now */
};

/* reader_close() it, also after an error.  Errors: ERR_LIMIT (memory). */
enum err_code reader_open(struct reader *r, struct clock clock, struct clients *clients,
                          struct handover *handover, struct err *err) ERR_MUST_CHECK;
void reader_close(struct reader *r);

/* Something happened to a connection: epoll's events.  Reads if reader_may_read(). */
void reader_serve(struct reader *r, struct conn *conn, uint32_t events);

/* Monotonic; when reader_on_time() has something to do; 0: never. */
int64_t reader_due_us(const struct reader *r, int64_t now_us);

/* Read those again who have rested, and close those whose time is over. */
void reader_on_time(struct reader *r, int64_t now_us);

/* Is there room for what would be read?  Else nobody is to blame for being slow either. */
bool reader_may_read(const struct reader *r);

#endif
