#include <stdlib.h>

#include "billing/told.h"
#include "store/tables/dict.h"

/* An invoice of Stripe's that names one of ours. */
struct doc {
    struct told_invoice says; /* of this one alone */
    int64_t at_least;         /* was paid, as invoice.paid says */
    bool voided_by_us;
};

/* All that hangs on one payment intent or, where there is none, on one charge. */
struct family {
    struct str payment, charge;
    int64_t paid;
};

static const struct told_fact *
fact_at(const struct list *facts, size_t i)
{
    return (const struct told_fact *)facts->items + i;
}

/* A count of Stripe's units; one beyond what an event may say is not said. */
static int64_t
amount_of(const struct told_fact *fact, const char *name)
{
    int64_t amount = stripe_object_whole(fact->row.object, name);
    return amount > 0 && amount <= EVENT_MINOR_MAX ? amount : 0;
}

static bool
says(const struct told_fact *fact, const char *name, const char *text)
{
    return str_is(stripe_object_text(fact->row.object, name), text);
}

static bool
gather_of(struct list *facts, struct tables_txn *txn, struct str id, unsigned sorts)
{
    uint32_t parent;
    return id.size_bytes == 0 || !dict_find(txn, id, &parent) ||
           told_gather(facts, txn, STRIPE_TOLD_OBJECT, parent, sorts);
}

static int
by_object(const void *a, const void *b)
{
    const struct told_fact *x = a, *y = b;
    if (x->sort != y->sort)
        return x->sort < y->sort ? -1 : 1;
    int order = str_compare(x->object, y->object);
    return order != 0 ? order : told_compare(x, y);
}

static void
sort_by_object(struct list *facts)
{
    if (facts->count > 0)
        qsort(facts->items, facts->count, sizeof(struct told_fact), by_object);
}

/* Behind the facts of the object that i is of: the one before counts. */
static size_t
behind(const struct list *facts, size_t i)
{
    const struct told_fact *first = fact_at(facts, i);
    do
        i++;
    while (i < facts->count && fact_at(facts, i)->sort == first->sort &&
           str_equal(fact_at(facts, i)->object, first->object));
    return i;
}

static void
check_currency(struct told_invoice *says, const struct told_fact *fact)
{
    struct str currency = stripe_object_text(fact->row.object, "currency");
    if (says->currency.size_bytes == 0)
        says->currency = currency;
    else if (currency.size_bytes > 0 && !str_equal(currency, says->currency))
        says->mixed = true;
}

/* ---- what was given back of a payment ---- */

struct given_back {
    int64_t refunded, failed_since, in_dispute; /* failed_since: after the charge told its sum */
    int64_t by_charges, charges_ms;             /* what the charges say was refunded, and when */
    bool disputed;
};

static void
take_back(struct given_back *b, const struct told_fact *fact)
{
    if (fact->sort == STRIPE_REFUND) {
        if (!says(fact, "status", "failed") && !says(fact, "status", "canceled"))
            b->refunded += amount_of(fact, "amount");
        else if (fact->row.time_utc_ms >= b->charges_ms)
            b->failed_since += amount_of(fact, "amount");
    } else if (fact->sort == STRIPE_DISPUTE) {
        bool open = says(fact, "status", "needs_response") || says(fact, "status", "under_review");
        b->disputed = b->disputed || open;
        if (open || says(fact, "status", "lost"))
            b->in_dispute += amount_of(fact, "amount");
    }
}

/* Walk the last fact of each object: first the charges, since what they say is of a time. */
static void
sum_given_back(const struct list *facts, struct told_invoice *says, struct given_back *b)
{
    for (size_t i = 0; i < facts->count;) {
        const struct told_fact *last = fact_at(facts, (i = behind(facts, i)) - 1);
        int64_t refunded = last->sort == STRIPE_CHARGE ? amount_of(last, "amount_refunded") : 0;
        b->by_charges += refunded;
        if (refunded > 0 && last->row.time_utc_ms > b->charges_ms)
            b->charges_ms = last->row.time_utc_ms;
    }
    for (size_t i = 0; i < facts->count;) {
        const struct told_fact *last = fact_at(facts, (i = behind(facts, i)) - 1);
        check_currency(says, last);
        take_back(b, last);
    }
}

static bool
take_family(struct told_invoice *says, struct tables_txn *txn, const struct family *f)
{
    const unsigned sorts = 1U << STRIPE_REFUND | 1U << STRIPE_CHARGE | 1U << STRIPE_DISPUTE;
    struct given_back b = {0};
    struct list facts;
    list_init(&facts, sizeof(struct told_fact));
    bool ok = gather_of(&facts, txn, f->payment, sorts) && gather_of(&facts, txn, f->charge, sorts);
    /* Of a charge of the payment something may hang on the charge alone. */
    const size_t known = facts.count;
    for (size_t i = 0; ok && i < known; i++) {
        if (fact_at(&facts, i)->sort == STRIPE_CHARGE)
            ok = gather_of(&facts, txn, fact_at(&facts, i)->object, sorts);
    }
    sort_by_object(&facts);
    sum_given_back(&facts, says, &b);
    list_clear(&facts);
    int64_t back = b.by_charges - b.failed_since;
    if (back < b.refunded)
        back = b.refunded;
    back += b.in_dispute;
    says->back += back < f->paid ? back : f->paid;
    says->disputed = says->disputed || b.disputed;
    return ok;
}

/* ---- what was paid ---- */

