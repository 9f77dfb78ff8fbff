#include "ingest/stranger.h"

#define SPEAKS "; this socket speaks the Fluentd forward protocol in msgpack: "

static const char http[] = "looks like HTTP" SPEAKS "use a Fluent client, libgbill or gbill send";
static const char json[] = "looks like JSON" SPEAKS "set the client's format or packer to msgpack";
static const char tls[] = "looks like TLS" SPEAKS
                          "switch TLS off in the client (over TCP: or give --tls-cert)";

/* As far as both go. */
static bool
begins(struct bytes start, const char *word)
{
    size_t n = strlen(word);
    if (start.size_bytes < n)
        n = start.size_bytes;
    return n > 0 && memcmp(start.data, word, n) == 0;
}

const char *
stranger_reason(struct bytes start)
{
    static const char *const methods[] = {"GET ",     "POST ",    "PUT ",   "HEAD ",  "DELETE ",
                                          "OPTIONS ", "CONNECT ", "PATCH ", "TRACE ", "PRI * HTTP"};
    if (start.size_bytes == 0)
        return NULL;
    if (start.data[0] == '{' || start.data[0] == '[')
        return json;
    if (begins(start, "\x16\x03"))
        return tls;
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        if (begins(start, methods[i]))
            return http;
    }
    return NULL;
}
