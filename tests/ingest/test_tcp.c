/*
 * The TCP listener: who has the key gets in, and nobody else gets anything in.
 */
#include <criterion/criterion.h>
#include <openssl/evp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/ingest/live_agent.h"

static const char right_key[] = "0123456789abcdef0123456789abcdef";
static char key_path[128], rules_path[128], edge_key_path[128];

static void
write_file(char path[128], const char *suffix, const char *text)
{
    snprintf(path, 128, "%s.%s", live_errors, suffix);
    FILE *f = fopen(path, "w");
    cr_assert_not_null(f);
    fputs(text, f);
    fclose(f);
    cr_assert_eq(chmod(path, 0600), 0);
}

static void
setup(void)
{
    live_setup();
    write_file(key_path, "key", right_key);
    live_options.gate.listen = "127.0.0.1:0";
    live_options.gate.key_file = key_path;
}

TestSuite(ingest_tcp, .init = setup, .fini = live_teardown);

/* What was heard points into the bytes. */
struct heard {
    msgpack_unpacked u;
    char bytes[1024];
};

/* A whole msgpack value within ten seconds; false at the end of the connection. */
static bool
hear_value(int fd, struct heard *h)
{
    size_t have = 0;
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        size_t at = 0;
        cr_assert_eq(poll(&p, 1, 10000), 1, "nothing after 10 s");
        ssize_t n = read(fd, h->bytes + have, 1);
        if (n <= 0)
            return false;
        have += (size_t)n;
        msgpack_unpacked_init(&h->u);
        if (msgpack_unpack_next(&h->u, h->bytes, have, &at) == MSGPACK_UNPACK_SUCCESS)
            return true;
        msgpack_unpacked_destroy(&h->u);
    }
}

/* hex(sha512(salt hostname nonce key)), not by the agent's own code path. */
static void
digest(const char *salt, const char *hostname, const char *nonce, size_t nonce_bytes,
       const char *key, char hex[129])
{
    unsigned char all[1024], out[64];
    size_t n = 0;
    const struct {
        const char *p;
        size_t n;
    } parts[] = {{salt, strlen(salt)},
                 {hostname, strlen(hostname)},
                 {nonce, nonce_bytes},
                 {key, strlen(key)}};
    for (size_t i = 0; i < 4; i++) {
        memcpy(all + n, parts[i].p, parts[i].n);
        n += parts[i].n;
    }
    cr_assert_eq(EVP_Digest(all, n, out, NULL, EVP_sha512(), NULL), 1);
    for (size_t i = 0; i < sizeof out; i++)
        snprintf(hex + 2 * i, 3, "%02x", out[i]);
}

/* Go through the handshake; is it accepted?  Also checks that the agent proves the key. */
static bool
shake_hands(int fd, const char *hostname, const char *key)
{
    struct heard helo, pong;
    char hex[129];
    struct wire w;
    cr_assert(hear_value(fd, &helo), "no HELO");
    msgpack_object_map options = helo.u.data.via.array.ptr[1].via.map;
    msgpack_object_bin nonce = options.ptr[0].val.via.bin;
    cr_assert_eq(nonce.size, 16);
    digest("some salt", hostname, nonce.ptr, nonce.size, key, hex);
    wire_init(&w);
    msgpack_pack_array(&w.pk, 6);
    wire_text(&w, "PING");
    wire_text(&w, hostname);
    wire_text(&w, "some salt");
    wire_text(&w, hex);
    wire_text(&w, "");
    wire_text(&w, "");
    live_say(fd, wire_bytes(&w));
    wire_clear(&w);
    cr_assert(hear_value(fd, &pong), "no PONG");
    const msgpack_object *p = pong.u.data.via.array.ptr;
    bool accepted = p[1].via.boolean;
    if (accepted) {
        char server[256];
        snprintf(server, sizeof server, "%.*s", (int)p[3].via.str.size, p[3].via.str.ptr);
        digest("some salt", server, nonce.ptr, nonce.size, key, hex);
        cr_expect_eq(p[4].via.str.size, 128);
        cr_expect_eq(memcmp(p[4].via.str.ptr, hex, 128), 0, "the agent does not prove the key");
    } else {
        cr_expect_eq(p[4].via.str.size, 0);
    }
    msgpack_unpacked_destroy(&helo.u);
    msgpack_unpacked_destroy(&pong.u);
    return accepted;
}

