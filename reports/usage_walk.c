#include "reports/usage_walk.h"

#include "store/tables/dict.h"

enum err_code
usage_range_read(const char *organization, const char *from, const char *to,
                 struct usage_range *ret, struct err *err)
{
    struct usage_range range = {.organization = organization, .to_hour = UINT32_MAX};
    enum err_code code = ERR_OK;
    if (from != NULL)
        code = usage_hour_parse("--from", from, &range.from_hour, err);
    if (code == ERR_OK && to != NULL)
        code = usage_hour_parse("--to", to, &range.to_hour, err);
    if (code == ERR_OK && range.from_hour >= range.to_hour)
        code = err_set(err, ERR_USAGE,
                       "--to %s is not behind --from %s; --to names the first hour no longer "
                       "counted",
                       to, from != NULL ? from : "1970-01");
    if (code == ERR_OK)
        *ret = range;
    return code;
}

static enum err_code
unknown_organization(const struct usage_range *range, struct err *err)
{
    return err_set(err, ERR_NOT_FOUND, "no usage of organization \"%s\"; ids match exactly",
                   range->organization);
}

enum err_code
usage_walk_begin(struct usage_walk *walk, struct tables_txn *txn, const struct usage_range *range,
                 struct err *err)
{
    uint32_t organization = 0;
    uint8_t prefix[4];
    walk->range = *range;
    walk->open = false;
    walk->code = ERR_OK;
    /* The empty text is number 0, which no row has: it is unknown too. */
    if (range->organization != NULL && !dict_find(txn, str_of(range->organization), &organization))
        return unknown_organization(range, err);
    put_be32(prefix, organization);
    tables_scan_begin(&walk->scan, txn, TABLE_HOURLY,
                      (struct bytes){prefix, range->organization != NULL ? sizeof prefix : 0});
    walk->open = true;
    walk->more = tables_scan_next(&walk->scan);
    return !walk->more && range->organization != NULL ? unknown_organization(range, err) : ERR_OK;
}

/* Step to the first key in or behind the hours asked for; false: none is left. */
static bool
seek_hours(struct usage_walk *walk)
{
    const struct usage_range *r = &walk->range;
    while (walk->key.period < r->from_hour || walk->key.period >= r->to_hour) {
        uint8_t from[USAGE_KEY_BYTES];
        struct usage_key next = {.organization = walk->key.organization, .period = r->from_hour};
        if (walk->key.period >= r->to_hour && ++next.organization == 0)
            return false;
        usage_key_encode(&next, from);
        if (!tables_scan_seek(&walk->scan, (struct bytes){from, sizeof from}))
            return false;
        walk->key = usage_key_decode(walk->scan.key.data);
    }
    return true;
}

bool
usage_walk_next(struct usage_walk *walk)
{
    if (!walk->more)
        return false;
    walk->key = usage_key_decode(walk->scan.key.data);
    walk->more = seek_hours(walk);
    if (!walk->more)
        return false;
    walk->code = usage_row_read(TABLE_HOURLY, walk->scan.value, &walk->row, &walk->err);
    walk->more = walk->code == ERR_OK && tables_scan_next(&walk->scan);
    return walk->code == ERR_OK;
}

enum err_code
usage_walk_end(struct usage_walk *walk, struct err *err)
{
    if (walk->open)
        tables_scan_end(&walk->scan);
    walk->open = false;
    if (walk->code != ERR_OK && err != NULL)
        *err = walk->err;
    return walk->code;
}
