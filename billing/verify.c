#include "billing/verify.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "billing/invoicing.h"
#include "rollup/job.h"
#include "store/base/file.h"
#include "store/base/time.h"
#include "store/tables/book.h"
#include "store/tables/cursor.h"
#include "store/tables/dict.h"

enum { TEXT_BYTES = 512 };

struct verify {
    const struct verify_options *options;
    struct verify_result result;
    char directory[FILE_PATH_BYTES_MAX], prices[FILE_PATH_BYTES_MAX], plans[FILE_PATH_BYTES_MAX];
    struct tables *tables;
    struct tables_txn *txn;
    struct list wanted; /* struct invoice */
    uint64_t folded_to; /* what the scratch file holds; 0: nothing */
    uint8_t folded_book[HASH_SHA256_BYTES];
};

static void say(const struct verify *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void
say(const struct verify *v, const char *fmt, ...)
{
    char text[TEXT_BYTES];
    va_list ap;
    if (v->options->line == NULL)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    v->options->line(v->options->context, text);
}

/* ---- the scratch directory ---- */

static void
remove_scratch(const struct verify *v)
{
    static const char *const names[] = {"tables.mdb", "tables.mdb-lock", "rollup.lock",
                                        "prices.json", "plans.json"};
    char path[FILE_PATH_BYTES_MAX];
    struct err ignored;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (file_path(path, v->directory, names[i], &ignored) == ERR_OK)
            unlink(path);
    }
    rmdir(v->directory);
}

static enum err_code
make_scratch(struct verify *v, struct err *err)
{
    enum err_code code = file_path(v->directory, v->options->data_directory, "verify.tmp", err);
    if (code == ERR_OK)
        code = file_path(v->prices, v->directory, "prices.json", err);
    if (code == ERR_OK)
        code = file_path(v->plans, v->directory, "plans.json", err);
    if (code != ERR_OK)
        return code;
    remove_scratch(v); /* of one that was killed */
    return file_make_directory(v->directory, err);
}

static enum err_code
put_book(struct verify *v, const uint8_t sha256[HASH_SHA256_BYTES], const char *path,
         const char *what, struct err *err)
{
    struct bytes text;
    char hex[HASH_SHA256_TEXT_BYTES];
    if (book_get(v->txn, sha256, &text))
        return file_replace(path, 0640, text, err);
    hash_hex(sha256, HASH_SHA256_BYTES, hex);
    return err_set(err, ERR_NOT_FOUND, "the %s book %s is not kept in these tables", what, hex);
}

/* Fold the log to an invoice's position, unless the scratch file holds just that. */
static enum err_code
fold(struct verify *v, const struct invoice *invoice, struct err *err)
{
    struct rollup_options o = {.data_directory = v->options->data_directory,
                               .price_path = v->prices,
                               .tables_directory = v->directory,
                               .until_seq = invoice->position,
                               .until_quarantine_seq = 1};
    struct rollup_result r;
    bool same = v->folded_to == invoice->position &&
                memcmp(v->folded_book, invoice->price_book, HASH_SHA256_BYTES) == 0;
    enum err_code code = put_book(v, invoice->plan_book, v->plans, "plan", err);
    if (code != ERR_OK || same)
        return code;
    remove_scratch(v);
    code = file_make_directory(v->directory, err);
    if (code == ERR_OK)
        code = put_book(v, invoice->plan_book, v->plans, "plan", err);
    if (code == ERR_OK)
        code = put_book(v, invoice->price_book, v->prices, "price", err);
    if (code == ERR_OK)
        code = rollup_run(&o, &r, err);
    if (code != ERR_OK)
        return code;
    v->folded_to = invoice->position;
    memcpy(v->folded_book, invoice->price_book, HASH_SHA256_BYTES);
    return ERR_OK;
}

/* ---- comparing ---- */

static void
say_line(const struct verify *v, const char *which, const struct invoice_line *line,
         const struct invoice *invoice)
{
    char amount[MONEY_TEXT_BYTES];
    money_format(line->exact_pico, 12, amount);
    say(v, "  %s: %s \"%.*s\": %" PRId64 " minor units of %s, exact %s", which,
        invoice_line_kind_name(line->kind), STR_ARG(line->description), line->amount_minor,
        invoice->currency, amount);
}

static bool
same_line(const struct invoice_line *a, const struct invoice_line *b)
{
    return a->kind == b->kind && a->amount_minor == b->amount_minor &&
           a->exact_pico == b->exact_pico && a->quantity_pico == b->quantity_pico &&
           a->unit_pico == b->unit_pico && a->corrects == b->corrects &&
           a->period_ms == b->period_ms && a->from_ms == b->from_ms && a->to_ms == b->to_ms &&
           str_equal(a->plan, b->plan) && str_equal(a->charge, b->charge) &&
           str_equal(a->description, b->description);
}

