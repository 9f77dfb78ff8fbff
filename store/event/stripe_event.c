#include "store/event/stripe_event.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "store/event/event.h"

enum {
    TEXT_BYTES_MAX = 64,      /* of an event's own texts */
    MAP_TEXT_BYTES_MAX = 256, /* of those in a map */
    MAP_BYTES_MAX = 4096,
    MAP_HEAD_BYTES = 3,
    NAME_HEAD_BYTES = 1, /* of a key's msgpack; names have up to 31 bytes */
    VALUE_HEAD_BYTES = 9 /* a number's msgpack, the most that a scalar has beside its text */
};

static const int64_t CREATED_S_MAX = 253402300799; /* 9999-12-31T23:59:59Z */

/* ---- a map within its bounds ---- */

struct told {
    json_t *object;
    size_t left_bytes; /* of msgpack */
    bool ok;           /* false: no memory */
};

/* value is taken. */
static void
put(struct told *told, const char *name, json_t *value)
{
    size_t size = NAME_HEAD_BYTES + strlen(name) + VALUE_HEAD_BYTES + json_string_length(value);
    if (value != NULL && size > told->left_bytes) {
        json_decref(value);
        return;
    }
    if (json_object_set_new_nocheck(told->object, name, value) != 0)
        told->ok = false;
    else
        told->left_bytes -= size;
}

static bool
is_text(struct str text, size_t bytes_max)
{
    bool ok = text.data != NULL && text.size_bytes <= bytes_max;
    for (size_t i = 0; ok && i < text.size_bytes; i++) {
        uint8_t c = (uint8_t)text.data[i];
        ok = c >= 0x20 && c != 0x7f;
    }
    return ok;
}

static void
put_str(struct told *told, const char *name, struct str text)
{
    if (is_text(text, MAP_TEXT_BYTES_MAX))
        put(told, name, json_stringn_nocheck(text.data, text.size_bytes));
}

static struct str
str_at(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    return (struct str){json_string_value(value), json_string_length(value)};
}

/* No longer than it may be, and whole characters. */
static struct str
cut(struct str text, size_t bytes_max)
{
    if (text.size_bytes > bytes_max) {
        text.size_bytes = bytes_max;
        while (text.size_bytes > 0 && ((uint8_t)text.data[text.size_bytes] & 0xc0) == 0x80)
            text.size_bytes--;
    }
    return text;
}

/* ---- fields ---- */

enum shape {
    TEXT,
    REFERENCE, /* an id, or the object that has it */
    NUMBER,
    FLAG,
};

struct field {
    const char *name;
    enum shape shape;
};

static void
put_field(struct told *told, const json_t *from, const struct field *field)
{
    const json_t *value = json_object_get(from, field->name);
    switch (field->shape) {
    case TEXT:
        put_str(told, field->name, str_at(from, field->name));
        break;
    case REFERENCE:
        put_str(told, field->name,
                json_is_object(value) ? str_at(value, "id") : str_at(from, field->name));
        break;
    case NUMBER:
        if (json_is_integer(value))
            put(told, field->name, json_integer(json_integer_value(value)));
        break;
    case FLAG:
        if (json_is_boolean(value))
            put(told, field->name, json_boolean(json_is_true(value)));
        break;
    }
}

static void
put_fields(struct told *told, const json_t *from, const struct field *fields)
{
    for (size_t i = 0; fields[i].name != NULL; i++)
        put_field(told, from, &fields[i]);
}

static const struct field common[] = {
    {"object", TEXT},        {"id", TEXT},          {"status", TEXT},
    {"customer", REFERENCE}, {"currency", TEXT},    {"amount", NUMBER},
    {"invoice", REFERENCE},  {"charge", REFERENCE}, {"payment_intent", REFERENCE},
    {"reason", TEXT},        {NULL, TEXT},
};
static const struct field of_metadata[] = {
    {"gbill_key", TEXT}, {"gbill_plan", TEXT}, {"gbill_invoice", TEXT}, {NULL, TEXT}};
static const struct field of_invoice[] = {{"total", NUMBER},
                                          {"amount_due", NUMBER},
                                          {"amount_paid", NUMBER},
                                          {"amount_remaining", NUMBER},
                                          {NULL, TEXT}};
