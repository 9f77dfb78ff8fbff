#include "billing/stripe/found.h"

#include <stdio.h>
#include <string.h>

enum { LISTS_MAX = 1000 }; /* kept at one time: most are of one customer */

void
found_clear(struct found *found)
{
    json_decref(found->lists);
    found->lists = NULL;
}

/* A subscription that has ended is none. */
static bool
is_over(const json_t *object)
{
    const char *status = stripe_text(object, "status");
    return strcmp(stripe_text(object, "object"), "subscription") == 0 &&
           (strcmp(status, "canceled") == 0 || strcmp(status, "incomplete_expired") == 0);
}

static enum err_code
take(void *context, const json_t *object, struct err *err)
{
    char id[STRIPE_CALL_OBJECT_BYTES_MAX + 1];
    json_t *list = context;
    const char *name = stripe_metadata(object, "gbill_key");
    const json_t *items = json_object_get(json_object_get(object, "items"), "data");
    if (name[0] == '\0' || is_over(object))
        return ERR_OK;
    snprintf(id, sizeof id, json_array_size(items) > 0 ? "%.127s %.127s" : "%.127s%.127s",
             stripe_text(object, "id"), stripe_text(json_array_get(items, 0), "id"));
    /* Lists begin with the newest. */
    return json_object_set_new(list, name, json_string(id)) == 0
               ? ERR_OK
               : err_set(err, ERR_LIMIT, "no memory for the list of what Stripe has");
}

enum err_code
found_find(struct found *found, struct stripe *stripe, const char *path, const char *name,
           char ret_object[STRIPE_CALL_OBJECT_BYTES_MAX + 1], bool *ret_there, struct err *err)
{
    enum err_code code = ERR_OK;
    if (found->lists == NULL || json_object_size(found->lists) >= LISTS_MAX) {
        json_decref(found->lists);
        found->lists = json_object();
    }
    json_t *list = json_object_get(found->lists, path);
    if (list == NULL) {
        list = json_object();
        if (json_object_set_new(found->lists, path, list) != 0)
            return err_set(err, ERR_LIMIT, "no memory for the lists of what Stripe has");
        code = stripe_list(stripe, path, take, list, err);
    }
    const char *id = json_string_value(json_object_get(list, name));
    *ret_there = code == ERR_OK && id != NULL;
    if (*ret_there)
        snprintf(ret_object, STRIPE_CALL_OBJECT_BYTES_MAX + 1, "%s", id);
    return code;
}
