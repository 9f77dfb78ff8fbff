/*
 * billing/parties.h - who bills whom: names, addresses and terms for the invoice on
 * paper, from a settings file.
 *
 * Its bytes: schemas/parties.md.  Nothing in it changes an amount.  What it does not say
 * is left out of the page.  Once loaded it never changes.
 */
#ifndef BILLING_PARTIES_H
#define BILLING_PARTIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/base/bytes.h"
#include "store/base/conf.h"
#include "store/base/err.h"

#define CONF_ROW_PARTIES                                                                      \
    {                                                                                         \
        "parties", "GBILL_PARTIES", CONF_TEXT, "FILE", 0, 0, NULL, false,                     \
            "seller, customers and terms (schemas/parties.md); without it only ids are named" \
    }

enum {
    PARTIES_ADDRESS_MAX = 6,      /* lines */
    PARTIES_LINE_BYTES_MAX = 120, /* of a name, an address line, an id */
    PARTIES_TEXT_BYTES_MAX = 600, /* of paymentTerms and footer */
    PARTIES_PAYMENT_DAYS_MAX = 3650,
};

/* Texts are borrowed from the settings; NULL: not said. */
struct parties_party {
    const char *name;
    const char *address[PARTIES_ADDRESS_MAX];
    size_t address_count;
    const char *tax_id;
    const char *email, *web; /* web: of a seller, an http or https URL; both ASCII without quotes */
    const char *reference;   /* a customer's own, such as an order's number */
};

struct parties;

/*
 * Read and check the settings.
 *
 *   path  NULL: nothing is known of anybody
 *   ret   taken: parties_free()
 *
 * Errors: those of reading the file; ERR_CONFIG for anything that schemas/parties.md
 * does not allow.
 */
enum err_code parties_load(const char *path, struct parties **ret, struct err *err) ERR_MUST_CHECK;
void parties_free(struct parties *parties); /* NULL is fine */

/* The seller; all NULL when there is none. */
struct parties_party parties_seller(const struct parties *parties);
/* A customer by its organization; all NULL when it is not in the file. */
struct parties_party parties_customer(const struct parties *parties, struct str organization);

const char *parties_payment_terms(const struct parties *parties);
const char *parties_footer(const struct parties *parties);
const char *parties_font(const struct parties *parties);     /* families, by comma */
int64_t parties_payment_days(const struct parties *parties); /* -1: not said */

#endif
