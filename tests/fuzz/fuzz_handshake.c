/*
 * What a stranger sends over TCP before it has shown its key: cut into values of at
 * most a PING's size, whatever they are.  Nobody proves a key that is not in the
 * input, and what is taken as a hostname can stand in a line of the journal.
 */
#include <assert.h>
#include <string.h>

#include "ingest/handshake.h"
#include "ingest/stranger.h"
#include "ingest/stream.h"
#include "tests/fuzz/fuzz.h"

static const struct bytes key = {(const uint8_t *)"what no input has in it", 23};

static const char *
take(void *context, struct bytes message)
{
    struct handshake h = {{0}};
    struct handshake_ping ping;
    uint8_t out[HANDSHAKE_OUT_BYTES_MAX];
    (void)context;
    const char *named = stranger_reason(message);
    assert(named == NULL || named[0] != '\0');
    const char *reason = handshake_read_ping(message, &ping);
    if (reason != NULL)
        return reason;
    assert(ping.hostname.size_bytes >= 1 && ping.hostname.size_bytes <= HANDSHAKE_HOST_BYTES_MAX);
    for (size_t i = 0; i < ping.hostname.size_bytes; i++)
        assert(ping.hostname.data[i] > ' ' && ping.hostname.data[i] != '"');
    assert(ping.digest.size_bytes == HANDSHAKE_DIGEST_BYTES);
    assert(!handshake_proves(&h, &ping, key));
    size_t n = handshake_pong(&h, &ping, "host", key, out);
    assert(n > 0 && n <= sizeof out);
    return NULL;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    struct stream s;
    const char *reason = NULL;
    if (size_bytes == 0)
        return 0;
    size_t step = 1 + data[0] % 64U;
    struct bytes bytes = {data + 1, size_bytes - 1};
    stream_init(&s, HANDSHAKE_PING_BYTES_MAX);
    while (reason == NULL && bytes.size_bytes > 0) {
        size_t n = bytes.size_bytes < step ? bytes.size_bytes : step;
        reason = stream_feed(&s, (struct bytes){bytes.data, n}, take, NULL);
        assert(s.begun.size_bytes <= HANDSHAKE_PING_BYTES_MAX);
        bytes = (struct bytes){bytes.data + n, bytes.size_bytes - n};
    }
    stream_clear(&s);
    return 0;
}
