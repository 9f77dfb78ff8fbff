/*
 * reports/api/door.h - the socket that the API listens on: TCP or unix.
 */
#ifndef REPORTS_API_DOOR_H
#define REPORTS_API_DOOR_H

#include <stdbool.h>

#include "store/base/err.h"

/*
 * Listen.
 *
 *   where     "HOST:PORT" ("[::1]:8080", port 0: any that is free) or a path with a "/"
 *   ret_fd    non-blocking, close-on-exec; the caller closes it
 *   ret_name  what it listens on, with the port that it got
 *   ret_open  others than this machine's can reach it
 *
 * A unix socket that nobody answers on any more is replaced; its mode is 0660.
 *
 * Errors: ERR_CONFIG (no address), ERR_BUSY (taken), ERR_CONFLICT (the path is no
 * socket), ERR_DENIED, ERR_IO.
 */
enum err_code door_open(const char *where, int *ret_fd, char ret_name[128], bool *ret_open,
                        struct err *err) ERR_MUST_CHECK;

#endif
