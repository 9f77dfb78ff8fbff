#include "ingest/gate.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/base/file.h"

bool
gate_address(const char *listen, char host[GATE_HOST_BYTES], char port[GATE_PORT_BYTES])
{
    const char *colon = strrchr(listen, ':');
    if (colon == NULL || colon == listen || colon[1] == '\0' ||
        strlen(colon + 1) >= GATE_PORT_BYTES)
        return false;
    if (strspn(colon + 1, "0123456789") != strlen(colon + 1) ||
        strtol(colon + 1, NULL, 10) > UINT16_MAX)
        return false;
    size_t n = (size_t)(colon - listen);
    bool bracketed = listen[0] == '[';
    if (bracketed && (n < 3 || listen[n - 1] != ']'))
        return false;
    if (!bracketed && memchr(listen, ':', n) != NULL)
        return false;
    snprintf(host, GATE_HOST_BYTES, "%.*s", (int)(bracketed ? n - 2 : n), listen + bracketed);
    snprintf(port, GATE_PORT_BYTES, "%s", colon + 1);
    return n < GATE_HOST_BYTES;
}

enum err_code
gate_read_key(const char *path, struct bytes *ret, struct err *err)
{
    struct stat st;
    struct bytes text = {NULL, 0};
    enum err_code code = file_read(path, GATE_KEY_BYTES_MAX + 2, &text, err);
    if (code != ERR_OK)
        return err_wrap(err, code, "shared key");
    while (text.size_bytes > 0 && strchr("\r\n", text.data[text.size_bytes - 1]) != NULL)
        text.size_bytes--;
    if (stat(path, &st) == 0 && (st.st_mode & S_IRWXO) != 0)
        code = err_set(err, ERR_CONFIG,
                       "shared key %s is open to everybody (mode %04o): chmod 0640 it", path,
                       (unsigned)st.st_mode & 07777);
    else if (text.size_bytes < GATE_KEY_BYTES_MIN || text.size_bytes > GATE_KEY_BYTES_MAX)
        code = err_set(err, ERR_CONFIG,
                       "shared key %s has %zu bytes, must have %d to %d: make one with "
                       "\"openssl rand -hex 32\"",
                       path, text.size_bytes, GATE_KEY_BYTES_MIN, GATE_KEY_BYTES_MAX);
    if (code == ERR_OK)
        *ret = text;
    else
        gate_free_key(&text);
    return code;
}

void
gate_free_key(struct bytes *key)
{
    if (key->data != NULL)
        OPENSSL_cleanse((void *)(uintptr_t)key->data, key->size_bytes);
    free((void *)(uintptr_t)key->data);
    *key = (struct bytes){NULL, 0};
}

static enum err_code
check(const struct gate_options *o, struct err *err)
{
    char host[GATE_HOST_BYTES], port[GATE_PORT_BYTES];
    if (o->listen == NULL && (o->key_file != NULL || o->tls_cert != NULL || o->tls_key != NULL))
        return err_set(err, ERR_CONFIG,
                       "--shared-key-file, --tls-cert and --tls-key are of use with --listen only");
    if (o->listen == NULL)
        return ERR_OK;
    if (!gate_address(o->listen, host, port))
        return err_set(err, ERR_CONFIG,
                       "--listen is \"%s\", must be HOST:PORT, such as 127.0.0.1:24224, "
                       "[::1]:24224 or *:24224",
                       o->listen);
    if (o->key_file == NULL)
        return err_set(err, ERR_CONFIG,
                       "--listen %s needs --shared-key-file: nobody is let in over TCP without a "
                       "key; make one with \"openssl rand -hex 32\" and give it to the senders too",
                       o->listen);
    if ((o->tls_cert == NULL) != (o->tls_key == NULL))
        return err_set(err, ERR_CONFIG,
                       "--tls-cert and --tls-key are given together or not at all");
    return ERR_OK;
}

/* Ours, in the letters that a PONG may have. */
static void
name_host(char hostname[HANDSHAKE_HOST_BYTES_MAX + 1])
{
    char name[256] = "";
    if (gethostname(name, sizeof name - 1) != 0 || name[0] == '\0')
        snprintf(name, sizeof name, "gbill-agent");
    snprintf(hostname, HANDSHAKE_HOST_BYTES_MAX + 1, "%s", name);
}

enum err_code
gate_open(struct gate *gate, const struct gate_options *o, struct err *err)
{
    *gate = (struct gate){.listen = o->listen};
    enum err_code code = check(o, err);
    if (code != ERR_OK || o->listen == NULL)
        return code;
    name_host(gate->hostname);
    code = gate_read_key(o->key_file, &gate->key, err);
    if (code == ERR_OK && o->tls_cert != NULL)
        code = tls_server_open(o->tls_cert, o->tls_key, &gate->tls, err);
    return code;
}

void
gate_close(struct gate *gate)
{
    gate_free_key(&gate->key);
    tls_server_close(gate->tls);
    gate->tls = NULL;
}
