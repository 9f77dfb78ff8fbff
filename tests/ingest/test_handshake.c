#include "ingest/handshake.h"

#include <criterion/criterion.h>

#include "ingest/stranger.h"
#include "tests/ingest/wire.h"

/* Computed apart from the code, by Python's hashlib. */
static const char proof[] = "56f17b87f89f7f96b7dbe90eebfdfb990e3c627d2dbb563259e181b9bfe92060"
                            "bcfc459da667ff8248d83c803aaf8c5d5ebd9b82a910d7953b69d89834b0c243";
static const char answer[] = "dcb69600a62b05d28625eeb1378cb583d78dc0f6a71e88640b4813671cf0ae43"
                             "a7a0dcffbbf8634a2bd55f3e7e7531f267bbc9714b46b771183e3440d31f8136";

static const struct bytes key = {(const uint8_t *)"a key of sixteen bytes or more", 30};
static struct handshake h;

static void
setup(void)
{
    for (size_t i = 0; i < sizeof h.nonce; i++)
        h.nonce[i] = (uint8_t)i;
}

TestSuite(ingest_handshake, .init = setup);

static void
ping_with(struct wire *w, const char *hostname, const char *digest)
{
    msgpack_pack_array(&w->pk, 6);
    wire_text(w, "PING");
    wire_text(w, hostname);
    msgpack_pack_bin(&w->pk, 16);
    msgpack_pack_bin_body(&w->pk, "salt-16-bytes-xx", 16);
    wire_text(w, digest);
    wire_text(w, "");
    wire_text(w, "");
}

Test(ingest_handshake, who_has_the_key_is_known_and_answered)
{
    struct wire w;
    struct handshake_ping ping;
    uint8_t out[HANDSHAKE_OUT_BYTES_MAX];
    wire_init(&w);
    ping_with(&w, "client.example", proof);
    const char *reason = handshake_read_ping(wire_bytes(&w), &ping);
    cr_assert_null(reason, "%s", reason);
    cr_expect(str_is(ping.hostname, "client.example"));
    cr_expect(handshake_proves(&h, &ping, key));
    cr_expect_not(handshake_proves(&h, &ping, (struct bytes){key.data, 29}));
    cr_expect_not(handshake_proves(&h, &ping, (struct bytes){key.data, 0}));
    size_t n = handshake_pong(&h, &ping, "server.example", key, out);
    struct wire want;
    wire_init(&want);
    msgpack_pack_array(&want.pk, 5);
    wire_text(&want, "PONG");
    msgpack_pack_true(&want.pk);
    wire_text(&want, "");
    wire_text(&want, "server.example");
    wire_text(&want, answer);
    cr_assert_eq(n, wire_bytes(&want).size_bytes);
    cr_expect_eq(memcmp(out, wire_bytes(&want).data, n), 0);
    /* Another nonce: nothing that was heard before is of use. */
    h.nonce[15] ^= 1;
    cr_expect_not(handshake_proves(&h, &ping, key));
    wire_clear(&w);
    wire_clear(&want);
}

Test(ingest_handshake, nonces_are_never_the_same)
{
    struct handshake a, b;
    cr_assert(handshake_init(&a) && handshake_init(&b));
    cr_expect_neq(memcmp(a.nonce, b.nonce, sizeof a.nonce), 0);
    uint8_t out[HANDSHAKE_OUT_BYTES_MAX];
    size_t n = handshake_helo(&a, out), at = 0;
    msgpack_unpacked u;
    msgpack_unpacked_init(&u);
    cr_assert_eq(msgpack_unpack_next(&u, (const char *)out, n, &at), MSGPACK_UNPACK_SUCCESS);
    cr_expect_eq(at, n);
    msgpack_object_map m = u.data.via.array.ptr[1].via.map;
    cr_assert_eq(m.size, 3);
    cr_expect_eq(m.ptr[0].val.type, MSGPACK_OBJECT_BIN);
    cr_expect_eq(memcmp(m.ptr[0].val.via.bin.ptr, a.nonce, sizeof a.nonce), 0);
    cr_expect_eq(m.ptr[1].val.via.str.size, 0);
    cr_expect(m.ptr[2].val.via.boolean);
    msgpack_unpacked_destroy(&u);
}

Test(ingest_handshake, what_is_no_ping_is_refused)
{
    static const char *const names[] = {
        "",
        "two words",
        "quote\"",
        "new\nline",
        "caf\xc3\xa9",
        "a-name-of-sixty-five-letters-is-one-letter-more-than-it-may-have-"};
    struct wire w;
    struct handshake_ping ping;
    wire_init(&w);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        msgpack_sbuffer_clear(&w.buf);
        ping_with(&w, names[i], proof);
        cr_expect_not_null(handshake_read_ping(wire_bytes(&w), &ping), "\"%s\"", names[i]);
    }
    msgpack_sbuffer_clear(&w.buf);
    ping_with(&w, "host", "sha1-of-another-version");
    const char *reason = handshake_read_ping(wire_bytes(&w), &ping);
    cr_assert_not_null(reason);
    cr_expect_not_null(strstr(reason, "another version"), "%s", reason);
    msgpack_sbuffer_clear(&w.buf);
    ping_with(&w, "host", proof);
    struct bytes whole = wire_bytes(&w);
    for (size_t n = 0; n < whole.size_bytes; n++)
        cr_expect_not_null(handshake_read_ping((struct bytes){whole.data, n}, &ping), "%zu", n);
    /* An event in the place of the PING; five elements; the word in small letters. */
    msgpack_sbuffer_clear(&w.buf);
    wire_message(&w, "PING", 1, "id", "chunk");
    cr_expect_not_null(handshake_read_ping(wire_bytes(&w), &ping));
    ((char *)(uintptr_t)whole.data)[0] = (char)0x95;
    cr_expect_not_null(handshake_read_ping(whole, &ping));
    wire_clear(&w);
}

Test(ingest_stranger, the_usual_mistakes_are_named_with_their_remedy)
{
    static const struct {
        const char *start, *words;
    } rows[] = {
        {"GET / HTTP/1.1\r\n", "looks like HTTP"},
        {"POST /v1/events HTTP/1.1\r\n", "looks like HTTP"},
        {"PRI * HTTP/2.0\r\n", "looks like HTTP"},
        {"G", "looks like HTTP"},
        {"{\"tag\":1}", "looks like JSON"},
        {"[\"tag\",1,{}]", "looks like JSON"},
        {"\x16\x03\x01\x02", "looks like TLS"},
        {"hello", NULL},
        {"GETTING", NULL},
        {"\x01", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct str s = str_of(rows[i].start);
        const char *got = stranger_reason((struct bytes){(const uint8_t *)s.data, s.size_bytes});
        if (rows[i].words == NULL)
            cr_expect_null(got, "%s: %s", rows[i].start, got);
        else
            cr_expect(got != NULL && strstr(got, rows[i].words) != NULL, "%s", rows[i].start);
    }
}
