/*
 * ingest/listen.h - the unix socket that clients connect to.
 *
 * The socket is made with mode 0660 from its first moment.  A socket file that
 * nobody answers on is left over from a killed agent and is replaced; anything
 * else of that name is never touched.
 */
#ifndef INGEST_LISTEN_H
#define INGEST_LISTEN_H

#include <stdint.h>
#include <sys/types.h>

#include "store/base/err.h"

/* sun_path, its NUL included. */
enum { LISTEN_PATH_BYTES_MAX = 108 };

struct listener {
    int fd; /* -1: closed */
    char path[LISTEN_PATH_BYTES_MAX];
    dev_t device; /* of the socket file, so that only our own is removed */
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

/* Stop listening and remove the socket file if it is still ours. */
void listen_close(struct listener *listener);

/*
 * Accept one connection, non-blocking and close-on-exec.
 *
 *   ret_uid  of the process that connected (SO_PEERCRED)
 *
 * Returns the socket, or -1 with errno: EAGAIN when none waits.
 */
int listen_accept(const struct listener *listener, uint32_t *ret_uid);

#endif
