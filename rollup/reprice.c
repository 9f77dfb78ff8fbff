#include "rollup/reprice.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rollup/calls.h"
#include "rollup/map.h"
#include "rollup/price/cost.h"
#include "store/tables/cursor.h"
#include "store/tables/dict.h"
#include "store/tables/usage.h"

enum { TEXT_BYTES_MAX = 256 * 1024 * 1024, PICO_DIGITS = 12 };

/* As if received when every row of the book was known. */
#define ALL_KNOWN_MS (PRICE_NEVER - 1)

struct key {
    uint32_t organization, provider, model; /* dictionary */
};

/* One key's calls, as the log and as the tables have them. */
struct tally {
    struct reprice_sum sum;
    uint64_t table_calls, table_unpriced;
    money_sum table_pico;
};

/* What is open meanwhile. */
struct pass {
    const struct reprice_options *options;
    struct tables *tables;
    struct tables_txn *txn;
    struct cursor cursor;
    struct dict dict;
    struct map tallies; /* struct key -> struct tally */
};

static enum err_code
no_memory(struct err *err)
{
    return err_set(err, ERR_LIMIT, "no memory; ask for fewer hours by --from and --to");
}

static enum err_code
open_tables(struct pass *p, struct err *err)
{
    enum err_code code = tables_open(p->options->data_directory, TABLES_READ, &p->tables, err);
    if (code == ERR_OK)
        code = tables_begin(p->tables, TABLES_READ, &p->txn, err);
    if (code != ERR_OK)
        return code;
    p->cursor = cursor_get(p->txn);
    return ERR_OK;
}

static enum err_code
tally_at(struct pass *p, const struct key *key, struct tally **ret, struct err *err)
{
    *ret = map_at(&p->tallies, key, map_hash(&p->tallies, key));
    return *ret != NULL ? ERR_OK : no_memory(err);
}

static enum err_code
tally_of(struct pass *p, const struct event *e, struct tally **ret, struct err *err)
{
    struct key key;
    enum err_code code = dict_intern(&p->dict, p->txn, e->organization, &key.organization, err);
    if (code == ERR_OK)
        code = dict_intern(&p->dict, p->txn, e->usage.provider, &key.provider, err);
    if (code == ERR_OK)
        code = dict_intern(&p->dict, p->txn, e->usage.model, &key.model, err);
    return code == ERR_OK ? tally_at(p, &key, ret, err) : code;
}

static void
price(const struct reprice_options *o, const struct event *e, int64_t receive_utc_ms,
      struct reprice_sum *sum)
{
    const struct event_usage *u = &e->usage;
    const struct price_query then = {e->organization, e->time_utc_ms, receive_utc_ms};
    const struct price_query today = {e->organization, e->time_utc_ms, ALL_KNOWN_MS};
    const struct price_id *id = price_book_find(o->prices, u->provider, u->model);
    const struct price_id *other =
        o->against == o->prices ? id : price_book_find(o->against, u->provider, u->model);
    struct cost folded = cost_of_id(o->prices, id, u, &then);
    struct cost anew = cost_of_id(o->against, other, u, &today);
    bool was_unpriced = folded.state == COST_UNPRICED, is_unpriced = anew.state == COST_UNPRICED;
    /* What stands in the tables when the book `against` was folded with. */
    int64_t base_pico = was_unpriced ? cost_of_id(o->against, other, u, &then).cost_pico
                                     : folded.cost_pico;
    sum->calls++;
    sum->changed += was_unpriced != is_unpriced || folded.cost_pico != anew.cost_pico;
    sum->unpriced_folded += was_unpriced;
    sum->unpriced_new += is_unpriced;
    sum->folded_pico += folded.cost_pico;
    sum->new_pico += anew.cost_pico;
    sum->owed_pico += (money_sum)anew.cost_pico - base_pico;
}

static enum err_code
visit(void *context, const struct event *event, int64_t receive_utc_ms, struct err *err)
{
    struct pass *p = context;
    struct tally *tally;
    enum err_code code = tally_of(p, event, &tally, err);
    if (code == ERR_OK)
        price(p->options, event, receive_utc_ms, &tally->sum);
    return code;
}

static enum err_code
price_log(struct pass *p, struct err *err)
{
    const struct reprice_options *o = p->options;
    const struct calls_options calls = {
        .data_directory = o->data_directory,
        .txn = p->txn,
        .from_ms = (int64_t)o->from_hour * TIME_HOUR_MS,
        .to_ms = (int64_t)o->to_hour * TIME_HOUR_MS,
        .progress = o->progress,
        .progress_context = o->context,
    };
    return calls_walk(&calls, visit, p, err);
}

