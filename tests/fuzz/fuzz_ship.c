/*
 * What a collector takes from who ships, and a shipper from who calls itself a
 * collector: messages of gbill ship and the frames in them; HELO and PONG.  What is
 * taken says the same when it is written again, and no frame lies outside its message.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/handshake_client.h"
#include "ingest/ship.h"
#include "store/log/day.h"
#include "store/log/frame.h"
#include "tests/fuzz/fuzz.h"

static const struct bytes key = {(const uint8_t *)"what no input has in it", 23};

static void
walk(const struct ship_message *m)
{
    static struct frame_codec *codec;
    struct bytes rest = m->frames;
    struct log_copy_frame next;
    if (codec == NULL)
        codec = frame_codec_new();
    while (rest.size_bytes > 0 && ship_next_frame(&rest, &next)) {
        struct day_tip tip = {.next_seq = 1};
        struct frame f;
        assert(next.stream < LOG_STREAMS && next.frame.size_bytes > FRAME_HEAD_BYTES);
        assert(next.frame.data > m->frames.data);
        assert(next.frame.data + next.frame.size_bytes == rest.data);
        if (frame_decode(next.frame, &f, NULL) == ERR_OK) {
            assert(f.raw_bytes <= SHIP_FRAME_RAW_BYTES_MAX);
            tip.next_seq = f.first_seq;
            (void)day_tip_go_on(&tip, codec, next.frame);
        }
    }
}

static void
write_again(const struct ship_message *m)
{
    struct ship_message again;
    struct buf out;
    char reason[SHIP_REASON_BYTES_MAX + 1];
    bool ok = true;
    buf_init(&out, SHIP_MESSAGE_BYTES_MAX);
    snprintf(reason, sizeof reason, "%.*s", STR_ARG(m->reason));
    switch (m->kind) {
    case SHIP_HELLO:
        ok = ship_put_hello(&m->origin, &out);
        break;
    case SHIP_FRAMES:
        ok = ship_put_frames(m->day, m->frames, &out);
        break;
    case SHIP_STAND:
        ok = ship_put_stand(m->stand, &out);
        break;
    case SHIP_REFUSED:
        ok = ship_put_refused(m->code, reason, &out);
        break;
    }
    assert(ok);
    const char *why = ship_read((struct bytes){out.data, out.size_bytes}, &again);
    assert(why == NULL && again.kind == m->kind && again.day == m->day && again.code == m->code);
    assert(memcmp(&again.origin, &m->origin, sizeof again.origin) == 0);
    assert(memcmp(again.stand, m->stand, sizeof again.stand) == 0);
    assert(again.frames.size_bytes == m->frames.size_bytes);
    buf_clear(&out);
}

static void
shake_hands(struct bytes bytes)
{
    struct handshake_client h;
    struct str said;
    struct buf out;
    buf_init(&out, HANDSHAKE_PING_BYTES_MAX);
    if (handshake_client_ping(&h, bytes, str_of("host"), key, &out) == NULL) {
        struct handshake_ping ping;
        const char *why = handshake_read_ping((struct bytes){out.data, out.size_bytes}, &ping);
        assert(why == NULL && str_is(ping.hostname, "host"));
    }
    /* Nobody proves a key that is not in the input. */
    const char *why = handshake_client_pong(&h, bytes, key, &said);
    assert(why != NULL);
    buf_clear(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    struct bytes bytes = {data, size_bytes};
    struct ship_message m;
    if (size_bytes == 0)
        return 0;
    const char *why = ship_read(bytes, &m);
    assert(why != NULL || ship_is(bytes));
    if (why == NULL) {
        write_again(&m);
        walk(&m);
    }
    shake_hands(bytes);
    return 0;
}
