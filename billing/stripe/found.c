#include "billing/stripe/found.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "store/tables/dict.h"

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

static enum err_code
check_number(void *context, const json_t *object, struct err *err)
{
    const json_t *ours = context;
    const char *number = stripe_metadata(object, "gbill_invoice");
    const char *organization = stripe_metadata(object, "gbill_organization");
    const char *here = json_string_value(json_object_get(ours, number));
    if (number[0] == '\0' || (here != NULL && strcmp(here, organization) == 0))
        return ERR_OK;
    return err_set(err, ERR_CONFLICT,
                   "Stripe's %.64s is our invoice %.20s of %.64s, but here that number is %s%.64s: "
                   "these tables were made anew and number otherwise; restore tables.mdb from a "
                   "backup",
                   stripe_text(object, "id"), number, organization,
                   here != NULL ? "of " : "of no final invoice", here != NULL ? here : "");
}

enum err_code
found_check_numbers(struct stripe *stripe, struct tables_txn *txn, struct err *err)
{
    struct invoice_scan scan;
    json_t *ours = json_object();
    bool ok = ours != NULL;
    invoice_scan_begin(&scan, txn, 0);
    while (ok && invoice_scan_next(&scan)) {
        char number[24];
        struct str organization = dict_text(txn, scan.row.organization);
        snprintf(number, sizeof number, "%" PRIu64, scan.row.number);
        ok = scan.row.number == 0 ||
             json_object_set_new(ours, number,
                                 json_stringn(organization.data, organization.size_bytes)) == 0;
    }
    invoice_scan_end(&scan);
    enum err_code code = ok ? stripe_list(stripe, "/v1/invoices", check_number, ours, err)
                            : err_set(err, ERR_LIMIT, "no memory for the numbers of invoices");
    json_decref(ours);
    return code;
}
