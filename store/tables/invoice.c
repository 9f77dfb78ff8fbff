#include "store/tables/invoice.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "store/base/time.h"

/*
 * invoices       key: organization u32, from u64
 *                value: status u8, currency 4 bytes, line count u32, number u64,
 *                finalized u64, paid u64, to u64, total u64, tax u64, credit u64,
 *                AI credits u64, LLM cost u128, unpriced calls u64; then what it
 *                came from: position u64, chain, price book, plan book
 * invoice_lines  key: organization u32, from u64, line u32
 *                value: kind u8, bytes of plan u8, of charge u8, period u64,
 *                corrects u64, quantity u128, unit price u64, exact u128, amount
 *                u64, from u64, to u64, plan, charge, description
 */
enum {
    INVOICE_KEY_BYTES = 12,
    INVOICE_STATUS_AT = 0,
    INVOICE_NUMBER_AT = 9,
    INVOICE_PAID_AT = 25,
    INVOICE_FIXED_AT = 33,      /* from here on nothing depends on when it became final */
    INVOICE_CONTENT_BYTES = 97, /* all but what it came from */
    INVOICE_ROW_BYTES = INVOICE_CONTENT_BYTES + 8 + 3 * HASH_SHA256_BYTES,
    INVOICE_LINE_KEY_BYTES = 16,
    INVOICE_LINE_FIXED_BYTES = 83,
    INVOICE_ID_BYTES_MAX = 64,
    INVOICE_DESCRIPTION_BYTES_MAX = 200,
    INVOICE_LINE_BYTES_MAX = INVOICE_LINE_FIXED_BYTES + 2 * INVOICE_ID_BYTES_MAX +
                             INVOICE_DESCRIPTION_BYTES_MAX,
};

static const struct bytes number_key = {(const uint8_t *)"invoice_number", 14};

static const char *const status_names[INVOICE_STATUSES] = {
    [INVOICE_DRAFT] = "draft",
    [INVOICE_FINAL] = "final",
    [INVOICE_PARTIALLY_PAID] = "partially_paid",
    [INVOICE_PAID] = "paid",
    [INVOICE_PAYMENT_FAILED] = "payment_failed",
    [INVOICE_VOID] = "void",
    [INVOICE_DISPUTED] = "disputed",
};

static const char *const line_kind_names[INVOICE_LINE_KINDS] = {
    [INVOICE_PLAN_FEE] = "plan_fee",
    [INVOICE_USAGE] = "usage",
    [INVOICE_COMMITMENT] = "commitment",
    [INVOICE_ADJUSTMENT] = "adjustment",
    [INVOICE_TAX] = "tax",
};

const char *
invoice_status_name(enum invoice_status status)
{
    assert(status < INVOICE_STATUSES);
    return status_names[status];
}

const char *
invoice_line_kind_name(enum invoice_line_kind kind)
{
    assert(kind < INVOICE_LINE_KINDS);
    return line_kind_names[kind];
}

static void
key_encode(uint32_t organization, int64_t from_ms, uint8_t key[INVOICE_KEY_BYTES])
{
    put_be32(key, organization);
    put_be64(key + 4, (uint64_t)from_ms);
}

static void
line_key_encode(uint32_t organization, int64_t from_ms, uint32_t line,
                uint8_t key[INVOICE_LINE_KEY_BYTES])
{
    key_encode(organization, from_ms, key);
    put_be32(key + INVOICE_KEY_BYTES, line);
}

static void
row_encode(const struct invoice *invoice, uint8_t bytes[INVOICE_ROW_BYTES])
{
    assert(invoice->status < INVOICE_STATUSES);
    bytes[INVOICE_STATUS_AT] = (uint8_t)invoice->status;
    memcpy(bytes + 1, invoice->currency, sizeof invoice->currency);
    put_le32(bytes + 5, invoice->line_count);
    put_le64(bytes + INVOICE_NUMBER_AT, invoice->number);
    put_le64(bytes + 17, (uint64_t)invoice->finalized_ms);
    put_le64(bytes + INVOICE_PAID_AT, (uint64_t)invoice->paid_minor);
    put_le64(bytes + INVOICE_FIXED_AT, (uint64_t)invoice->to_ms);
    put_le64(bytes + 41, (uint64_t)invoice->total_minor);
    put_le64(bytes + 49, (uint64_t)invoice->tax_minor);
    put_le64(bytes + 57, (uint64_t)invoice->credit_minor);
    put_le64(bytes + 65, invoice->credits_used);
    money_put_sum(bytes + 73, invoice->llm_cost_pico);
    put_le64(bytes + 89, invoice->unpriced_calls);
    uint8_t *p = bytes + INVOICE_CONTENT_BYTES;
    put_le64(p, invoice->position);
    memcpy(p + 8, invoice->chain, HASH_SHA256_BYTES);
    memcpy(p + 8 + HASH_SHA256_BYTES, invoice->price_book, HASH_SHA256_BYTES);
    memcpy(p + 8 + 2 * HASH_SHA256_BYTES, invoice->plan_book, HASH_SHA256_BYTES);
}