static void
say_differences(const struct verify *v, const struct invoice *stored,
                const struct invoice_line *stored_lines, const struct invoice *again,
                const struct invoice_line *lines)
{
    uint32_t most = stored->line_count > again->line_count ? stored->line_count : again->line_count;
    for (uint32_t i = 0; i < most; i++) {
        bool has = i < stored->line_count, should = i < again->line_count;
        if (has && should && same_line(&stored_lines[i], &lines[i]))
            continue;
        if (has)
            say_line(v, "the invoice says", &stored_lines[i], stored);
        if (should)
            say_line(v, "the log says", &lines[i], again);
    }
    if (stored->total_minor != again->total_minor)
        say(v, "  total: %" PRId64 ", not %" PRId64 " minor units", again->total_minor,
            stored->total_minor);
    if (stored->credits_used != again->credits_used ||
        stored->llm_cost_pico != again->llm_cost_pico)
        say(v, "  AI credits: %" PRIu64 ", not %" PRIu64, again->credits_used,
            stored->credits_used);
    if (stored->to_ms != again->to_ms || stored->from_ms != again->from_ms)
        say(v, "  the time it is for differs");
    if (stored->credit_minor != again->credit_minor)
        say(v, "  credit used: %" PRId64 ", not %" PRId64, again->credit_minor,
            stored->credit_minor);
}

static enum err_code
compare(struct verify *v, const struct invoice *stored, const struct invoice_line *stored_lines,
        const struct invoice *again, const struct invoice_line *lines, struct err *err)
{
    size_t size = invoice_content(stored, stored_lines, NULL);
    size_t other = invoice_content(again, lines, NULL);
    uint8_t *a = malloc(size), *b = malloc(other);
    enum err_code code = ERR_OK;
    if (a == NULL || b == NULL) {
        code = err_set(err, ERR_LIMIT, "no memory for an invoice of %zu bytes", size);
    } else {
        (void)invoice_content(stored, stored_lines, a);
        (void)invoice_content(again, lines, b);
        bool equal = size == other && memcmp(a, b, size) == 0;
        say(v, "invoice %" PRIu64 ": %s", stored->number,
            equal ? "the same bytes" : "differs from what it was computed from");
        if (!equal)
            say_differences(v, stored, stored_lines, again, lines);
        v->result.differ += equal ? 0 : 1;
    }
    free(a);
    free(b);
    return code;
}

/* ---- one invoice ---- */

/* An invoice's lines, with texts that point into the map. */
static enum err_code
lines_of(struct tables_txn *txn, const struct invoice *i, struct list *ret, struct err *err)
{
    list_init(ret, sizeof(struct invoice_line));
    for (uint32_t n = 0; n < i->line_count; n++) {
        struct invoice_line line;
        if (!invoice_line_get(txn, i->organization, i->from_ms, n, &line))
            return err_set(err, ERR_CORRUPT, "invoice %" PRIu64 " lacks its line %u", i->number,
                           n + 1);
        if (!list_add(ret, &line))
            return err_set(err, ERR_LIMIT, "no memory for an invoice's lines");
    }
    return ERR_OK;
}

static bool
adds_up(const struct invoice *i, const struct list *lines)
{
    money_sum sum = 0;
    for (size_t n = 0; n < lines->count; n++)
        sum += ((const struct invoice_line *)lines->items)[n].amount_minor;
    return sum == i->total_minor;
}

/* The final invoices before it are what the log does not have. */
static enum err_code
copy_earlier(struct verify *v, struct tables_txn *to, const struct invoice *target,
             uint32_t organization, struct err *err)
{
    struct invoice_scan scan;
    enum err_code code = ERR_OK;
    invoice_scan_begin(&scan, v->txn, target->organization);
    while (code == ERR_OK && invoice_scan_next(&scan)) {
        struct invoice i = scan.row;
        struct list lines;
        if (i.status == INVOICE_DRAFT || i.number >= target->number)
            continue;
        code = lines_of(v->txn, &i, &lines, err);
        i.organization = organization;
        i.status = INVOICE_FINAL;
        if (code == ERR_OK && !adds_up(&i, &lines))
            code = err_set(err, ERR_CORRUPT,
                           "invoice %" PRIu64 ", which it follows, is not the sum of its lines; "
                           "verify that one first",
                           i.number);
        if (code == ERR_OK)
            code = invoice_put(to, &i, lines.items, err);
        list_clear(&lines);
    }
    invoice_scan_end(&scan);
    return code;
}

static enum err_code
find_again(struct invoicing *v, const struct invoice *target, bool *ret_found, struct err *err)
{
    bool more = true;
    *ret_found = false;
    while (more && !*ret_found) {
        enum err_code code = invoicing_next(v, &more, err);
        if (code != ERR_OK)
            return code;
        *ret_found = more && v->invoice.from_ms == target->from_ms;
    }
    return ERR_OK;
}