static enum err_code
read_tables(struct pass *p, struct err *err)
{
    struct usage_scan s;
    struct tally *tally;
    enum err_code code = ERR_OK, scan_code;
    usage_scan_begin(&s, p->txn, TABLE_HOURLY, 0, NULL);
    while (code == ERR_OK && usage_scan_next(&s)) {
        if (s.key.period < p->options->from_hour || s.key.period >= p->options->to_hour)
            continue;
        const struct key key = {s.key.organization, s.key.provider, s.key.model};
        code = tally_at(p, &key, &tally, err);
        if (code != ERR_OK)
            break;
        tally->table_calls += s.row.calls;
        tally->table_unpriced += s.row.unpriced_calls;
        tally->table_pico += s.row.cost_pico;
    }
    struct err scan_err;
    scan_code = usage_scan_end(&s, &scan_err);
    if (code == ERR_OK && scan_code != ERR_OK)
        *err = scan_err;
    return code == ERR_OK ? scan_code : code;
}

/* The cost as folded is computed, not stored by call: it is worth something only if it agrees. */
static enum err_code
check_tally(struct pass *p, const struct key *key, const struct tally *t, struct err *err)
{
    const struct reprice_options *o = p->options;
    struct str organization = dict_text(p->txn, key->organization);
    struct str model = dict_text(p->txn, key->model);
    char table[MONEY_TEXT_BYTES], log[MONEY_TEXT_BYTES];
    if (t->sum.calls != t->table_calls)
        return err_set(err, ERR_CONFLICT,
                       "\"%.*s\" has %" PRIu64 " calls of %.*s in the tables and %" PRIu64
                       " in the log; where old days of the log are gone begin --from later, else "
                       "run gbill rollup --rebuild",
                       STR_ARG(organization), t->table_calls, STR_ARG(model), t->sum.calls);
    if (t->sum.unpriced_folded == t->table_unpriced && t->sum.folded_pico == t->table_pico)
        return ERR_OK;
    money_format(t->table_pico, PICO_DIGITS, table);
    money_format(t->sum.folded_pico, PICO_DIGITS, log);
    bool same_book = memcmp(p->cursor.price_book, o->prices->sha256, HASH_SHA256_BYTES) == 0;
    return err_set(err, ERR_CONFLICT,
                   "%s: \"%.*s\" was charged %s for %.*s (%" PRIu64
                   " calls unpriced), by this book it is %s (%" PRIu64 "): %s by --prices and "
                   "this one by --against",
                   o->prices->path, STR_ARG(organization), table, STR_ARG(model), t->table_unpriced,
                   log, t->sum.unpriced_folded,
                   same_book ? "a row was edited or taken back; give the book of that time"
                             : "run gbill rollup first, or give the book of the last fold");
}

static money_sum
size_of(money_sum pico)
{
    return pico < 0 ? -pico : pico;
}

static int
by_difference(const void *a, const void *b)
{
    const struct reprice_row *x = a, *y = b;
    money_sum x_pico = size_of(x->sum.new_pico - x->sum.folded_pico);
    money_sum y_pico = size_of(y->sum.new_pico - y->sum.folded_pico);
    int order = (x_pico < y_pico) - (x_pico > y_pico);
    if (order == 0)
        order = str_compare(x->organization, y->organization);
    if (order == 0)
        order = str_compare(x->provider, y->provider);
    return order != 0 ? order : str_compare(x->model, y->model);
}

static int
by_owed(const void *a, const void *b)
{
    const struct reprice_owed *x = a, *y = b;
    money_sum x_pico = size_of(x->owed_pico), y_pico = size_of(y->owed_pico);
    int order = (x_pico < y_pico) - (x_pico > y_pico);
    return order != 0 ? order : str_compare(x->organization, y->organization);
}

static bool
copy_name(struct reprice *r, struct tables_txn *txn, uint32_t number, struct str *ret)
{
    struct str text = dict_text(txn, number);
    const char *copy = arena_text(&r->texts, text);
    *ret = (struct str){copy, text.size_bytes};
    return copy != NULL;
}

static void
add_sum(struct reprice_sum *to, const struct reprice_sum *more)
{
    to->calls += more->calls;
    to->changed += more->changed;
    to->unpriced_folded += more->unpriced_folded;
    to->unpriced_new += more->unpriced_new;
    to->folded_pico += more->folded_pico;
    to->new_pico += more->new_pico;
    to->owed_pico += more->owed_pico;
}

