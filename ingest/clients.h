/*
 * ingest/clients.h - all connections: accepted, watched, ended, buried.
 *
 * Two epolls: one holds everything; the other only what matters while nothing
 * may be read, so that acks flow then too.  A connection's events carry its
 * struct conn, a listener's its struct listener.
 */
#ifndef INGEST_CLIENTS_H
#define INGEST_CLIENTS_H

#include <stddef.h>

#include "ingest/conn.h"
#include "ingest/listen.h"

struct clients {
    int everything_fd; /* epoll; owned */
    int control_fd;    /* epoll; owned */
    struct listener listener;
    struct conn *open;
    struct conn *graveyard; /* closed; freed when the round is over and nothing is owed */
    struct conn *busy;      /* its bytes are being taken: it must not end meanwhile */
    size_t count, count_max;
    int64_t accept_again_ms; /* monotonic; 0: accepting */
    bool accept_told;        /* that it is paused; once, however long it takes */
    uint64_t accepted;       /* ever */
    uint64_t cut;            /* ended within a message */
};

/* Closed and empty: clients_close() may be called at once. */
void clients_init(struct clients *clients);

/* Make the epolls and raise the process's limit of open files.  Errors: ERR_IO. */
enum err_code clients_open(struct clients *clients, struct err *err) ERR_MUST_CHECK;

/* End all connections, whatever they are owed, and stop listening. */
void clients_close(struct clients *clients);

/*
 * Watch a descriptor for reading.
 *
 *   what     comes back in the events' data.ptr
 *   control  also while nothing may be read
 *
 * Errors: ERR_IO.
 */
enum err_code clients_watch_fd(struct clients *clients, int fd, void *what, bool control,
                               struct err *err) ERR_MUST_CHECK;

/* Accept who waits at the listener, at most some; pauses when there is no descriptor left. */
void clients_accept(struct clients *clients);

/* Accept again if a pause is over. */
void clients_on_time(struct clients *clients, int64_t now_ms);

/* After anything happened to it: end it if it is finished, else watch for what it wants now. */
void clients_settle(struct clients *clients, struct conn *conn);

/* End of a round: free the closed ones that nothing is owed. */
void clients_bury(struct clients *clients);

#endif
