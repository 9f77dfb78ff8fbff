#include "billing/parties.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/base/json.h"
#include "store/base/utf8.h"
#include "store/event/event.h"

struct parties {
    json_t *root; /* owns every text; NULL: there is no file */
    const json_t *customers;
    struct parties_party seller;
    const char *payment_terms, *footer, *font;
    int64_t payment_days;
};

static bool
line_ok(const char *text, size_t bytes_max)
{
    size_t n = strlen(text);
    return n > 0 && n <= bytes_max && utf8_text_ok((const uint8_t *)text, n);
}

/* They become links, whose attributes stand in single quotes. */
static bool
link_ok(const char *text)
{
    for (const char *p = text; *p != '\0'; p++) {
        if (*p <= ' ' || *p > '~' || strchr("'\"\\<>", *p) != NULL)
            return false;
    }
    return true;
}

static enum err_code
get_line(const json_t *object, const char *where, const char *key, size_t bytes_max,
         const char **ret, struct err *err)
{
    enum err_code code = json_get_text_opt(object, where, key, ret, err);
    if (code == ERR_OK && *ret != NULL && !line_ok(*ret, bytes_max))
        code = err_set(err, ERR_CONFIG,
                       "%s: \"%s\" has 1 to %zu bytes of UTF-8 without control characters", where,
                       key, bytes_max);
    return code;
}

static enum err_code
read_address(const json_t *object, const char *where, struct parties_party *ret, struct err *err)
{
    const json_t *lines = json_object_get(object, "address");
    size_t count = json_array_size(lines);
    if (lines == NULL || json_is_null(lines))
        return ERR_OK;
    if (!json_is_array(lines) || count > PARTIES_ADDRESS_MAX)
        return err_set(err, ERR_CONFIG, "%s: \"address\" must be a list of at most %d lines", where,
                       PARTIES_ADDRESS_MAX);
    for (size_t i = 0; i < count; i++) {
        const char *line = json_string_value(json_array_get(lines, i));
        if (line == NULL || !line_ok(line, PARTIES_LINE_BYTES_MAX))
            return err_set(err, ERR_CONFIG,
                           "%s: line %zu of \"address\" has 1 to %d bytes of UTF-8", where, i + 1,
                           PARTIES_LINE_BYTES_MAX);
        ret->address[ret->address_count++] = line;
    }
    return ERR_OK;
}

static enum err_code
read_links(const json_t *object, const char *where, struct parties_party *p, struct err *err)
{
    enum err_code code = get_line(object, where, "email", PARTIES_LINE_BYTES_MAX, &p->email, err);
    if (code == ERR_OK)
        code = get_line(object, where, "web", PARTIES_LINE_BYTES_MAX, &p->web, err);
    if (code != ERR_OK)
        return code;
    if (p->email != NULL && (!link_ok(p->email) || strchr(p->email, '@') == NULL))
        return err_set(err, ERR_CONFIG, "%s: \"email\" is no address such as billing@example.com",
                       where);
    if (p->web != NULL && (!link_ok(p->web) || (strncmp(p->web, "https://", 8) != 0 &&
                                                strncmp(p->web, "http://", 7) != 0)))
        return err_set(err, ERR_CONFIG, "%s: \"web\" is no URL such as https://example.com", where);
    return ERR_OK;
}

static enum err_code
read_party(const json_t *object, const char *where, bool customer, struct parties_party *ret,
           struct err *err)
{
    static const char *const of_seller[] = {"name", "address", "taxId", "email", "web", NULL};
    static const char *const of_customer[] = {"name",  "address",   "taxId",
                                              "email", "reference", NULL};
    struct parties_party p = {0};
    if (!json_is_object(object))
        return err_set(err, ERR_CONFIG, "%s: must be an object", where);
    enum err_code code = json_only_keys(object, where, customer ? of_customer : of_seller, err);
    if (code == ERR_OK)
        code = get_line(object, where, "name", PARTIES_LINE_BYTES_MAX, &p.name, err);
    if (code == ERR_OK)
        code = read_address(object, where, &p, err);
    if (code == ERR_OK)
        code = get_line(object, where, "taxId", PARTIES_LINE_BYTES_MAX, &p.tax_id, err);
    if (code == ERR_OK)
        code = get_line(object, where, "reference", PARTIES_LINE_BYTES_MAX, &p.reference, err);
    if (code == ERR_OK)
        code = read_links(object, where, &p, err);
    if (code == ERR_OK && !customer && p.name == NULL)
        code = err_set(err, ERR_CONFIG, "%s: needs a \"name\"", where);
    if (code == ERR_OK)
        *ret = p;
    return code;
}

