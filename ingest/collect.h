/*
 * ingest/collect.h - the collector: a thread that stores what other hosts ship.
 *
 * The io thread hands it whole messages; it applies them in their order, flushes, and
 * hands back the answers, which the io thread sends.  So the flushes of copies hold up
 * nobody's events, and a full disk holds up whoever ships.
 *
 * It writes to its wake_fd, an eventfd, whenever there is something to see.
 */
#ifndef INGEST_COLLECT_H
#define INGEST_COLLECT_H

#include <stdbool.h>
#include <stdint.h>

#include "ingest/clients.h"
#include "ingest/copies.h"
#include "store/base/bytes.h"
#include "store/base/err.h"

enum {
    /* Over this nobody who ships is read; it may be exceeded by what one read brought. */
    COLLECT_QUEUE_BYTES_MAX = 4 * 1024 * 1024,
};

struct collector;

/*
 * Start the thread; it inherits the caller's signal mask.
 *
 *   data      borrowed: copies are kept in <data>/hosts
 *   retry_ms  how long to wait between two tries on a full disk
 *
 * Errors: ERR_LIMIT, ERR_IO.
 */
enum err_code collect_start(const char *data, int64_t retry_ms, struct collector **ret,
                            struct err *err) ERR_MUST_CHECK;

/* What is queued is forgotten: it is not answered, so it is shipped again.  Accepts NULL. */
void collect_stop(struct collector *c);

/* Before the clients are closed: what is queued points at them.  Accepts NULL. */
void collect_free(struct collector *c);

int collect_wake_fd(const struct collector *c);

/* Is there room for more?  Else whoever ships rests in collect_waiting(). */
bool collect_has_room(const struct collector *c);
struct conn_queue *collect_waiting(struct collector *c);

/*
 * Take a message of a connection that has shown its key.
 *
 *   conn     conn->ships is set by its hello; it has one more to be owed
 *   message  borrowed; one whole msgpack value that ship_is()
 *
 * Returns NULL, or why it is refused: a fixed text.  Safe on any bytes.
 */
const char *collect_take(struct collector *c, struct conn *conn, struct bytes message)
    __attribute__((warn_unused_result));

/* Send the answers that are there, and read on whoever waited for room. */
void collect_answer(struct collector *c, struct clients *clients);

struct collect_state {
    enum err_code failed; /* not ERR_OK: a flush failed; it has ended */
    bool disk_full;       /* it tries the same message again and again */
    struct err err;       /* set only with failed or disk_full */
    struct copies_counts counts;
    uint64_t refused; /* messages */
};

void collect_state(struct collector *c, struct collect_state *ret);

#endif
