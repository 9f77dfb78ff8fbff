#include "store/event/stripe_object.h"

#include <string.h>

static bool
begins(struct str s, const char *with)
{
    size_t n = strlen(with);
    return s.data != NULL && s.size_bytes >= n && memcmp(s.data, with, n) == 0;
}

enum stripe_sort
stripe_sort_of(struct str type)
{
    static const struct {
        const char *begins;
        enum stripe_sort sort;
    } sorts[] = {
        {"invoice.", STRIPE_INVOICE},
        {"invoice_payment.", STRIPE_INVOICE_PAYMENT},
        {"refund.", STRIPE_REFUND},
        {"charge.refund.", STRIPE_REFUND}, /* charge.refund.updated tells of the refund */
        {"charge.dispute.", STRIPE_DISPUTE},
        {"charge.", STRIPE_CHARGE},
        {"customer.subscription.", STRIPE_SUBSCRIPTION},
        {"checkout.session.", STRIPE_CHECKOUT},
    };
    for (size_t i = 0; i < sizeof sorts / sizeof sorts[0]; i++) {
        if (begins(type, sorts[i].begins))
            return sorts[i].sort;
    }
    return STRIPE_OTHER;
}

bool
stripe_type_matters(struct str type)
{
    static const char *const types[] = {
        "invoice.paid",
        "invoice.payment_succeeded",
        "invoice.payment_failed",
        "invoice.marked_uncollectible",
        "invoice.voided",
        "charge.refunded",
        "customer.subscription.created",
        "customer.subscription.updated",
        "customer.subscription.deleted",
        "customer.subscription.paused",
        "customer.subscription.resumed",
        "checkout.session.completed",
    };
    enum stripe_sort sort = stripe_sort_of(type);
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (str_is(type, types[i]))
            return true;
    }
    return sort == STRIPE_INVOICE_PAYMENT || sort == STRIPE_REFUND || sort == STRIPE_DISPUTE;
}

/* The first value under a name; false: there is none. */
static bool
find(struct bytes object, const char *name, struct mp_value *ret)
{
    struct mp m = mp_of(object);
    struct mp_value head, key;
    if (!mp_read(&m, &head) || head.type != MP_MAP)
        return false;
    for (uint32_t i = 0; i < head.count; i++) {
        if (!mp_read(&m, &key) || key.type != MP_STR || !mp_read(&m, ret))
            return false;
        if (str_is(mp_str(&key), name))
            return true;
    }
    return false;
}

struct str
stripe_object_text(struct bytes object, const char *name)
{
    struct mp_value v;
    return find(object, name, &v) && v.type == MP_STR ? mp_str(&v) : (struct str){0};
}

int64_t
stripe_object_whole(struct bytes object, const char *name)
{
    struct mp_value v;
    uint64_t whole;
    if (!find(object, name, &v))
        return 0;
    if (v.type == MP_INT)
        return v.i;
    return mp_whole(&v, &whole) && whole <= INT64_MAX ? (int64_t)whole : 0;
}

bool
stripe_object_true(struct bytes object, const char *name)
{
    struct mp_value v;
    return find(object, name, &v) && v.type == MP_BOOL && v.b;
}

struct str
stripe_object_parent(struct str type, struct bytes object)
{
    struct str payment = stripe_object_text(object, "payment_intent");
    switch (stripe_sort_of(type)) {
    case STRIPE_INVOICE_PAYMENT:
        return stripe_object_text(object, "invoice");
    case STRIPE_CHARGE:
        return payment.size_bytes > 0 ? payment : stripe_object_text(object, "id");
    case STRIPE_REFUND:
    case STRIPE_DISPUTE:
        return payment.size_bytes > 0 ? payment : stripe_object_text(object, "charge");
    default:
        return (struct str){0};
    }
}

struct str
stripe_object_plan(struct str type, struct bytes object)
{
    enum stripe_sort sort = stripe_sort_of(type);
    return sort == STRIPE_SUBSCRIPTION ? stripe_object_text(object, "price_plan")
           : sort == STRIPE_CHECKOUT   ? stripe_object_text(object, "gbill_plan")
                                       : (struct str){0};
}

bool
stripe_object_asked(struct bytes object, const char *key_begins)
{
    return begins(stripe_object_text(object, "request_key"), key_begins);
}

bool
stripe_list_has(struct str list, const char *word)
{
    size_t n = strlen(word);
    for (size_t at = 0; at + n <= list.size_bytes; at++) {
        if ((at == 0 || list.data[at - 1] == ',') && memcmp(list.data + at, word, n) == 0 &&
            (at + n == list.size_bytes || list.data[at + n] == ','))
            return true;
    }
    return false;
}
