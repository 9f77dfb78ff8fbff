#include "reports/api/parcel.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "store/base/hash.h"
#include "store/event/json_pack.h"

enum { BYTES_MAX = 8 * 1024 * 1024, ID_HASH_BYTES = 18 };

struct parcel_item {
    enum event_kind kind;
    int64_t utc_ms;
    size_t at, size_bytes; /* in the records, which may move while it grows */
};

void
parcel_init(struct parcel *parcel)
{
    buf_init(&parcel->records, BYTES_MAX);
    list_init(&parcel->items, sizeof(struct parcel_item));
}

void
parcel_clear(struct parcel *parcel)
{
    buf_clear(&parcel->records);
    list_clear(&parcel->items);
}

static bool
pack(struct parcel *parcel, const struct parcel_item *item, const json_t *object, struct str id,
     const char *organization, struct event_defect *defect)
{
    switch (json_pack_record(object, id, str_of(organization), &parcel->records)) {
    case JSON_PACKED:
        break;
    case JSON_TOO_DEEP:
        return event_defect_set(defect, "it is nested deeper than %d levels", MP_DEPTH_MAX);
    case JSON_NO_ROOM:
        return event_defect_set(defect, "the request's events take too much room");
    }
    if (parcel->records.size_bytes - item->at > EVENT_RECORD_BYTES_MAX)
        return event_defect_set(defect, "the event has %zu bytes, limit is %d",
                                parcel->records.size_bytes - item->at, EVENT_RECORD_BYTES_MAX);
    return true;
}

/* The same two questions that the agent asks, so that what is taken here is no quarantine's. */
static bool
check(const struct parcel *parcel, const struct parcel_item *item, struct event_defect *defect)
{
    struct event event;
    const struct bytes record = {parcel->records.data + item->at, item->size_bytes};
    return event_parse(item->kind, record, item->utc_ms, &event, defect) &&
           event_time_ok(&event, item->utc_ms, defect);
}

bool
parcel_add(struct parcel *parcel, enum event_kind kind, const json_t *object, struct str id,
           const char *organization, int64_t now_ms, struct event_defect *defect)
{
    struct parcel_item item = {.kind = kind, .utc_ms = now_ms, .at = parcel->records.size_bytes};
    bool ok = pack(parcel, &item, object, id, organization, defect);
    item.size_bytes = parcel->records.size_bytes - item.at;
    ok = ok && check(parcel, &item, defect);
    if (ok && !list_add(&parcel->items, &item))
        ok = event_defect_set(defect, "no memory");
    if (!ok)
        parcel->records.size_bytes = item.at;
    return ok;
}

bool
parcel_make_id(const char *idempotency_key, size_t index, char ret_id[PARCEL_ID_BYTES])
{
    uint8_t hash[HASH_SHA256_BYTES], place[8];
    if (idempotency_key == NULL) {
        if (getrandom(hash, ID_HASH_BYTES, 0) != ID_HASH_BYTES)
            return false;
    } else {
        put_be64(place, index);
        const struct bytes parts[] = {
            {(const uint8_t *)idempotency_key, strlen(idempotency_key) + 1}, {place, sizeof place}};
        hash_sha256(parts, 2, hash);
    }
    memcpy(ret_id, "api-", 4);
    hash_hex(hash, ID_HASH_BYTES, ret_id + 4);
    return true;
}

enum err_code
parcel_send(const struct parcel *parcel, const struct outlet *outlet, outlet_done *done,
            void *done_context, struct err *err)
{
    struct outlet_event events[PARCEL_EVENTS_MAX];
    const struct parcel_item *items = parcel->items.items;
    for (size_t i = 0; i < parcel->items.count; i++)
        events[i] = (struct outlet_event){
            items[i].kind,
            items[i].utc_ms,
            {parcel->records.data + items[i].at, items[i].size_bytes},
        };
    return outlet->send(outlet->context, events, parcel->items.count, done, done_context, err);
}