static enum err_code
read_customers(struct parties *v, struct err *err)
{
    json_t *customers = NULL;
    const char *organization;
    json_t *object;
    struct parties_party ignored;
    enum err_code code = json_get_object_opt(v->root, "parties", "customers", &customers, err);
    v->customers = customers;
    json_object_foreach (customers, organization, object) {
        if (code == ERR_OK)
            code =
                err_wrap(err, read_party(object, organization, true, &ignored, err), "customers");
    }
    return code;
}

static enum err_code
read_root(struct parties *v, struct err *err)
{
    static const char *const allowed[] = {"format", "seller",       "customers", "paymentDays",
                                          "footer", "paymentTerms", "font",      NULL};
    const char *format = NULL;
    json_t *seller = NULL;
    enum err_code code = json_only_keys(v->root, "parties", allowed, err);
    if (code == ERR_OK)
        code = json_get_text(v->root, "parties", "format", &format, err);
    if (code == ERR_OK && strcmp(format, "gbill-parties/1") != 0)
        code = err_set(err, ERR_CONFIG, "\"format\" is \"%s\", must be gbill-parties/1", format);
    if (code == ERR_OK)
        code = json_get_object_opt(v->root, "parties", "seller", &seller, err);
    if (code == ERR_OK && seller != NULL)
        code = read_party(seller, "seller", false, &v->seller, err);
    if (code == ERR_OK)
        code = json_get_int_opt(v->root, "parties", "paymentDays", 0, PARTIES_PAYMENT_DAYS_MAX,
                                &v->payment_days, err);
    if (code == ERR_OK)
        code = get_line(v->root, "parties", "paymentTerms", PARTIES_TEXT_BYTES_MAX,
                        &v->payment_terms, err);
    if (code == ERR_OK)
        code = get_line(v->root, "parties", "footer", PARTIES_TEXT_BYTES_MAX, &v->footer, err);
    if (code == ERR_OK)
        code = get_line(v->root, "parties", "font", PARTIES_LINE_BYTES_MAX, &v->font, err);
    return code == ERR_OK ? read_customers(v, err) : code;
}

enum err_code
parties_load(const char *path, struct parties **ret, struct err *err)
{
    struct parties *v = calloc(1, sizeof *v);
    if (v == NULL)
        return err_set(err, ERR_LIMIT, "out of memory");
    v->payment_days = -1;
    enum err_code code = ERR_OK;
    if (path != NULL)
        code = json_file_load(path, &v->root, NULL, err);
    if (code == ERR_OK && path != NULL)
        code = err_wrap(err, read_root(v, err), "%s", path);
    if (code == ERR_OK)
        *ret = v;
    else
        parties_free(v);
    return code;
}

void
parties_free(struct parties *parties)
{
    if (parties == NULL)
        return;
    json_decref(parties->root);
    free(parties);
}

struct parties_party
parties_seller(const struct parties *parties)
{
    return parties->seller;
}

struct parties_party
parties_customer(const struct parties *parties, struct str organization)
{
    char name[EVENT_TEXT_BYTES_MAX + 1];
    struct parties_party p = {0};
    struct err err;
    snprintf(name, sizeof name, "%.*s", STR_ARG(organization));
    const json_t *object = json_object_get(parties->customers, name);
    if (object == NULL)
        return p;
    enum err_code code = read_party(object, name, true, &p, &err);
    assert(code == ERR_OK); /* all were read when the file was loaded */
    return p;
}

const char *
parties_payment_terms(const struct parties *parties)
{
    return parties->payment_terms;
}

const char *
parties_footer(const struct parties *parties)
{
    return parties->footer;
}

const char *
parties_font(const struct parties *parties)
{
    return parties->font;
}

int64_t
parties_payment_days(const struct parties *parties)
{
    return parties->payment_days;
}