static const struct field of_payment[] = {{"amount_paid", NUMBER}, {NULL, TEXT}};
static const struct field of_charge[] = {{"amount_refunded", NUMBER}, {NULL, TEXT}};
static const struct field of_subscription[] = {
    {"cancel_at", NUMBER}, {"cancel_at_period_end", FLAG}, {"canceled_at", NUMBER},
    {"ended_at", NUMBER},  {"trial_end", NUMBER},          {NULL, TEXT},
};
static const struct field of_session[] = {
    {"mode", TEXT}, {"setup_intent", REFERENCE}, {"subscription", REFERENCE}, {NULL, TEXT}};

/* How a payment of an invoice was made is an object within it. */
static void
put_payment(struct told *told, const json_t *object)
{
    static const struct field references[] = {
        {"payment_intent", REFERENCE}, {"charge", REFERENCE}, {NULL, TEXT}};
    const json_t *payment = json_object_get(object, "payment");
    put_fields(told, object, of_payment);
    put_fields(told, payment, references);
    put_str(told, "payment_type", str_at(payment, "type"));
}

static void
put_subscription(struct told *told, const json_t *object)
{
    static const struct field quantity[] = {{"quantity", NUMBER}, {NULL, TEXT}};
    const json_t *item =
        json_array_get(json_object_get(json_object_get(object, "items"), "data"), 0);
    const json_t *price = json_object_get(item, "price");
    struct str pause = str_at(json_object_get(object, "pause_collection"), "behavior");
    put_fields(told, object, of_subscription);
    put_fields(told, item, quantity);
    put_str(told, "price", json_is_string(price) ? str_at(item, "price") : str_at(price, "id"));
    put_str(told, "price_plan", str_at(json_object_get(price, "metadata"), "gbill_plan"));
    put_str(told, "pause", pause.data != NULL ? pause : str_of(""));
}

/* The names of what was changed, as many as there is room for. */
static void
put_changed(struct told *told, const json_t *previous)
{
    char text[MAP_TEXT_BYTES_MAX + 1];
    size_t used = 0;
    const char *name;
    json_t *value;
    json_object_foreach ((json_t *)(uintptr_t)previous, name, value) {
        size_t n = strlen(name);
        if (n == 0 || n + (used > 0) > MAP_TEXT_BYTES_MAX - used || !is_text(str_of(name), n))
            continue;
        if (used > 0)
            text[used++] = ',';
        memcpy(text + used, name, n);
        used += n;
    }
    if (used > 0)
        put_str(told, "changed", (struct str){text, used});
}

/* By whose request it came.  A DELETE has no key: ours says so in the comment that it leaves. */
static struct str
request_key(const json_t *root, const json_t *object)
{
    struct str key = str_at(json_object_get(root, "request"), "idempotency_key");
    struct str comment = str_at(json_object_get(object, "cancellation_details"), "comment");
    bool ours = comment.data != NULL && strncmp(comment.data, "gbill:", strlen("gbill:")) == 0;
    return key.data == NULL && ours ? comment : key;
}

/* What decides comes first: who has no room left loses the rest. */
static void
put_object(struct told *told, const json_t *root, const json_t *object, const char *organization)
{
    static const struct field flags[] = {{"livemode", FLAG}, {"api_version", TEXT}, {NULL, TEXT}};
    const json_t *data = json_object_get(root, "data");
    struct str kind = str_at(object, "object");
    put_fields(told, object, common);
    if (strcmp(organization, "-") != 0)
        put_str(told, "gbill_organization", str_of(organization));
    put_str(told, "request_key", cut(request_key(root, object), MAP_TEXT_BYTES_MAX));
    put_fields(told, root, flags);
    if (kind.data != NULL && strcmp(kind.data, "invoice") == 0)
        put_fields(told, object, of_invoice);
    else if (kind.data != NULL && strcmp(kind.data, "invoice_payment") == 0)
        put_payment(told, object);
    else if (kind.data != NULL && strcmp(kind.data, "charge") == 0)
        put_fields(told, object, of_charge);
    else if (kind.data != NULL && strcmp(kind.data, "subscription") == 0)
        put_subscription(told, object);
    else if (kind.data != NULL && strcmp(kind.data, "checkout.session") == 0)
        put_fields(told, object, of_session);
    put_fields(told, json_object_get(object, "metadata"), of_metadata);
    put_changed(told, json_object_get(data, "previous_attributes"));
}

