
#include "store/event/event_fields.h"
#include "store/event/pack.h"

/* The record's declared pairs, byte for byte, under a new map head. */
static bool
store_declared(const struct event *e, msgpack_packer *pk, struct buf *out)
{
    const uint8_t *types = event_fields_of(e->kind);
    struct mp m = mp_of(e->record);
    struct mp_value head, key;
    if (!mp_read(&m, &head) || msgpack_pack_map(pk, head.count - e->undeclared) != 0)
        return false;
    for (uint32_t i = 0; i < head.count; i++) {
        const uint8_t *start = m.p;
        if (!mp_read(&m, &key) || !mp_skip(&m))
            return false;
        enum event_field f = key.type == MP_STR ? event_field_find(mp_str(&key)) : FIELD_COUNT;
        if (f != FIELD_COUNT && types[f] != FIELD_UNDECLARED &&
            !buf_append(out, start, (size_t)(m.p - start)))
            return false;
    }
    return true;
}

bool
event_store(const struct event *event, struct buf *out)
{
    size_t before = out->size_bytes;
    msgpack_packer pk;
    msgpack_packer_init(&pk, out, pack_to_buf);
    bool ok = msgpack_pack_array(&pk, 4) == 0 && msgpack_pack_int(&pk, (int)event->kind) == 0 &&
              msgpack_pack_int64(&pk, event->time_utc_ms) == 0 &&
              msgpack_pack_uint32(&pk, event->peer_uid) == 0;
    if (ok)
        ok = event->undeclared > 0 ? store_declared(event, &pk, out)
                                   : buf_append(out, event->record.data, event->record.size_bytes);
    if (!ok)
        out->size_bytes = before;
    return ok;
}

bool
event_read(struct mp *m, struct event *ret, struct event_defect *defect)
{
    struct mp_value head, kind, when, uid;
    struct mp at = *m;
    uint64_t k, ms, u;
    if (!mp_read(&at, &head) || head.type != MP_ARRAY || head.count != 4 || !mp_read(&at, &kind) ||
        !mp_whole(&kind, &k) || k < EVENT_USAGE || k >= EVENT_KINDS || !mp_read(&at, &when) ||
        !mp_whole(&when, &ms) || ms >= (uint64_t)TIME_MAX_MS || !mp_read(&at, &uid) ||
        !mp_whole(&uid, &u) || u > UINT32_MAX)
        return event_defect_set(defect, "the envelope is not [kind, time, uid, record]");
    if (!event_parse_at((enum event_kind)k, &at, (int64_t)ms, true, ret, defect))
        return false;
    ret->peer_uid = (uint32_t)u;
    *m = at;
    return true;
}
