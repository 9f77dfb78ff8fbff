/*
 * ingest/status_socket.h - the agent's second socket: whoever connects gets its
 * figures, and can change nothing.
 *
 * It is apart from the socket of the data, so that who may look and who may send
 * are two questions.  The answer is HTTP/1.0 with Prometheus' text format, for
 * curl --unix-socket and for scrapers; what was asked is not looked at.  A client
 * is answered at its first byte, or at the end of its side: one send, into a
 * socket buffer larger than the answer, and it is closed.  So nobody is waited
 * for, and of those who say nothing the oldest makes room for the next.
 *
 * It has an epoll of its own, which is watched as one descriptor.  io thread only.
 */
#ifndef INGEST_STATUS_SOCKET_H
#define INGEST_STATUS_SOCKET_H

#include "ingest/figures.h"
#include "ingest/listen.h"
#include "store/base/err.h"

enum { STATUS_WAITING_MAX = 8 };

struct status_socket {
    int epoll_fd; /* for the agent's epolls */
    struct listener listener;
    int waiting[STATUS_WAITING_MAX]; /* connected and silent; the oldest first */
    size_t waiting_count;
    int64_t again_ms; /* monotonic: accepting pauses until then; 0: it does not */
    void (*gather)(void *context, struct figures *f);
    void *context;
    struct buf text, answer;
    bool fresh; /* the answer is of this round */
};

/* Closed; status_socket_close() may be called at once. */
void status_socket_init(struct status_socket *s);

/*
 * Listen.
 *
 *   gather  fills in the figures, all but those of the process itself; called by
 *           status_socket_serve() with context
 *
 * Errors: as listen_open().
 */
enum err_code status_socket_open(struct status_socket *s, const char *path,
                                 void (*gather)(void *context, struct figures *f), void *context,
                                 struct err *err) ERR_MUST_CHECK;
void status_socket_close(struct status_socket *s);

/* Its epoll is ready: accept, and answer who asks. */
void status_socket_serve(struct status_socket *s);

/* Accept again if a pause is over. */
void status_socket_on_time(struct status_socket *s, int64_t now_ms);

#endif
