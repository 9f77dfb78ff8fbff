#include "billing/chargeback/metadata.h"

#include <stdlib.h>

#include "store/event/event_json.h"
#include "store/event/mp.h"

/* The value of a key in a map: its bytes, and its head read.  False where it has none. */
static bool
find(struct bytes map, struct str name, struct bytes *ret, struct mp_value *ret_value)
{
    struct mp m = mp_of(map);
    struct mp_value head, key;
    if (!mp_read(&m, &head) || head.type != MP_MAP)
        return false;
    for (uint32_t i = 0; i < head.count; i++) {
        if (!mp_read(&m, &key))
            return false;
        struct mp value = m;
        if (!mp_skip(&m))
            return false;
        if (key.type == MP_STR && str_equal(mp_str(&key), name)) {
            *ret = (struct bytes){value.p, (size_t)(m.p - value.p)};
            return mp_read(&value, ret_value);
        }
    }
    return false;
}

/* What event_json_write() makes of a scalar. */
static bool
write_scalar(struct bytes value, struct buf *room, struct str *ret)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL)
        return false;
    event_json_write(out, value);
    bool ok = fclose(out) == 0 && size <= METADATA_TEXT_BYTES_MAX;
    room->size_bytes = 0;
    ok = ok && buf_append(room, text, size);
    free(text);
    *ret = (struct str){(const char *)room->data, room->size_bytes};
    return ok;
}

bool
metadata_text(struct bytes record, struct str key, struct buf *room, struct str *ret)
{
    struct bytes metadata, value;
    struct mp_value head, scalar;
    *ret = (struct str){"", 0};
    if (!find(record, str_of("metadata"), &metadata, &head) ||
        !find(metadata, key, &value, &scalar) || scalar.type == MP_NIL)
        return true;
    if (scalar.type != MP_STR)
        return write_scalar(value, room, ret);
    *ret = mp_str(&scalar);
    return true;
}