static struct invoice
row_decode(struct bytes key, struct bytes value)
{
    assert(value.size_bytes == INVOICE_ROW_BYTES);
    const uint8_t *v = value.data, *p = v + INVOICE_CONTENT_BYTES;
    struct invoice invoice = {
        .status = (enum invoice_status)v[INVOICE_STATUS_AT],
        .line_count = get_le32(v + 5),
        .number = get_le64(v + INVOICE_NUMBER_AT),
        .finalized_ms = (int64_t)get_le64(v + 17),
        .paid_minor = (int64_t)get_le64(v + INVOICE_PAID_AT),
        .to_ms = (int64_t)get_le64(v + INVOICE_FIXED_AT),
        .total_minor = (int64_t)get_le64(v + 41),
        .tax_minor = (int64_t)get_le64(v + 49),
        .credit_minor = (int64_t)get_le64(v + 57),
        .credits_used = get_le64(v + 65),
        .llm_cost_pico = money_get_sum(v + 73),
        .unpriced_calls = get_le64(v + 89),
        .position = get_le64(p),
    };
    invoice_key_decode(key, &invoice.organization, &invoice.from_ms);
    memcpy(invoice.currency, v + 1, sizeof invoice.currency);
    memcpy(invoice.chain, p + 8, HASH_SHA256_BYTES);
    memcpy(invoice.price_book, p + 8 + HASH_SHA256_BYTES, HASH_SHA256_BYTES);
    memcpy(invoice.plan_book, p + 8 + 2 * HASH_SHA256_BYTES, HASH_SHA256_BYTES);
    return invoice;
}

static size_t
put_text(uint8_t *to, struct str text)
{
    if (text.size_bytes > 0)
        memcpy(to, text.data, text.size_bytes);
    return text.size_bytes;
}

static size_t
line_encode(const struct invoice_line *line, uint8_t bytes[INVOICE_LINE_BYTES_MAX])
{
    assert(line->kind < INVOICE_LINE_KINDS);
    assert(line->plan.size_bytes <= INVOICE_ID_BYTES_MAX);
    assert(line->charge.size_bytes <= INVOICE_ID_BYTES_MAX);
    assert(line->description.size_bytes <= INVOICE_DESCRIPTION_BYTES_MAX);
    bytes[0] = (uint8_t)line->kind;
    bytes[1] = (uint8_t)line->plan.size_bytes;
    bytes[2] = (uint8_t)line->charge.size_bytes;
    put_le64(bytes + 3, (uint64_t)line->period_ms);
    put_le64(bytes + 11, line->corrects);
    money_put_sum(bytes + 19, line->quantity_pico);
    put_le64(bytes + 35, (uint64_t)line->unit_pico);
    money_put_sum(bytes + 43, line->exact_pico);
    put_le64(bytes + 59, (uint64_t)line->amount_minor);
    put_le64(bytes + 67, (uint64_t)line->from_ms);
    put_le64(bytes + 75, (uint64_t)line->to_ms);
    size_t used = INVOICE_LINE_FIXED_BYTES;
    used += put_text(bytes + used, line->plan);
    used += put_text(bytes + used, line->charge);
    return used + put_text(bytes + used, line->description);
}

static struct invoice_line
line_decode(struct bytes v)
{
    assert(v.size_bytes >= INVOICE_LINE_FIXED_BYTES);
    const uint8_t *p = v.data;
    size_t plan = p[1], charge = p[2], ids = INVOICE_LINE_FIXED_BYTES + plan + charge;
    const char *text = (const char *)p + INVOICE_LINE_FIXED_BYTES;
    assert(v.size_bytes >= ids);
    return (struct invoice_line){
        .kind = (enum invoice_line_kind)p[0],
        .plan = {text, plan},
        .charge = {text + plan, charge},
        .period_ms = (int64_t)get_le64(p + 3),
        .corrects = get_le64(p + 11),
        .quantity_pico = money_get_sum(p + 19),
        .unit_pico = (int64_t)get_le64(p + 35),
        .exact_pico = money_get_sum(p + 43),
        .amount_minor = (int64_t)get_le64(p + 59),
        .from_ms = (int64_t)get_le64(p + 67),
        .to_ms = (int64_t)get_le64(p + 75),
        .description = {text + plan + charge, v.size_bytes - ids},
    };
}

