#include "ingest/handshake.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "store/base/hash.h"
#include "store/event/mp.h"

enum { SHA512_BYTES = 64, SALT_BYTES_MAX = 256 };

static const char no_ping[] = "the first message is no PING of the forward protocol's handshake, "
                              "which this listener asks for: set the client's shared key";

bool
handshake_init(struct handshake *h)
{
    return RAND_bytes(h->nonce, sizeof h->nonce) == 1;
}

/* Writers of the few types that are needed, at *p. */
static void
put_text(uint8_t **p, const char *text, size_t size_bytes)
{
    assert(size_bytes <= 255);
    if (size_bytes > 31)
        *(*p)++ = 0xd9;
    *(*p)++ = (uint8_t)(size_bytes > 31 ? size_bytes : 0xa0 | size_bytes);
    memcpy(*p, text, size_bytes);
    *p += size_bytes;
}

static void
put_word(uint8_t **p, const char *word)
{
    put_text(p, word, strlen(word));
}

size_t
handshake_helo(const struct handshake *h, uint8_t out[HANDSHAKE_OUT_BYTES_MAX])
{
    uint8_t *p = out;
    *p++ = 0x92;
    put_word(&p, "HELO");
    *p++ = 0x83;
    put_word(&p, "nonce");
    *p++ = 0xc4;
    *p++ = sizeof h->nonce;
    memcpy(p, h->nonce, sizeof h->nonce);
    p += sizeof h->nonce;
    put_word(&p, "auth");
    put_word(&p, "");
    put_word(&p, "keepalive");
    *p++ = 0xc3;
    return (size_t)(p - out);
}

static bool
read_text(struct mp *m, size_t bytes_max, struct str *ret)
{
    struct mp_value v;
    if (!mp_read(m, &v) || (v.type != MP_STR && v.type != MP_BIN) || v.count > bytes_max)
        return false;
    *ret = mp_str(&v);
    return true;
}

bool
handshake_is_hostname(struct str s)
{
    for (size_t i = 0; i < s.size_bytes; i++) {
        char c = s.data[i];
        bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '.' || c == '_' || c == ':' || c == '-';
        if (!ok)
            return false;
    }
    return s.size_bytes > 0 && s.size_bytes <= HANDSHAKE_HOST_BYTES_MAX;
}

const char *
handshake_read_ping(struct bytes message, struct handshake_ping *ret)
{
    struct mp m = mp_of(message);
    struct mp_value head;
    struct str word, hostname, salt, digest, user, password;
    if (!mp_read(&m, &head) || head.type != MP_ARRAY || head.count != 6 ||
        !read_text(&m, 4, &word) || !str_is(word, "PING"))
        return no_ping;
    if (!read_text(&m, HANDSHAKE_HOST_BYTES_MAX, &hostname) || !handshake_is_hostname(hostname))
        return "hostname in PING is not 1 to 64 letters, digits, and . _ : -";
    if (!read_text(&m, SALT_BYTES_MAX, &salt))
        return "salt in PING is no text of at most 256 bytes";
    if (!read_text(&m, HANDSHAKE_DIGEST_BYTES, &digest) ||
        digest.size_bytes != HANDSHAKE_DIGEST_BYTES)
        return "digest in PING is not a SHA-512 in hexadecimal: another version of the handshake";
    if (!read_text(&m, HANDSHAKE_PING_BYTES_MAX, &user) ||
        !read_text(&m, HANDSHAKE_PING_BYTES_MAX, &password) || m.p != m.end)
        return no_ping;
    *ret = (struct handshake_ping){hostname, {(const uint8_t *)salt.data, salt.size_bytes}, digest};
    return NULL;
}

bool
handshake_digest(struct bytes nonce, struct bytes salt, struct str hostname, struct bytes key,
                 char ret_hex[HANDSHAKE_DIGEST_BYTES + 1])
{
    uint8_t digest[SHA512_BYTES];
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    bool ok = c != NULL && EVP_DigestInit_ex(c, EVP_sha512(), NULL) == 1 &&
              EVP_DigestUpdate(c, salt.data, salt.size_bytes) == 1 &&
              EVP_DigestUpdate(c, hostname.data, hostname.size_bytes) == 1 &&
              EVP_DigestUpdate(c, nonce.data, nonce.size_bytes) == 1 &&
              EVP_DigestUpdate(c, key.data, key.size_bytes) == 1 &&
              EVP_DigestFinal_ex(c, digest, NULL) == 1;
    EVP_MD_CTX_free(c);
    if (ok)
        hash_hex(digest, sizeof digest, ret_hex);
    return ok;
}

static struct bytes
nonce_of(const struct handshake *h)
{
    return (struct bytes){h->nonce, sizeof h->nonce};
}

bool
handshake_proves(const struct handshake *h, const struct handshake_ping *ping, struct bytes key)
{
    char want[HANDSHAKE_DIGEST_BYTES + 1];
    return handshake_digest(nonce_of(h), ping->salt, ping->hostname, key, want) &&
           CRYPTO_memcmp(want, ping->digest.data, HANDSHAKE_DIGEST_BYTES) == 0;
}

size_t
handshake_pong(const struct handshake *h, const struct handshake_ping *ping, const char *hostname,
               struct bytes key, uint8_t out[HANDSHAKE_OUT_BYTES_MAX])
{
    char digest[HANDSHAKE_DIGEST_BYTES + 1];
    uint8_t *p = out;
    if (!handshake_digest(nonce_of(h), ping->salt, str_of(hostname), key, digest))
        return handshake_refusal("no SHA-512 here", out);
    *p++ = 0x95;
    put_word(&p, "PONG");
    *p++ = 0xc3;
    put_word(&p, "");
    put_word(&p, hostname);
    put_text(&p, digest, HANDSHAKE_DIGEST_BYTES);
    return (size_t)(p - out);
}

size_t
handshake_refusal(const char *reason, uint8_t out[HANDSHAKE_OUT_BYTES_MAX])
{
    uint8_t *p = out;
    *p++ = 0x95;
    put_word(&p, "PONG");
    *p++ = 0xc2;
    put_word(&p, reason);
    put_word(&p, "");
    put_word(&p, "");
    return (size_t)(p - out);
}
