#include "tests/support/record.h"
#include "store/event/pack.h"

#include <criterion/criterion.h>
#include <jansson.h>

enum { RECORD_BYTES_MAX = 1024 * 1024 };

static void
pack_text(msgpack_packer *pk, const char *text, size_t size_bytes)
{
    msgpack_pack_str(pk, size_bytes);
    msgpack_pack_str_body(pk, text, size_bytes);
}

static void
pack(msgpack_packer *pk, json_t *v)
{
    const char *key;
    json_t *child;
    size_t i;
    switch (json_typeof(v)) {
    case JSON_OBJECT:
        msgpack_pack_map(pk, json_object_size(v));
        json_object_foreach (v, key, child) {
            pack_text(pk, key, strlen(key));
            pack(pk, child);
        }
        break;
    case JSON_ARRAY:
        msgpack_pack_array(pk, json_array_size(v));
        json_array_foreach (v, i, child)
            pack(pk, child);
        break;
    case JSON_STRING:
        pack_text(pk, json_string_value(v), json_string_length(v));
        break;
    case JSON_INTEGER:
        msgpack_pack_int64(pk, json_integer_value(v));
        break;
    case JSON_REAL:
        msgpack_pack_double(pk, json_real_value(v));
        break;
    case JSON_TRUE:
        msgpack_pack_true(pk);
        break;
    case JSON_FALSE:
        msgpack_pack_false(pk);
        break;
    case JSON_NULL:
        msgpack_pack_nil(pk);
        break;
    }
}

struct buf
record_of_json(const char *json)
{
    struct buf out;
    buf_init(&out, RECORD_BYTES_MAX);
    size_t n = strlen(json);
    char *text = malloc(n + 1);
    cr_assert_not_null(text);
    for (size_t i = 0; i <= n; i++)
        text[i] = json[i] == '\'' ? '"' : json[i];
    json_error_t error;
    json_t *root = json_loadb(text, n, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    cr_assert_not_null(root, "%s in: %s", error.text, text);
    msgpack_packer pk;
    msgpack_packer_init(&pk, &out, pack_to_buf);
    pack(&pk, root);
    json_decref(root);
    free(text);
    return out;
}

uint64_t
random_next(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545f4914f6cdd1d;
}