/* In the scratch tables: compute, and compare with the invoice in the real ones. */
static enum err_code
compute(struct verify *v, struct tables_txn *scratch, struct plan_book *book,
        const struct invoice *target, struct err *err)
{
    struct invoicing invoicing;
    struct list lines;
    struct stage_notices none = {0};
    uint64_t problems = 0;
    uint32_t organization = 0;
    bool any = false, found = false;
    struct str name = dict_text(v->txn, target->organization);
    if (!dict_find(scratch, name, &organization))
        return err_set(err, ERR_CORRUPT, "the log to event %" PRIu64 " does not name \"%.*s\"",
                       target->position, STR_ARG(name));
    invoicing_init(&invoicing, book);
    enum err_code code = lines_of(v->txn, target, &lines, err);
    if (code == ERR_OK)
        code = copy_earlier(v, scratch, target, organization, err);
    if (code == ERR_OK)
        code = invoicing_begin(&invoicing, scratch, organization, target->finalized_ms,
                               target->number, &none, &problems, &any, err);
    invoicing.drawn_ms = target->from_ms;
    if (code == ERR_OK && any)
        code = find_again(&invoicing, target, &found, err);
    if (code == ERR_OK && !found) {
        say(v, "invoice %" PRIu64 ": the log gives no invoice for its time", target->number);
        v->result.differ++;
    } else if (code == ERR_OK) {
        struct cursor cursor = cursor_get(scratch);
        struct invoice *again = &invoicing.invoice;
        again->organization = target->organization;
        again->position = cursor.seq;
        memcpy(again->chain, cursor.chain, sizeof again->chain);
        memcpy(again->price_book, cursor.price_book, sizeof again->price_book);
        code = compare(v, target, lines.items, again, invoicing_lines(&invoicing), err);
    }
    list_clear(&lines);
    invoicing_clear(&invoicing);
    return code;
}

static enum err_code
verify_one(struct verify *v, const struct invoice *target, struct err *err)
{
    struct plan_book *book = NULL;
    struct tables *scratch = NULL;
    struct tables_txn *txn = NULL;
    v->result.invoices++;
    enum err_code code = fold(v, target, err);
    if (code == ERR_OK)
        code = plan_book_load(v->plans, &book, err);
    if (code == ERR_OK)
        code = tables_open(v->directory, TABLES_WRITE, &scratch, err);
    if (code == ERR_OK)
        code = tables_begin(scratch, TABLES_WRITE, &txn, err);
    if (code == ERR_OK)
        code = compute(v, txn, book, target, err);
    tables_abort(txn); /* the copies of earlier invoices go with it */
    tables_close(scratch);
    plan_book_free(book);
    return err_wrap(err, code, "invoice %" PRIu64, target->number);
}

/* ---- which ---- */

static enum err_code
find_wanted(struct verify *v, struct err *err)
{
    const struct verify_options *o = v->options;
    struct invoice_scan scan;
    uint32_t organization = 0;
    enum err_code code = ERR_OK;
    if (o->organization != NULL && !dict_find(v->txn, str_of(o->organization), &organization))
        return err_set(err, ERR_NOT_FOUND, "no event folded so far names \"%.64s\"",
                       o->organization);
    invoice_scan_begin(&scan, v->txn, organization);
    while (code == ERR_OK && invoice_scan_next(&scan)) {
        if (scan.row.status == INVOICE_DRAFT || (o->number != 0 && scan.row.number != o->number))
            continue;
        if (!list_add(&v->wanted, &scan.row))
            code = err_set(err, ERR_LIMIT, "no memory for the invoices");
    }
    invoice_scan_end(&scan);
    if (code == ERR_OK && v->wanted.count == 0)
        return err_set(err, ERR_NOT_FOUND,
                       "there is no such final invoice; gbill invoice list names them");
    return code;
}

enum err_code
verify_run(const struct verify_options *options, struct verify_result *ret, struct err *err)
{
    struct verify v = {.options = options};
    list_init(&v.wanted, sizeof(struct invoice));
    enum err_code code = tables_open(options->data_directory, TABLES_READ, &v.tables, err);
    if (code == ERR_OK)
        code = tables_begin(v.tables, TABLES_READ, &v.txn, err);
    if (code == ERR_OK)
        code = find_wanted(&v, err);
    if (code == ERR_OK)
        code = make_scratch(&v, err);
    for (size_t i = 0; code == ERR_OK && i < v.wanted.count; i++)
        code = verify_one(&v, (const struct invoice *)v.wanted.items + i, err);
    if (v.directory[0] != '\0')
        remove_scratch(&v);
    list_clear(&v.wanted);
    tables_abort(v.txn);
    tables_close(v.tables);
    if (code == ERR_OK)
        *ret = v.result;
    return code;
}
