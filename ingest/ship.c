#include "ingest/ship.h"

#include <msgpack.h>

#include "store/base/time.h"
#include "store/event/mp.h"
#include "store/event/pack.h"
#include "store/log/frame.h"

#define SHIP_TAG "gbill.ship"

static const char broken[] = "a message of gbill ship is not as schemas/ship.md has it";

bool
ship_host_ok(struct str host)
{
    return host.size_bytes > 0 && host.data[0] != '.' &&
           memchr(host.data, '/', host.size_bytes) == NULL;
}

/* ---- reading ---- */

/* The head and the tag; m then stands before the word. */
static bool
read_tag(struct mp *m, uint32_t *ret_count)
{
    struct mp_value head, tag;
    if (!mp_read(m, &head) || head.type != MP_ARRAY || head.count < 2 || !mp_read(m, &tag) ||
        tag.type != MP_STR || !str_is(mp_str(&tag), SHIP_TAG))
        return false;
    *ret_count = head.count;
    return true;
}

bool
ship_is(struct bytes message)
{
    struct mp m = mp_of(message);
    uint32_t count;
    return read_tag(&m, &count);
}

static bool
read_hash(struct mp *m, uint8_t ret[HASH_SHA256_BYTES])
{
    struct mp_value v;
    if (!mp_read(m, &v) || v.type != MP_BIN || v.count != HASH_SHA256_BYTES)
        return false;
    memcpy(ret, v.data, HASH_SHA256_BYTES);
    return true;
}

static bool
read_tips(struct mp *m, struct day_tip ret[LOG_STREAMS])
{
    for (int s = 0; s < LOG_STREAMS; s++) {
        struct mp_value v;
        if (!mp_read(m, &v) || v.type != MP_UINT || v.u == 0 || v.u > INT64_MAX ||
            !read_hash(m, ret[s].chain))
            return false;
        ret[s].next_seq = v.u;
    }
    return true;
}

static const char *
read_hello(struct mp *m, struct ship_message *ret)
{
    struct mp_value version;
    if (!mp_read(m, &version) || version.type != MP_UINT)
        return broken;
    if (version.u != SHIP_VERSION)
        return "another version of gbill ship: update the older of the two gbills";
    if (!read_hash(m, ret->origin.identity) || !read_tips(m, ret->origin.start))
        return broken;
    return NULL;
}

static const char *
read_frames(struct mp *m, struct ship_message *ret)
{
    struct mp_value day, frames;
    if (!mp_read(m, &day) || day.type != MP_UINT || day.u >= TIME_MAX_MS / TIME_DAY_MS ||
        !mp_read(m, &frames) || frames.type != MP_BIN || frames.count == 0)
        return broken;
    ret->day = (int32_t)day.u;
    ret->frames = (struct bytes){frames.data, frames.count};
    return NULL;
}

static const char *
read_refused(struct mp *m, struct ship_message *ret)
{
    struct mp_value status, reason;
    if (!mp_read(m, &status) || status.type != MP_UINT || !mp_read(m, &reason) ||
        reason.type != MP_STR || reason.count > SHIP_REASON_BYTES_MAX)
        return broken;
    ret->code = ERR_PEER;
    for (enum err_code c = ERR_OK + 1; c <= ERR_PEER; c++) {
        if ((uint64_t)err_exit_status(c) == status.u)
            ret->code = c;
    }
    ret->reason = mp_str(&reason);
    return NULL;
}

const char *
ship_read(struct bytes message, struct ship_message *ret)
{
    static const struct {
        const char *word;
        uint32_t count;
        const char *(*read)(struct mp *m, struct ship_message *ret);
    } kinds[] = {
        [SHIP_HELLO] = {"hello", 4 + 2 * LOG_STREAMS, read_hello},
        [SHIP_FRAMES] = {"frames", 4, read_frames},
        [SHIP_STAND] = {"stand", 2 + 2 * LOG_STREAMS, NULL},
        [SHIP_REFUSED] = {"refused", 4, read_refused},
    };
    struct mp m = mp_of(message);
    struct mp_value word;
    uint32_t count;
    if (!read_tag(&m, &count) || !mp_read(&m, &word) || word.type != MP_STR)
        return broken;
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        if (!str_is(mp_str(&word), kinds[k].word))
            continue;
        *ret = (struct ship_message){.kind = (enum ship_kind)k};
        const char *reason = NULL;
        if (kinds[k].read != NULL)
            reason = kinds[k].read(&m, ret);
        else if (!read_tips(&m, ret->stand))
            reason = broken;
        if (reason == NULL && (count != kinds[k].count || m.p != m.end))
            reason = broken;
        return reason;
    }
    return broken;
}