size_t
invoice_content(const struct invoice *invoice, const struct invoice_line *lines, uint8_t *out)
{
    uint8_t row[INVOICE_ROW_BYTES], line[INVOICE_LINE_BYTES_MAX];
    size_t used = INVOICE_KEY_BYTES + INVOICE_ROW_BYTES - INVOICE_FIXED_AT + 8;
    row_encode(invoice, row);
    if (out != NULL) {
        key_encode(invoice->organization, invoice->from_ms, out);
        memcpy(out + INVOICE_KEY_BYTES, row + 1, 8); /* currency, line count */
        memcpy(out + INVOICE_KEY_BYTES + 8, row + INVOICE_FIXED_AT,
               INVOICE_ROW_BYTES - INVOICE_FIXED_AT);
    }
    for (uint32_t i = 0; i < invoice->line_count; i++) {
        size_t size = line_encode(&lines[i], line);
        if (out != NULL) {
            put_le32(out + used, (uint32_t)size);
            memcpy(out + used + 4, line, size);
        }
        used += 4 + size;
    }
    return used;
}

/* Are the stored lines exactly these? */
static bool
lines_stored(struct tables_txn *txn, const struct invoice *invoice,
             const struct invoice_line *lines)
{
    for (uint32_t i = 0; i < invoice->line_count; i++) {
        uint8_t key[INVOICE_LINE_KEY_BYTES], bytes[INVOICE_LINE_BYTES_MAX];
        struct bytes old;
        line_key_encode(invoice->organization, invoice->from_ms, i, key);
        size_t size = line_encode(&lines[i], bytes);
        if (!tables_get(txn, TABLE_INVOICE_LINES, (struct bytes){key, sizeof key}, &old) ||
            old.size_bytes != size || memcmp(old.data, bytes, size) != 0)
            return false;
    }
    return true;
}

/* Take away the lines from the first-th on. */
static enum err_code
delete_lines(struct tables_txn *txn, uint32_t organization, int64_t from_ms, uint32_t first,
             uint32_t stored_count, struct err *err)
{
    uint8_t key[INVOICE_LINE_KEY_BYTES];
    enum err_code code = ERR_OK;
    for (uint32_t i = first; code == ERR_OK && i < stored_count; i++) {
        line_key_encode(organization, from_ms, i, key);
        code =
            tables_delete_published(txn, TABLE_INVOICE_LINES, (struct bytes){key, sizeof key}, err);
    }
    return code;
}

static enum err_code
put_lines(struct tables_txn *txn, const struct invoice *invoice, const struct invoice_line *lines,
          uint32_t stored_count, struct err *err)
{
    uint8_t key[INVOICE_LINE_KEY_BYTES], bytes[INVOICE_LINE_BYTES_MAX];
    struct bytes k = {key, sizeof key};
    enum err_code code = ERR_OK;
    for (uint32_t i = 0; code == ERR_OK && i < invoice->line_count; i++) {
        line_key_encode(invoice->organization, invoice->from_ms, i, key);
        size_t size = line_encode(&lines[i], bytes);
        code = tables_put_published(txn, TABLE_INVOICE_LINES, k, (struct bytes){bytes, size}, err);
    }
    if (code != ERR_OK)
        return code;
    return delete_lines(txn, invoice->organization, invoice->from_ms, invoice->line_count,
                        stored_count, err);
}

static void
assert_total(const struct invoice *invoice, const struct invoice_line *lines)
{
    money_sum sum = 0;
    for (uint32_t i = 0; i < invoice->line_count; i++)
        sum += lines[i].amount_minor;
    assert(sum == invoice->total_minor);
    assert(invoice->credit_minor >= 0);
    assert(invoice->credit_minor == 0 || invoice->credit_minor <= invoice->total_minor);
}

static enum err_code
final_error(const struct invoice *stored, struct err *err)
{
    return err_set(err, ERR_CONFLICT,
                   "invoice %" PRIu64 " is final and cannot be replaced; correct it with an "
                   "adjustment event",
                   stored->number);
}

enum err_code
invoice_put(struct tables_txn *txn, const struct invoice *invoice, const struct invoice_line *lines,
            struct err *err)
{
    uint8_t key[INVOICE_KEY_BYTES], bytes[INVOICE_ROW_BYTES];
    struct bytes k = {key, sizeof key}, old;
    uint32_t stored_count = 0;
    assert(lines != NULL || invoice->line_count == 0);
    assert_total(invoice, lines);
    key_encode(invoice->organization, invoice->from_ms, key);
    row_encode(invoice, bytes);
    if (tables_get(txn, TABLE_INVOICES, k, &old)) {
        struct invoice stored = row_decode(k, old);
        stored_count = stored.line_count;
        if (stored.status != INVOICE_DRAFT)
            return final_error(&stored, err);
        if (memcmp(old.data, bytes, INVOICE_CONTENT_BYTES) == 0 &&
            lines_stored(txn, invoice, lines))
            return ERR_OK;
    }
    enum err_code code = put_lines(txn, invoice, lines, stored_count, err);
    if (code != ERR_OK)
        return code;
    return tables_put_published(txn, TABLE_INVOICES, k, (struct bytes){bytes, sizeof bytes}, err);
}

