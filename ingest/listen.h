/*
 * ingest/listen.h - the sockets that clients connect to: a unix socket, and on
 * demand one over TCP.
 *
 * The socket is made with mode 0660 from its first moment.  A socket file that
 * nobody answers on is left over from a killed agent and is replaced; anything
 * else of that name is never touched.
 */
#ifndef INGEST_LISTEN_H
#define INGEST_LISTEN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "store/base/err.h"

/* sun_path, its NUL included. */
enum { LISTEN_PATH_BYTES_MAX = 108 };

struct listener {
    int fd; /* -1: closed */
    bool is_tcp;
    char path[LISTEN_PATH_BYTES_MAX]; /* of the socket file; over TCP the address: "[::1]:24224" */
    dev_t device;                     /* of the socket file, so that only our own is removed */
    ino_t inode;
};

/* Is path short enough for a socket?  ERR_LIMIT names the limit. */
enum err_code listen_check_path(const char *path, struct err *err) ERR_MUST_CHECK;

/*
 * Listen, non-blocking.  Changes the process's umask for a moment: call it
 * before there are threads.
 *
 *   ret  filled; listen_close()
 *
 * Errors: ERR_LIMIT (path too long), ERR_BUSY (somebody answers there),
 * ERR_CONFLICT (there is something that is no socket), ERR_DENIED,
 * ERR_NOT_FOUND (its directory), ERR_FULL, ERR_IO.
 */
enum err_code listen_open(const char *path, struct listener *ret, struct err *err) ERR_MUST_CHECK;

/*
 * The same over TCP.
 *
 *   listen  HOST:PORT as gate_address() reads it; of a name with several addresses
 *           the first; port 0: the kernel chooses, ret->path says which
 *
 * Errors: ERR_CONFIG (no such address), ERR_BUSY (taken), ERR_DENIED, ERR_IO.
 */
enum err_code listen_open_tcp(const char *listen, struct listener *ret,
                              struct err *err) ERR_MUST_CHECK;

/* Is it one that only this machine can reach? */
bool listen_is_loopback(const struct listener *listener);

/* Stop listening and remove the socket file if it is still ours. */
void listen_close(struct listener *listener);

/* Who connected. */
struct listen_peer {
    uint32_t uid;     /* of the process (SO_PEERCRED); over TCP UINT32_MAX */
    char address[64]; /* over TCP, without the port; else "" */
};

/*
 * Accept one connection, non-blocking and close-on-exec.
 *
 * Returns the socket, or -1 with errno: EAGAIN when none waits.
 */
int listen_accept(const struct listener *listener, struct listen_peer *ret_peer);

#endif
