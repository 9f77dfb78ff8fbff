/*
 * reports/api/links.h - the connections, and since when each has kept us waiting: a client
 * that sends a byte now and then is not idle, and would else hold its place for ever.
 *
 * Threads: any.
 */
#ifndef REPORTS_API_LINKS_H
#define REPORTS_API_LINKS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct link {
    struct link *next, *previous;
    int fd;
    bool answering;   /* a request is whole, and its answer under way */
    int64_t since_ms; /* monotonic: when that, or the contrary, began */
};

struct links {
    pthread_mutex_t mutex;
    struct link first; /* of a ring, and no connection itself */
};

void links_init(struct links *links);
void links_clear(struct links *links); /* there are none left */

/* A connection has come; NULL without memory. */
struct link *links_add(struct links *links, int fd, int64_t now_ms);

/* It goes; its descriptor is still open.  NULL is allowed. */
void links_remove(struct links *links, struct link *link);

/* A request of it is whole now, or its answer.  NULL is allowed. */
void links_turn(struct links *links, struct link *link, bool answering, int64_t now_ms);

/*
 * End those that have kept us waiting: longer than request_ms for a request, or longer than
 * answer_ms to take its answer.  Returns how many.
 */
unsigned links_end_slow(struct links *links, int64_t now_ms, int64_t request_ms, int64_t answer_ms);

#endif