Test(ingest_tcp, who_has_the_key_gets_events_in_and_acks_out)
{
    char last[256];
    live_start_agent();
    int fd = live_dial_tcp(), local = live_dial();
    cr_assert(shake_hands(fd, "edge1", right_key));
    for (int i = 0; i < 50; i++) {
        live_send_one(fd, "ev", "c");
        live_hear_ack(fd, "c");
        live_send_one(local, "ev", "c");
        live_hear_ack(local, "c");
    }
    cr_expect_eq(live_end_agent(SIGTERM), 0);
    cr_expect_eq(live_count_log(LOG_EVENTS, last), 100);
    cr_expect_not(live_errors_say(right_key));
    close(fd);
    close(local);
}

Test(ingest_tcp, the_board_is_for_this_machine_only)
{
    struct heard answer;
    struct wire w;
    live_start_agent();
    int fd = live_dial_tcp();
    cr_assert(shake_hands(fd, "edge1", right_key));
    wire_init(&w);
    msgpack_pack_array(&w.pk, 4);
    wire_text(&w, "gbill.live");
    msgpack_pack_int(&w.pk, 0);
    msgpack_pack_map(&w.pk, 1);
    wire_text_pair(&w, "op", "board");
    msgpack_pack_map(&w.pk, 1);
    wire_text_pair(&w, "chunk", "c");
    live_say(fd, wire_bytes(&w));
    wire_clear(&w);
    cr_assert(hear_value(fd, &answer), "no answer");
    const msgpack_object_map *map = &answer.u.data.via.map;
    cr_assert_eq(map->size, 3);
    const msgpack_object_str *error = &map->ptr[2].val.via.str;
    cr_expect_not_null(memmem(error->ptr, error->size, "this machine only", 17), "%.*s",
                       (int)error->size, error->ptr);
    msgpack_unpacked_destroy(&answer.u);
    close(fd);
    cr_expect_eq(live_end_agent(SIGTERM), 0);
}

Test(ingest_tcp, who_has_not_gets_nothing_in)
{
    char last[256];
    struct wire ping_and_event;
    live_start_agent();
    /* Another key; with an event behind the PING in one write. */
    int wrong = live_dial_tcp();
    cr_expect_not(shake_hands(wrong, "edge1", "0123456789abcdef0123456789abcdeg"));
    cr_expect(live_is_closed(wrong));
    /* No handshake at all. */
    int none = live_dial_tcp();
    live_send_one(none, "ev", "c");
    struct heard h;
    cr_expect(hear_value(none, &h));
    msgpack_unpacked_destroy(&h.u);
    cr_expect(live_is_closed(none));
    /* Another version: a digest of another length; then an event. */
    int old = live_dial_tcp();
    wire_init(&ping_and_event);
    struct wire *w = &ping_and_event;
    msgpack_pack_array(&w->pk, 6);
    for (int i = 0; i < 6; i++)
        wire_text(w, i == 0 ? "PING" : "x");
    wire_message(w, "gbill.usage", live_now_s(), "ev", "c");
    live_say(old, wire_bytes(w));
    cr_expect(hear_value(old, &h));
    msgpack_unpacked_destroy(&h.u);
    cr_expect(live_is_closed(old));
    /* A stranger; and one that sends more than a PING can be. */
    int http = live_dial_tcp(), large = live_dial_tcp();
    live_say(http, (struct bytes){(const uint8_t *)"GET / HTTP/1.1\r\n\r\n", 18});
    static const uint8_t head[] = {0x96, 0xdb, 0, 0, 8, 1};
    live_say(large, (struct bytes){head, sizeof head});
    cr_expect(hear_value(http, &h) && live_is_closed(http));
    msgpack_unpacked_destroy(&h.u);
    cr_expect(hear_value(large, &h) && live_is_closed(large));
    msgpack_unpacked_destroy(&h.u);
    cr_expect_eq(live_end_agent(SIGTERM), 0);
    cr_expect(live_errors_say("rejected=5"));
    cr_expect(
        live_errors_say("event=rejected from=127.0.0.1 reason=\"the peer has another shared"));
    cr_expect(live_errors_say("set the client's shared key"));
    cr_expect(live_errors_say("another version of the handshake"));
    cr_expect(live_errors_say("looks like HTTP"));
    cr_expect_eq(live_count_log(LOG_EVENTS, last), 0);
    cr_expect_eq(live_count_log(LOG_QUARANTINE, last), 0);
    const int fds[] = {wrong, none, old, http, large};
    for (size_t i = 0; i < 5; i++)
        close(fds[i]);
    wire_clear(w);
}