static bool
add_to_family(struct list *families, const struct told_fact *payment)
{
    struct family f = {.payment = stripe_object_text(payment->row.object, "payment_intent"),
                       .charge = stripe_object_text(payment->row.object, "charge"),
                       .paid = amount_of(payment, "amount_paid")};
    for (size_t i = 0; i < families->count; i++) {
        struct family *have = (struct family *)families->items + i;
        if (str_equal(have->payment, f.payment) && str_equal(have->charge, f.charge)) {
            have->paid += f.paid;
            return true;
        }
    }
    return list_add(families, &f);
}

static bool
take_payments(struct doc *d, struct tables_txn *txn)
{
    struct list facts, families;
    list_init(&facts, sizeof(struct told_fact));
    list_init(&families, sizeof(struct family));
    bool ok = gather_of(&facts, txn, d->says.stripe_id, 1U << STRIPE_INVOICE_PAYMENT);
    sort_by_object(&facts);
    for (size_t i = 0; ok && i < facts.count;) {
        bool settled_by_us = false;
        for (size_t end = behind(&facts, i); i < end; i++)
            settled_by_us = settled_by_us ||
                            stripe_object_asked(fact_at(&facts, i)->row.object, "gbill:settle/");
        const struct told_fact *last = fact_at(&facts, i - 1);
        if (settled_by_us || !says(last, "status", "paid"))
            continue;
        check_currency(&d->says, last);
        d->says.paid += amount_of(last, "amount_paid");
        ok = add_to_family(&families, last);
    }
    if (d->says.paid < d->at_least)
        d->says.paid = d->at_least;
    for (size_t i = 0; ok && i < families.count; i++)
        ok = take_family(&d->says, txn, (const struct family *)families.items + i);
    list_clear(&facts);
    list_clear(&families);
    return ok;
}

/* ---- the invoices ---- */

/* In the order that counts: what comes later stands. */
static void
take_invoice(struct doc *d, const struct told_fact *fact)
{
    const struct str type = fact->row.type;
    struct str name = stripe_object_text(fact->row.object, "gbill_invoice");
    if (name.size_bytes > 0)
        d->says.name = name;
    check_currency(&d->says, fact);
    if (str_is(type, "invoice.paid") || str_is(type, "invoice.payment_succeeded")) {
        d->says.failed = false;
        if (!stripe_object_asked(fact->row.object, "gbill:settle/"))
            d->at_least = amount_of(fact, "amount_paid");
    } else if (str_is(type, "invoice.payment_failed") ||
               str_is(type, "invoice.marked_uncollectible")) {
        d->says.failed = true;
    } else if (str_is(type, "invoice.voided")) {
        d->says.voided = true;
        d->voided_by_us = stripe_object_asked(fact->row.object, "gbill:void/");
    }
}

static bool
read_docs(struct list *docs, struct tables_txn *txn, uint32_t organization)
{
    struct list facts;
    list_init(&facts, sizeof(struct told_fact));
    bool ok =
        told_gather(&facts, txn, STRIPE_TOLD_ORGANIZATION, organization, 1U << STRIPE_INVOICE);
    sort_by_object(&facts);
    for (size_t i = 0; ok && i < facts.count;) {
        struct doc d = {.says = {.stripe_id = fact_at(&facts, i)->object}};
        for (size_t end = behind(&facts, i); i < end; i++)
            take_invoice(&d, fact_at(&facts, i));
        if (d.says.name.size_bytes > 0)
            ok = take_payments(&d, txn) && list_add(docs, &d);
    }
    list_clear(&facts);
    return ok;
}

static int
by_name(const void *a, const void *b)
{
    const struct doc *x = a, *y = b;
    int order = str_compare(x->says.name, y->says.name);
    return order != 0 ? order : str_compare(x->says.stripe_id, y->says.stripe_id);
}

/* One more invoice of Stripe's for the same one of ours.  It is void when all of them are. */
static void
join(struct told_invoice *sum, const struct told_invoice *more)
{
    sum->mixed = sum->mixed || more->mixed ||
                 (sum->currency.size_bytes > 0 && more->currency.size_bytes > 0 &&
                  !str_equal(sum->currency, more->currency));
    sum->paid += more->paid;
    sum->back += more->back;
    sum->disputed = sum->disputed || more->disputed;
    sum->failed = sum->failed || more->failed;
    sum->voided = sum->voided && more->voided;
}

static bool
join_docs(struct list *ret, struct list *docs)
{
    struct doc *d = docs->items;
    if (docs->count > 0)
        qsort(d, docs->count, sizeof *d, by_name);
    for (size_t i = 0; i < docs->count;) {
        struct told_invoice sum = d[i].says;
        bool all_by_us = d[i].voided_by_us;
        for (i++; i < docs->count && str_equal(d[i].says.name, sum.name); i++) {
            join(&sum, &d[i].says);
            all_by_us = all_by_us && d[i].voided_by_us;
        }
        sum.voided = sum.voided && !all_by_us;
        if (!list_add(ret, &sum))
            return false;
    }
    return true;
}

enum err_code
told_invoices_read(struct list *ret, struct tables_txn *txn, uint32_t organization, struct err *err)
{
    struct list docs;
    list_init(&docs, sizeof(struct doc));
    ret->count = 0;
    bool ok = read_docs(&docs, txn, organization) && join_docs(ret, &docs);
    list_clear(&docs);
    return ok ? ERR_OK : err_set(err, ERR_LIMIT, "no memory for what Stripe told of invoices");
}