static enum err_code
add_row(struct reprice *r, struct tables_txn *txn, const struct key *key,
        const struct reprice_sum *sum, struct err *err)
{
    struct reprice_row row = {.sum = *sum};
    add_sum(&r->total, sum);
    if (sum->changed == 0 && sum->owed_pico == 0)
        return ERR_OK;
    if (!copy_name(r, txn, key->organization, &row.organization) ||
        !copy_name(r, txn, key->provider, &row.provider) ||
        !copy_name(r, txn, key->model, &row.model) || !list_add(&r->rows, &row))
        return no_memory(err);
    return ERR_OK;
}

static int
by_organization(const void *a, const void *b)
{
    const struct reprice_row *x = a, *y = b;
    return str_compare(x->organization, y->organization);
}

/* One sum for each organization of the rows. */
static enum err_code
sum_owed(struct reprice *r, struct err *err)
{
    struct reprice_row *rows = r->rows.items;
    size_t count = r->rows.count;
    if (count > 1)
        qsort(rows, count, sizeof *rows, by_organization);
    for (size_t i = 0; i < count;) {
        struct reprice_owed owed = {.organization = rows[i].organization};
        for (; i < count && str_equal(rows[i].organization, owed.organization); i++)
            owed.owed_pico += rows[i].sum.owed_pico;
        if (owed.owed_pico != 0 && !list_add(&r->owed, &owed))
            return no_memory(err);
    }
    return ERR_OK;
}

static enum err_code
make_rows(struct pass *p, struct reprice *r, struct err *err)
{
    enum err_code code = ERR_OK;
    for (uint32_t i = 0; code == ERR_OK && i < p->tallies.count; i++) {
        struct key key;
        const struct tally *tally = map_value(&p->tallies, i);
        memcpy(&key, map_key(&p->tallies, i), sizeof key);
        code = check_tally(p, &key, tally, err);
        if (code == ERR_OK)
            code = add_row(r, p->txn, &key, &tally->sum, err);
    }
    if (code == ERR_OK)
        code = sum_owed(r, err);
    if (code == ERR_OK && r->rows.count > 1)
        qsort(r->rows.items, r->rows.count, sizeof(struct reprice_row), by_difference);
    if (code == ERR_OK && r->owed.count > 1)
        qsort(r->owed.items, r->owed.count, sizeof(struct reprice_owed), by_owed);
    return code;
}

static void
pass_init(struct pass *p, const struct reprice_options *options)
{
    *p = (struct pass){.options = options};
    map_init(&p->tallies, sizeof(struct key), sizeof(struct tally));
}

static void
pass_clear(struct pass *p)
{
    map_clear(&p->tallies);
    dict_clear(&p->dict);
    tables_abort(p->txn);
    tables_close(p->tables);
}

enum err_code
reprice_make(const struct reprice_options *options, struct reprice *ret, struct err *err)
{
    const struct reprice_options *o = options;
    struct pass p;
    struct reprice r = {0};
    if (!str_equal(o->prices->currency, o->against->currency))
        return err_set(err, ERR_CONFIG, "%s is in %.*s and %s in %.*s: costs cannot be compared",
                       o->prices->path, STR_ARG(o->prices->currency), o->against->path,
                       STR_ARG(o->against->currency));
    pass_init(&p, o);
    arena_init(&r.texts, TEXT_BYTES_MAX);
    list_init(&r.rows, sizeof(struct reprice_row));
    list_init(&r.owed, sizeof(struct reprice_owed));
    enum err_code code = open_tables(&p, err);
    if (code == ERR_OK && p.cursor.seq > 0) {
        code = price_log(&p, err);
        if (code == ERR_OK)
            code = read_tables(&p, err);
        if (code == ERR_OK)
            code = make_rows(&p, &r, err);
    }
    pass_clear(&p);
    if (code == ERR_OK)
        *ret = r;
    else
        reprice_clear(&r);
    return code;
}

void
reprice_clear(struct reprice *reprice)
{
    list_clear(&reprice->rows);
    list_clear(&reprice->owed);
    arena_clear(&reprice->texts);
}

void
reprice_adjustment_id(const struct reprice_options *options, struct str organization,
                      char id[REPRICE_ID_BYTES])
{
    static const char prefix[] = "reprice-";
    uint8_t hours[8], digest[HASH_SHA256_BYTES];
    put_be32(hours, options->from_hour);
    put_be32(hours + 4, options->to_hour);
    const struct bytes parts[] = {
        {hours, sizeof hours},
        {options->against->sha256, HASH_SHA256_BYTES},
        {(const uint8_t *)organization.data, organization.size_bytes},
    };
    hash_sha256(parts, sizeof parts / sizeof parts[0], digest);
    memcpy(id, prefix, sizeof prefix);
    hash_hex(digest, 16, id + sizeof prefix - 1);
}