Test(ingest_tcp, an_event_behind_a_ping_with_a_wrong_key_does_not_slip_in)
{
    struct wire w;
    char last[256], hex[129];
    struct heard h;
    live_start_agent();
    int fd = live_dial_tcp();
    cr_assert(hear_value(fd, &h));
    msgpack_unpacked_destroy(&h.u);
    digest("salt", "edge1", "0123456789abcdef", 16, right_key, hex); /* of another nonce */
    wire_init(&w);
    msgpack_pack_array(&w.pk, 6);
    wire_text(&w, "PING");
    wire_text(&w, "edge1");
    wire_text(&w, "salt");
    wire_text(&w, hex);
    wire_text(&w, "");
    wire_text(&w, "");
    for (int i = 0; i < 10; i++)
        wire_message(&w, "gbill.usage", live_now_s(), "ev", "c");
    live_say(fd, wire_bytes(&w));
    cr_assert(hear_value(fd, &h));
    cr_expect_not(h.u.data.via.array.ptr[1].via.boolean);
    msgpack_unpacked_destroy(&h.u);
    cr_expect(live_is_closed(fd));
    cr_expect_eq(live_end_agent(SIGTERM), 0);
    cr_expect_eq(live_count_log(LOG_EVENTS, last), 0);
    close(fd);
    wire_clear(&w);
}

Test(ingest_tcp, a_handshake_that_is_not_over_in_time_is_closed)
{
    live_options.deadline_ms = 300;
    live_start_agent();
    int silent = live_dial_tcp(), slow = live_dial_tcp(), good = live_dial_tcp();
    cr_assert(shake_hands(good, "edge1", right_key));
    struct heard h;
    cr_assert(hear_value(silent, &h));
    msgpack_unpacked_destroy(&h.u);
    cr_assert(hear_value(slow, &h));
    msgpack_unpacked_destroy(&h.u);
    bool closed = false;
    for (int i = 0; i < 100 && !closed; i++) {
        closed = send(slow, i == 0 ? "\x96\xd9\xff" : "a", i == 0 ? 3 : 1, MSG_NOSIGNAL) < 0;
        poll(NULL, 0, 10);
    }
    cr_expect(closed);
    cr_expect(live_is_closed(silent));
    live_wait_for("the handshake was not over in time");
    /* Whoever got in may be idle as long as it likes. */
    live_send_one(good, "ev", "c");
    live_hear_ack(good, "c");
    cr_expect_eq(live_end_agent(SIGTERM), 0);
    cr_expect(live_errors_say("rejected=2"));
    close(silent);
    close(slow);
    close(good);
}

Test(ingest_tcp, a_host_may_have_rules_and_a_key_of_its_own)
{
    char last[256], text[512];
    static const char edge_key[] = "a key that only edge2 has";
    write_file(edge_key_path, "edge-key", edge_key);
    snprintf(text, sizeof text,
             "uid * for *\n"
             "host edge1 for globex\n"
             "host edge2 for org_acme key-file %s\n",
             edge_key_path);
    write_file(rules_path, "rules", text);
    live_options.peers = rules_path;
    live_start_agent();
    int edge1 = live_dial_tcp(), thief = live_dial_tcp(), edge2 = live_dial_tcp(),
        unknown = live_dial_tcp();
    cr_assert(shake_hands(edge1, "edge1", right_key));
    cr_expect_not(shake_hands(thief, "edge2", right_key), "edge2's name with the common key");
    cr_assert(shake_hands(edge2, "edge2", edge_key));
    cr_expect_not(shake_hands(unknown, "edge3", right_key));
    live_send_one(edge1, "ev-1", "c");
    live_hear_ack(edge1, "c");
    live_send_one(edge2, "ev-2", "c");
    live_hear_ack(edge2, "c");
    cr_expect_eq(live_end_agent(SIGTERM), 0);
    cr_expect_eq(live_count_log(LOG_EVENTS, last), 1);
    cr_expect_str_eq(last, "ev-2");
    cr_expect_eq(live_count_log(LOG_QUARANTINE, last), 1);
    cr_expect_not_null(strstr(last, "host=edge1 may not write for organization org_acme"), "%s",
                       last);
    close(edge1);
    close(thief);
    close(edge2);
    close(unknown);
}

Test(ingest_tcp, too_many_strangers_keep_nobody_from_the_unix_socket)
{
    enum { STRANGERS = 300 };
    int fds[STRANGERS];
    live_options.deadline_ms = 1500;
    live_start_agent();
    for (int i = 0; i < STRANGERS; i++)
        fds[i] = live_dial_tcp();
    live_wait_for("too many that have not shown their key yet");
    int local = live_dial();
    live_send_one(local, "ev", "c");
    live_hear_ack(local, "c");
    /* When their time is over, others are let in. */
    int good = live_dial_tcp();
    for (int i = 0; i < STRANGERS; i++)
        close(fds[i]);
    cr_expect(shake_hands(good, "edge1", right_key));
    cr_expect_eq(live_end_agent(SIGTERM), 0);
    close(local);
    close(good);
}
