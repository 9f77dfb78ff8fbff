#include "store/log/quarantine.h"

#include "store/event/pack.h"

static int
pack_text(msgpack_packer *pk, struct str s)
{
    int rc = msgpack_pack_str(pk, s.size_bytes);
    return rc != 0 ? rc : msgpack_pack_str_body(pk, s.data, s.size_bytes);
}

bool
quarantine_store(const struct quarantined *q, struct buf *out)
{
    size_t before = out->size_bytes;
    size_t kept = q->record.size_bytes < QUARANTINE_BYTES_MAX ? q->record.size_bytes
                                                              : QUARANTINE_BYTES_MAX;
    msgpack_packer pk;
    msgpack_packer_init(&pk, out, pack_to_buf);
    bool ok = msgpack_pack_array(&pk, 5) == 0 && pack_text(&pk, q->reason) == 0 &&
              pack_text(&pk, q->tag) == 0 && msgpack_pack_int64(&pk, q->entry_utc_ms) == 0 &&
              msgpack_pack_uint32(&pk, q->peer_uid) == 0 && msgpack_pack_bin(&pk, kept) == 0 &&
              msgpack_pack_bin_body(&pk, q->record.data, kept) == 0;
    if (!ok)
        out->size_bytes = before;
    return ok;
}

bool
quarantine_read(struct mp *m, struct quarantined *ret)
{
    struct mp_value head, reason, tag, when, uid, record;
    struct mp at = *m;
    uint64_t u;
    if (!mp_read(&at, &head) || head.type != MP_ARRAY || head.count != 5 ||
        !mp_read(&at, &reason) || reason.type != MP_STR || !mp_read(&at, &tag) ||
        tag.type != MP_STR || !mp_read(&at, &when) ||
        (when.type != MP_UINT && when.type != MP_INT) || !mp_read(&at, &uid) ||
        !mp_whole(&uid, &u) || u > UINT32_MAX || !mp_read(&at, &record) || record.type != MP_BIN)
        return false;
    *ret = (struct quarantined){.reason = mp_str(&reason),
                                .tag = mp_str(&tag),
                                .entry_utc_ms = when.i,
                                .peer_uid = (uint32_t)u,
                                .record = {record.data, record.count}};
    *m = at;
    return true;
}