/* ---- the event ---- */

/* An organization that an event may be of; else nobody. */
static void
read_organization(const json_t *object, char ret[STRIPE_EVENT_ORGANIZATION_BYTES])
{
    struct str named = str_at(json_object_get(object, "metadata"), "gbill_organization");
    bool ok = named.size_bytes > 0 && is_text(named, STRIPE_EVENT_ORGANIZATION_BYTES - 1);
    snprintf(ret, STRIPE_EVENT_ORGANIZATION_BYTES, "%s", ok ? named.data : "-");
}

static enum err_code
read_head(const json_t *root, struct stripe_event *e, struct err *err)
{
    struct str what = str_at(root, "object");
    const json_t *created = json_object_get(root, "created");
    e->id = str_at(root, "id");
    e->type = str_at(root, "type");
    e->created_s = json_is_integer(created) ? json_integer_value(created) : -1;
    if (what.data != NULL && strcmp(what.data, "v2.core.event") == 0)
        return err_set(err, ERR_INPUT,
                       "a thin event, which has no object; let the endpoint be sent snapshots");
    if (what.data == NULL || strcmp(what.data, "event") != 0)
        return err_set(err, ERR_INPUT, "it is no event: object is not \"event\"");
    if (e->id.size_bytes == 0 || !is_text(e->id, TEXT_BYTES_MAX))
        return err_set(err, ERR_INPUT, "id is no text of 1 to %d bytes", TEXT_BYTES_MAX);
    if (e->type.size_bytes == 0 || !is_text(e->type, e->type.size_bytes))
        return err_set(err, ERR_INPUT, "type is no text");
    if (e->created_s < 0 || e->created_s > CREATED_S_MAX)
        return err_set(err, ERR_INPUT, "created is no time in seconds");
    e->type = cut(e->type, TEXT_BYTES_MAX);
    return ERR_OK;
}

static enum err_code
make_record(struct stripe_event *e, struct err *err)
{
    const json_t *object = json_object_get(json_object_get(e->root, "data"), "object");
    if (!json_is_object(object))
        return err_set(err, ERR_INPUT, "it has no data.object");
    json_int_t created_ms = e->created_s * 1000;
    read_organization(object, e->organization);
    struct told told = {json_object(), MAP_BYTES_MAX - MAP_HEAD_BYTES, true};
    put_object(&told, e->root, object, e->organization);
    e->record = json_pack("{s:s%, s:I, s:O}", "type", e->type.data, e->type.size_bytes, "createdAt",
                          created_ms, "object", told.object);
    json_decref(told.object);
    return told.ok && e->record != NULL ? ERR_OK : err_set(err, ERR_LIMIT, "no memory");
}

enum err_code
stripe_event_read(struct bytes body, struct stripe_event *ret, struct err *err)
{
    struct stripe_event e = {.root = NULL};
    json_error_t error;
    enum err_code code = ERR_OK;
    if (body.size_bytes > STRIPE_EVENT_BODY_BYTES_MAX)
        return err_set(err, ERR_LIMIT, "it has %zu bytes, limit is %d", body.size_bytes,
                       STRIPE_EVENT_BODY_BYTES_MAX);
    /* A text of somebody's may have a NUL, and is none of ours. */
    e.root = json_loadb((const char *)body.data, body.size_bytes, JSON_ALLOW_NUL, &error);
    if (e.root == NULL)
        code =
            err_set(err, ERR_INPUT, "it is no JSON (line %d, column %d)", error.line, error.column);
    if (code == ERR_OK)
        code = read_head(e.root, &e, err);
    if (code == ERR_OK)
        code = make_record(&e, err);
    if (code == ERR_OK)
        *ret = e;
    else
        stripe_event_clear(&e);
    return code;
}

void
stripe_event_clear(struct stripe_event *event)
{
    json_decref(event->record);
    json_decref(event->root);
    *event = (struct stripe_event){.root = NULL};
}
