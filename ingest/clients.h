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

#include "ingest/complaints.h"
#include "ingest/conn.h"
#include "ingest/gate.h"
#include "ingest/listen.h"
#include "ingest/peers.h"

/*
 * A message must be whole, or so many bytes further, after so long (unless it is set
 * otherwise): 8 MiB may come as slowly as 70 KB/s.  The handshake must be over.
 */
enum { CLIENTS_PROGRESS_BYTES = 2 * 1024 * 1024 };
#define CLIENTS_DEADLINE_MS ((int64_t)30000)

struct clients_door {
    struct listener listener;
    int64_t accept_again_ms; /* monotonic; 0: accepting */
    bool told;               /* that it is paused; once, however long it takes */
};

struct clients {
    int everything_fd; /* epoll; owned */
    int control_fd;    /* epoll; owned */
    struct clients_door local, remote;
    struct gate gate;
    struct peers peers;
    struct complaints complaints;
    struct conn_queue open;
    struct conn_queue graveyard;  /* closed; freed when the round is over and nothing is owed */
    struct conn_queue unfinished; /* within a message, in the order of their deadlines */
    struct conn_queue visiting;   /* within the handshake, likewise */
    struct conn *busy;            /* its bytes are being taken: it must not end meanwhile */
    int64_t deadline_ms;          /* CLIENTS_DEADLINE_MS, or what a test sets */
    size_t count, count_max;
    size_t files_kept;    /* descriptors that are for others than connections */
    size_t waiting_count; /* have not shown their key yet */
    size_t held_bytes;    /* of messages that are not whole */
    uint64_t accepted;    /* ever */
    uint64_t refused;     /* at the door, for want of a descriptor */
    uint64_t cut;         /* ended within a message */
    uint64_t rejected;    /* turned away, or closed for what they sent */
};

enum { CLIENTS_FILES_KEPT = 32 /* the log opens a file a day */ };

/* Closed and empty: clients_close() may be called at once. */
void clients_init(struct clients *clients);

/* Make the epolls and raise the process's limit of open files.  Errors: ERR_IO. */
enum err_code clients_open(struct clients *clients, struct err *err) ERR_MUST_CHECK;

/* End all connections, whatever they are owed, and stop listening. */
void clients_close(struct clients *clients);

/* Stop listening; those who are connected stay. */
void clients_close_doors(struct clients *clients);

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

/* Accept who waits at a door, at most some; pauses when there is no descriptor left. */
void clients_accept(struct clients *clients, struct clients_door *door);

/* Monotonic; 0: nothing is due. */
int64_t clients_due_ms(const struct clients *clients);

/* Accept again if a pause is over; write the complaints that were held back. */
void clients_on_time(struct clients *clients, int64_t now_ms);

/* A connection has begun a message or the handshake (or gets the time anew); it is between two. */
void clients_begin(struct clients *clients, struct conn *conn, int64_t now_ms);
void clients_finish(struct conn *conn);

/* It has shown its key: peer is whose it is from now on. */
void clients_let_in(struct clients *clients, struct conn *conn, struct peer *peer);

/* Count it as rejected, say why, and read no more of it. */
void clients_reject(struct clients *clients, struct conn *conn, const char *reason);

/* Its stream's memory has changed: count it. */
void clients_count_held(struct clients *clients, struct conn *conn);

/* Read it no more (settle it then): it stands at the end of the queue.  And read it again. */
void clients_rest(struct conn *conn, struct conn_queue *queue);
void clients_wake(struct clients *clients, struct conn *conn);

/* After anything happened to it: end it if it is finished, else watch for what it wants now. */
void clients_settle(struct clients *clients, struct conn *conn);

/* End of a round: free the closed ones that nothing is owed. */
void clients_bury(struct clients *clients);

#endif