bool
ship_next_frame(struct bytes *rest, struct log_copy_frame *ret)
{
    const uint8_t *p = rest->data;
    if (rest->size_bytes < 1 + FRAME_HEAD_BYTES || p[0] >= LOG_STREAMS)
        return false;
    size_t body_bytes = get_le32(p + 1 + 8), left = rest->size_bytes - 1 - FRAME_HEAD_BYTES;
    if (body_bytes == 0 || body_bytes > left || get_le32(p + 1 + 20) > SHIP_FRAME_RAW_BYTES_MAX)
        return false;
    size_t all = FRAME_HEAD_BYTES + body_bytes;
    *ret = (struct log_copy_frame){(enum log_stream)p[0], {p + 1, all}};
    *rest = (struct bytes){p + 1 + all, rest->size_bytes - 1 - all};
    return true;
}

/* ---- writing ---- */

static bool
put_text(msgpack_packer *pk, const char *text, size_t size_bytes)
{
    return msgpack_pack_str(pk, size_bytes) == 0 &&
           msgpack_pack_str_body(pk, text, size_bytes) == 0;
}

static bool
begin(msgpack_packer *pk, struct buf *out, size_t count, const char *word)
{
    msgpack_packer_init(pk, out, pack_to_buf);
    return msgpack_pack_array(pk, count) == 0 && put_text(pk, SHIP_TAG, strlen(SHIP_TAG)) &&
           put_text(pk, word, strlen(word));
}

static bool
put_bin(msgpack_packer *pk, const uint8_t *data, size_t size_bytes)
{
    return msgpack_pack_bin(pk, size_bytes) == 0 &&
           msgpack_pack_bin_body(pk, data, size_bytes) == 0;
}

static bool
put_tips(msgpack_packer *pk, const struct day_tip tips[LOG_STREAMS])
{
    bool ok = true;
    for (int s = 0; ok && s < LOG_STREAMS; s++)
        ok = msgpack_pack_uint64(pk, tips[s].next_seq) == 0 &&
             put_bin(pk, tips[s].chain, HASH_SHA256_BYTES);
    return ok;
}

bool
ship_put_stream(enum log_stream stream, struct buf *out)
{
    uint8_t byte = (uint8_t)stream;
    return buf_append(out, &byte, 1);
}

bool
ship_put_hello(const struct log_origin *origin, struct buf *out)
{
    msgpack_packer pk;
    return begin(&pk, out, 4 + 2 * LOG_STREAMS, "hello") &&
           msgpack_pack_int(&pk, SHIP_VERSION) == 0 &&
           put_bin(&pk, origin->identity, HASH_SHA256_BYTES) && put_tips(&pk, origin->start);
}

bool
ship_put_frames(int32_t day, struct bytes frames, struct buf *out)
{
    msgpack_packer pk;
    return begin(&pk, out, 4, "frames") && msgpack_pack_int32(&pk, day) == 0 &&
           put_bin(&pk, frames.data, frames.size_bytes);
}

bool
ship_put_stand(const struct day_tip stand[LOG_STREAMS], struct buf *out)
{
    msgpack_packer pk;
    return begin(&pk, out, 2 + 2 * LOG_STREAMS, "stand") && put_tips(&pk, stand);
}

bool
ship_put_refused(enum err_code code, const char *reason, struct buf *out)
{
    msgpack_packer pk;
    size_t n = strnlen(reason, SHIP_REASON_BYTES_MAX);
    return begin(&pk, out, 4, "refused") && msgpack_pack_int(&pk, err_exit_status(code)) == 0 &&
           put_text(&pk, reason, n);
}
