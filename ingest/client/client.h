/*
 * ingest/client/client.h - a client's state.  Private to ingest/client.
 *
 * What stands under the mutex is for all threads; wire, spill and flights belong
 * to the sender's thread alone.  The mutex is never held while something waits.
 */
#ifndef INGEST_CLIENT_CLIENT_H
#define INGEST_CLIENT_CLIENT_H

#include <pthread.h>
#include <sys/types.h>

#include "ingest/client/gbill.h"
#include "ingest/client/local.h"
#include "ingest/client/queue.h"
#include "ingest/client/spill.h"
#include "ingest/client/wire.h"
#include "store/base/buf.h"

enum { FLIGHTS_MAX = 256, RANDOM_BYTES = 1024, LINES_MAX = 8, CLIENT_ID_TEXT_BYTES = 37 };

/* A chunk that is under way on the present connection, in the order of sending. */
struct flight {
    uint8_t id[CHUNK_ID_BYTES];
    uint32_t event_count;
    struct chunk *chunk;        /* in the queue; NULL: in the spill file only ... */
    struct spill_record record; /* ... here */
};

/* What the sender sleeps for, beside the socket and the clock. */
enum wake_for { WAKE_FOR_CALL, WAKE_FOR_SEALED, WAKE_FOR_EVENT };

struct gbill {
    pid_t owner;         /* the process that may use it ... */
    const uint8_t *mark; /* ... says so where a fork wipes it; NULL: the kernel cannot */
    pthread_t thread;
    int wake_fd; /* eventfd: the sender sleeps on it */

    pthread_mutex_t mutex;
    pthread_cond_t changed; /* acks came, room was made, or a wish was granted */
    struct queue queue;
    struct buf record;            /* gbill_track() packs into it */
    uint8_t random[RANDOM_BYTES]; /* drawn ahead, for ids */
    size_t random_left;
    int lines[LINES_MAX]; /* connections that nobody asks over at present (line.h) */
    size_t line_count;
    struct local local; /* has a lock of its own */
    bool is_asleep;
    enum wake_for wake_for;
    bool is_ending;
    bool is_recovered;        /* what is in the spill file is known */
    uint64_t spill_wishes;    /* calls that want all of the queue in the spill file, flushed */
    uint64_t wishes_granted;  /* so many of them were answered: ... */
    enum err_code wish_code;  /* ... the last one so */
    int64_t progress_ns;      /* the last ack, or the first sending after an idle time */
    size_t under_way;         /* flights */
    bool is_denied;           /* the agent's socket is not for us */
    bool refused_last;        /* the last event found no room */
    struct gbill_check check; /* counters; the sender writes the rest of it */
    char spill_trouble[384];  /* "" while all is well */

    struct wire wire;
    struct spill spill;
    int64_t spill_retry_ns; /* after a failed write; 0: none */
    struct flight flights[FLIGHTS_MAX];
    size_t flight_count;
    uint64_t wishes_seen;
};

/* The public header knows nothing of ours: an error goes out under its exit status. */
enum gbill_code client_give(enum err_code code, const struct err *from, struct gbill_err *to);

/* ERR_USAGE in the child of a fork. */
enum err_code client_check_owner(const struct gbill *client, struct err *err) ERR_MUST_CHECK;

/* Draw an id, a UUID (version 7); the mutex is held.  ERR_IO: no random bytes. */
enum err_code client_make_id(struct gbill *client, int64_t now_ms, char text[CLIENT_ID_TEXT_BYTES],
                             struct err *err) ERR_MUST_CHECK;

#endif
