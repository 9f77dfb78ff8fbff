/*
 * store/base/secret.h - a secret that came in the environment, taken out of it.
 *
 * What is in the environment is in /proc/PID/environ for as long as the process lives, in its
 * children, and in its core.  Whoever uses a secret takes it: from then on it is in one place
 * of this process's memory, no core is written, and of its user nobody but root may look in
 * (proc(5), PR_SET_DUMPABLE).  A process that only hands its environment on to children
 * (gbill run) takes nothing.
 *
 * Threads: no other may use the environment meanwhile.
 */
#ifndef STORE_BASE_SECRET_H
#define STORE_BASE_SECRET_H

#include <stddef.h>

#include "store/base/err.h"

enum { SECRET_BYTES_MAX = 4096 };

struct secret {
    char *text; /* NUL-terminated, not empty; NULL: none */
    size_t size_bytes;
};

/*
 * Take a variable out of the environment: copied, its bytes there overwritten, its name unset.
 *
 *   variable  its name
 *   ret       filled on success; text is NULL where the variable is not set, or is empty;
 *             secret_clear() it
 *
 * Once per variable: a second call finds nothing.
 *
 * Errors, none of which says the value; the variable is as it was:
 *   ERR_CONFIG  it has more than SECRET_BYTES_MAX bytes
 *   ERR_LIMIT   no memory
 *   ERR_IO      the kernel does not let cores be turned off
 */
enum err_code secret_take(const char *variable, struct secret *ret, struct err *err) ERR_MUST_CHECK;

/* Overwrite and free; NULL and one that is empty are fine. */
void secret_clear(struct secret *secret);

#endif
