#include "store/event/json_pack.h"

#include "store/event/mp.h"
#include "store/event/pack.h"

/* Once there was no room, nothing smaller is let in behind it. */
struct sink {
    struct buf *out;
    bool full;
};

static int
write_to_sink(void *context, const char *data, size_t size_bytes)
{
    struct sink *sink = context;
    if (sink->full || !buf_append(sink->out, data, size_bytes))
        sink->full = true;
    return 0;
}

static void
pack_text(msgpack_packer *pk, struct str s)
{
    msgpack_pack_str(pk, s.size_bytes);
    msgpack_pack_str_body(pk, s.data, s.size_bytes);
}

static bool pack_value(msgpack_packer *pk, const json_t *value, int depth_left);

static bool
pack_object(msgpack_packer *pk, const json_t *object, int depth_left)
{
    json_t *o = (json_t *)(uintptr_t)object; /* iterating does not change it */
    const char *key;
    json_t *value;
    msgpack_pack_map(pk, json_object_size(object));
    json_object_foreach (o, key, value) {
        pack_text(pk, str_of(key));
        if (!pack_value(pk, value, depth_left))
            return false;
    }
    return true;
}

static bool
pack_array(msgpack_packer *pk, const json_t *array, int depth_left)
{
    msgpack_pack_array(pk, json_array_size(array));
    for (size_t i = 0; i < json_array_size(array); i++) {
        if (!pack_value(pk, json_array_get(array, i), depth_left))
            return false;
    }
    return true;
}

/* It calls itself at most depth_left levels deep. */
static bool
pack_value(msgpack_packer *pk, const json_t *value, int depth_left)
{
    if ((json_is_object(value) || json_is_array(value)) && depth_left == 0)
        return false;
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return pack_object(pk, value, depth_left - 1);
    case JSON_ARRAY:
        return pack_array(pk, value, depth_left - 1);
    case JSON_STRING:
        pack_text(pk, (struct str){json_string_value(value), json_string_length(value)});
        return true;
    case JSON_INTEGER:
        msgpack_pack_int64(pk, json_integer_value(value));
        return true;
    case JSON_REAL:
        msgpack_pack_double(pk, json_real_value(value));
        return true;
    case JSON_TRUE:
        msgpack_pack_true(pk);
        return true;
    case JSON_FALSE:
        msgpack_pack_false(pk);
        return true;
    case JSON_NULL:
        msgpack_pack_nil(pk);
        return true;
    }
    return true;
}

enum json_packed
json_pack_value(const json_t *value, int depth_max, struct buf *out)
{
    struct sink sink = {.out = out};
    msgpack_packer pk;
    msgpack_packer_init(&pk, &sink, write_to_sink);
    if (!pack_value(&pk, value, depth_max))
        return JSON_TOO_DEEP;
    return sink.full ? JSON_NO_ROOM : JSON_PACKED;
}

static bool
is_kept(const char *key, const json_t *value)
{
    return !json_is_null(value) && strcmp(key, "id") != 0 && strcmp(key, "organizationId") != 0;
}

enum json_packed
json_pack_record(const json_t *object, struct str id, struct str organization, struct buf *out)
{
    struct sink sink = {.out = out};
    json_t *o = (json_t *)(uintptr_t)object; /* iterating does not change it */
    const char *key;
    json_t *value;
    size_t pairs = 2;
    msgpack_packer pk;
    msgpack_packer_init(&pk, &sink, write_to_sink);
    json_object_foreach (o, key, value)
        pairs += is_kept(key, value) ? 1 : 0;
    msgpack_pack_map(&pk, pairs);
    pack_text(&pk, str_of("id"));
    pack_text(&pk, id);
    pack_text(&pk, str_of("organizationId"));
    pack_text(&pk, organization);
    json_object_foreach (o, key, value) {
        if (!is_kept(key, value))
            continue;
        pack_text(&pk, str_of(key));
        if (!pack_value(&pk, value, MP_DEPTH_MAX - 1)) /* the record itself is one level */
            return JSON_TOO_DEEP;
    }
    return sink.full ? JSON_NO_ROOM : JSON_PACKED;
}
