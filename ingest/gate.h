/*
 * ingest/gate.h - the door of the TCP listener: its address, its shared key and
 * its certificate.
 *
 * There is no listener without a key.  Without a certificate the bytes can be read
 * on the network, though the key cannot.
 */
#ifndef INGEST_GATE_H
#define INGEST_GATE_H

#include <stdbool.h>

#include "ingest/handshake.h"
#include "ingest/tls.h"
#include "store/base/bytes.h"
#include "store/base/err.h"

enum {
    GATE_KEY_BYTES_MIN = 16,
    GATE_KEY_BYTES_MAX = 1024,
    GATE_WAITING_MAX = 256, /* peers that have not shown a key yet, at one time */
};

/* Each NULL when it is not given. */
struct gate_options {
    const char *listen; /* HOST:PORT, [HOST]:PORT; HOST * is every address */
    const char *key_file, *tls_cert, *tls_key;
};

/* All zero is a gate that is not there. */
struct gate {
    const char *listen; /* borrowed; NULL: no TCP */
    struct bytes key;
    struct tls_server *tls; /* NULL: plain */
    char hostname[HANDSHAKE_HOST_BYTES_MAX + 1];
};

/*
 * Read what the options name.  gate_close() it, also after an error.
 *
 * Errors: ERR_CONFIG when one option lacks another or a file holds no key, with
 * the remedy; those of reading the files.
 */
enum err_code gate_open(struct gate *gate, const struct gate_options *options,
                        struct err *err) ERR_MUST_CHECK;
void gate_close(struct gate *gate);

/*
 * Read a shared key: all of a file but the newline at its end.
 *
 *   ret  taken by the caller: gate_free_key()
 *
 * Errors: ERR_CONFIG when it is short, or the file is open to everybody; those of
 * reading it.
 */
enum err_code gate_read_key(const char *path, struct bytes *ret, struct err *err) ERR_MUST_CHECK;
void gate_free_key(struct bytes *key); /* wipes it */

/* A peer that has not shown its key yet. */
struct gate_visit {
    struct handshake handshake;
    char who[72]; /* "from=192.0.2.7" */
};

/* Cut HOST:PORT up; false when it is not of that form. */
enum { GATE_HOST_BYTES = 256, GATE_PORT_BYTES = 8 };
bool gate_address(const char *listen, char host[GATE_HOST_BYTES], char port[GATE_PORT_BYTES]);

#endif