enum err_code
invoice_put_payment(struct tables_txn *txn, const struct invoice *invoice, struct err *err)
{
    uint8_t key[INVOICE_KEY_BYTES], bytes[INVOICE_ROW_BYTES];
    struct bytes k = {key, sizeof key}, old;
    assert(invoice->status != INVOICE_DRAFT);
    key_encode(invoice->organization, invoice->from_ms, key);
    bool there = tables_get(txn, TABLE_INVOICES, k, &old);
    assert(there && row_decode(k, old).status != INVOICE_DRAFT);
    memcpy(bytes, old.data, sizeof bytes);
    bytes[INVOICE_STATUS_AT] = (uint8_t)invoice->status;
    put_le64(bytes + INVOICE_PAID_AT, (uint64_t)invoice->paid_minor);
    return tables_put_published(txn, TABLE_INVOICES, k, (struct bytes){bytes, sizeof bytes}, err);
}

enum err_code
invoice_delete_draft(struct tables_txn *txn, uint32_t organization, int64_t from_ms,
                     struct err *err)
{
    uint8_t key[INVOICE_KEY_BYTES];
    struct invoice stored;
    if (!invoice_get(txn, organization, from_ms, &stored))
        return ERR_OK;
    if (stored.status != INVOICE_DRAFT)
        return final_error(&stored, err);
    key_encode(organization, from_ms, key);
    enum err_code code = delete_lines(txn, organization, from_ms, 0, stored.line_count, err);
    if (code != ERR_OK)
        return code;
    return tables_delete_published(txn, TABLE_INVOICES, (struct bytes){key, sizeof key}, err);
}

bool
invoice_get(struct tables_txn *txn, uint32_t organization, int64_t from_ms, struct invoice *ret)
{
    uint8_t key[INVOICE_KEY_BYTES];
    struct bytes k = {key, sizeof key}, v;
    key_encode(organization, from_ms, key);
    if (!tables_get(txn, TABLE_INVOICES, k, &v))
        return false;
    *ret = row_decode(k, v);
    return true;
}

bool
invoice_line_get(struct tables_txn *txn, uint32_t organization, int64_t from_ms, uint32_t line,
                 struct invoice_line *ret)
{
    uint8_t key[INVOICE_LINE_KEY_BYTES];
    struct bytes v;
    line_key_encode(organization, from_ms, line, key);
    if (!tables_get(txn, TABLE_INVOICE_LINES, (struct bytes){key, sizeof key}, &v))
        return false;
    *ret = line_decode(v);
    return true;
}

void
invoice_key_decode(struct bytes key, uint32_t *ret_organization, int64_t *ret_from_ms)
{
    assert(key.size_bytes == INVOICE_KEY_BYTES);
    *ret_organization = get_be32(key.data);
    *ret_from_ms = (int64_t)get_be64(key.data + 4);
}

void
invoice_line_key_decode(struct bytes key, uint32_t *ret_organization, int64_t *ret_from_ms,
                        uint32_t *ret_line)
{
    assert(key.size_bytes == INVOICE_LINE_KEY_BYTES);
    *ret_organization = get_be32(key.data);
    *ret_from_ms = (int64_t)get_be64(key.data + 4);
    *ret_line = get_be32(key.data + INVOICE_KEY_BYTES);
}

void
invoice_scan_begin(struct invoice_scan *scan, struct tables_txn *txn, uint32_t organization)
{
    tables_scan_organization(&scan->scan, txn, TABLE_INVOICES, organization);
}

bool
invoice_scan_next(struct invoice_scan *scan)
{
    if (!tables_scan_next(&scan->scan))
        return false;
    scan->row = row_decode(scan->scan.key, scan->scan.value);
    return true;
}

void
invoice_scan_end(struct invoice_scan *scan)
{
    tables_scan_end(&scan->scan);
}

enum err_code
invoice_number_take(struct tables_txn *txn, uint64_t *ret, struct err *err)
{
    struct bytes v;
    uint8_t bytes[8];
    uint64_t next = 1;
    if (tables_get(txn, TABLE_META, number_key, &v)) {
        assert(v.size_bytes == sizeof bytes);
        next = get_le64(v.data) + 1;
    }
    put_le64(bytes, next);
    enum err_code code =
        tables_put(txn, TABLE_META, number_key, (struct bytes){bytes, sizeof bytes}, err);
    if (code == ERR_OK)
        *ret = next;
    return code;
}
