#include "ingest/handshake_client.h"

#include <msgpack.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>

#include "store/event/mp.h"
#include "store/event/pack.h"

static const char no_helo[] = "it does not begin with the forward protocol's HELO: it asks for no "
                              "shared key, or is no such server";
static const char no_pong[] = "it does not answer with the forward protocol's PONG";

static bool
read_word(struct mp *m, uint32_t count, const char *word)
{
    struct mp_value head, v;
    return mp_read(m, &head) && head.type == MP_ARRAY && head.count == count && mp_read(m, &v) &&
           v.type == MP_STR && str_is(mp_str(&v), word);
}

/* The option nonce, text or bin. */
static bool
read_nonce(struct handshake_client *h, struct bytes helo)
{
    struct mp m = mp_of(helo);
    struct mp_value map, key, v;
    if (!read_word(&m, 2, "HELO") || !mp_read(&m, &map) || map.type != MP_MAP)
        return false;
    for (uint32_t i = 0; i < map.count; i++) {
        if (!mp_read(&m, &key) || key.type != MP_STR)
            return false;
        struct mp at = m;
        if (!mp_skip(&m) || !mp_read(&at, &v))
            return false;
        if (!str_is(mp_str(&key), "nonce"))
            continue;
        if ((v.type != MP_STR && v.type != MP_BIN) || v.count == 0 || v.count > sizeof h->nonce)
            return false;
        memcpy(h->nonce, v.data, v.count);
        h->nonce_bytes = v.count;
        return true;
    }
    return false;
}

static bool
put_text(msgpack_packer *pk, const char *text, size_t size_bytes)
{
    return msgpack_pack_str(pk, size_bytes) == 0 &&
           msgpack_pack_str_body(pk, text, size_bytes) == 0;
}

const char *
handshake_client_ping(struct handshake_client *h, struct bytes helo, struct str hostname,
                      struct bytes key, struct buf *out)
{
    char hex[HANDSHAKE_DIGEST_BYTES + 1];
    msgpack_packer pk;
    *h = (struct handshake_client){.nonce_bytes = 0};
    if (!read_nonce(h, helo))
        return no_helo;
    if (RAND_bytes(h->salt, sizeof h->salt) != 1 ||
        !handshake_digest((struct bytes){h->nonce, h->nonce_bytes},
                          (struct bytes){h->salt, sizeof h->salt}, hostname, key, hex))
        return "no random numbers or no SHA-512 here";
    msgpack_packer_init(&pk, out, pack_to_buf);
    bool ok = msgpack_pack_array(&pk, 6) == 0 && put_text(&pk, "PING", 4) &&
              put_text(&pk, hostname.data, hostname.size_bytes) &&
              msgpack_pack_bin(&pk, sizeof h->salt) == 0 &&
              msgpack_pack_bin_body(&pk, h->salt, sizeof h->salt) == 0 &&
              put_text(&pk, hex, HANDSHAKE_DIGEST_BYTES) && put_text(&pk, "", 0) &&
              put_text(&pk, "", 0);
    return ok ? NULL : "out of memory";
}

const char *
handshake_client_pong(const struct handshake_client *h, struct bytes pong, struct bytes key,
                      struct str *ret_said)
{
    char want[HANDSHAKE_DIGEST_BYTES + 1];
    struct mp m = mp_of(pong);
    struct mp_value in, said, name, digest;
    *ret_said = (struct str){NULL, 0};
    if (!read_word(&m, 5, "PONG") || !mp_read(&m, &in) || in.type != MP_BOOL ||
        !mp_read(&m, &said) || said.type != MP_STR || !mp_read(&m, &name) || name.type != MP_STR ||
        !mp_read(&m, &digest) || digest.type != MP_STR || m.p != m.end)
        return no_pong;
    if (!in.b) {
        *ret_said = mp_str(&said);
        return "it does not let us in";
    }
    if (!handshake_digest((struct bytes){h->nonce, h->nonce_bytes},
                          (struct bytes){h->salt, sizeof h->salt}, mp_str(&name), key, want))
        return "no SHA-512 here";
    if (digest.count != HANDSHAKE_DIGEST_BYTES ||
        CRYPTO_memcmp(want, digest.data, HANDSHAKE_DIGEST_BYTES) != 0)
        return "it does not prove that it has the shared key: it is not the collector";
    return NULL;
}
