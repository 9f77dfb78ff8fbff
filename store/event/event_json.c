#include "store/event/event_json.h"

#include <inttypes.h>

#include "store/base/print.h"
#include "store/event/mp.h"

static void
write_hex(FILE *out, const uint8_t *data, size_t size_bytes)
{
    fputs("{\"hex\":\"", out);
    for (size_t i = 0; i < size_bytes; i++)
        fprintf(out, "%02x", data[i]);
    fputs("\"}", out);
}

/* Recursion is bounded: mp_skip() has refused anything deeper than MP_DEPTH_MAX. */
static void
write_value(FILE *out, struct mp *m)
{
    struct mp_value v;
    if (!mp_read(m, &v))
        return;
    switch (v.type) {
    case MP_NIL:
        fputs("null", out);
        break;
    case MP_BOOL:
        fputs(v.b ? "true" : "false", out);
        break;
    case MP_UINT:
        fprintf(out, "%" PRIu64, v.u);
        break;
    case MP_INT:
        fprintf(out, "%" PRId64, v.i);
        break;
    case MP_FLOAT:
        if (v.f - v.f == 0)
            fprintf(out, "%.17g", v.f);
        else
            fputs("null", out); /* JSON has no infinity and no NaN */
        break;
    case MP_STR:
        print_json_text(out, mp_str(&v));
        break;
    case MP_BIN:
    case MP_EXT:
        write_hex(out, v.data, v.count);
        break;
    case MP_ARRAY:
        fputc('[', out);
        for (uint32_t i = 0; i < v.count; i++) {
            fputs(i > 0 ? "," : "", out);
            write_value(out, m);
        }
        fputc(']', out);
        break;
    case MP_MAP:
        fputc('{', out);
        for (uint32_t i = 0; i < v.count; i++) {
            struct mp_value key;
            struct mp peek = *m;
            fputs(i > 0 ? "," : "", out);
            if (mp_read(&peek, &key) && key.type == MP_STR) {
                write_value(out, m);
            } else {
                /* JSON's keys are texts. */
                fputs("\"(key is no text)\"", out);
                if (!mp_skip(m))
                    return;
            }
            fputc(':', out);
            write_value(out, m);
        }
        fputc('}', out);
        break;
    }
}

void
event_json_write(FILE *out, struct bytes value)
{
    struct mp m = mp_of(value), whole = m;
    if (!mp_skip(&whole) || whole.p != whole.end)
        write_hex(out, value.data, value.size_bytes);
    else
        write_value(out, &m);
}
