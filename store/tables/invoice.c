#include "store/tables/invoice.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "store/base/time.h"

/*
 * invoices       key: organization u32, month u32
 *                value: status u8, currency 4 bytes, line count u32, number u64,
 *                total u64, credits u64, LLM cost u128, unpriced calls u64,
 *                finalized u64; then what it came from: position u64, chain,
 *                price book, plan book
 * invoice_lines  key: organization u32, month u32, line u32
 *                value: kind u8, quantity u64, unit price u64, exact u128,
 *                amount u64, from u64, to u64, description
 */
enum {
    INVOICE_KEY_BYTES = 8,
    INVOICE_CONTENT_BYTES = 65, /* all but what it came from */
    INVOICE_ROW_BYTES = INVOICE_CONTENT_BYTES + 8 + 3 * HASH_SHA256_BYTES,
    INVOICE_LINE_KEY_BYTES = 12,
    INVOICE_LINE_FIXED_BYTES = 57,
    INVOICE_DESCRIPTION_BYTES_MAX = 200,
    INVOICE_LINE_BYTES_MAX = INVOICE_LINE_FIXED_BYTES + INVOICE_DESCRIPTION_BYTES_MAX,
};

static const struct bytes number_key = {(const uint8_t *)"invoice_number", 14};

static const char *const status_names[INVOICE_STATUSES] = {
    [INVOICE_DRAFT] = "draft",
    [INVOICE_FINAL] = "final",
};

static const char *const line_kind_names[INVOICE_LINE_KINDS] = {
    [INVOICE_PLAN_FEE] = "plan_fee",
    [INVOICE_OVERAGE] = "overage",
    [INVOICE_ADJUSTMENT] = "adjustment",
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
put_sum(uint8_t *p, money_sum v)
{
    put_le64(p, (uint64_t)v);
    put_le64(p + 8, (uint64_t)(v >> 64));
}

static money_sum
get_sum(const uint8_t *p)
{
    return (money_sum)(int64_t)get_le64(p + 8) * ((money_sum)1 << 64) + (money_sum)get_le64(p);
}

static void
key_encode(uint32_t organization, int32_t month, uint8_t key[INVOICE_KEY_BYTES])
{
    put_be32(key, organization);
    put_be32(key + 4, (uint32_t)month);
}

static void
line_key_encode(uint32_t organization, int32_t month, uint32_t line,
                uint8_t key[INVOICE_LINE_KEY_BYTES])
{
    key_encode(organization, month, key);
    put_be32(key + INVOICE_KEY_BYTES, line);
}

static void
row_encode(const struct invoice *invoice, uint8_t bytes[INVOICE_ROW_BYTES])
{
    assert(invoice->status < INVOICE_STATUSES);
    bytes[0] = (uint8_t)invoice->status;
    memcpy(bytes + 1, invoice->currency, sizeof invoice->currency);
    put_le32(bytes + 5, invoice->line_count);
    put_le64(bytes + 9, invoice->number);
    put_le64(bytes + 17, (uint64_t)invoice->total_minor);
    put_le64(bytes + 25, invoice->credits_used);
    put_sum(bytes + 33, invoice->llm_cost_pico);
    put_le64(bytes + 49, invoice->unpriced_calls);
    put_le64(bytes + 57, (uint64_t)invoice->finalized_ms);
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
        .status = (enum invoice_status)v[0],
        .line_count = get_le32(v + 5),
        .number = get_le64(v + 9),
        .total_minor = (int64_t)get_le64(v + 17),
        .credits_used = get_le64(v + 25),
        .llm_cost_pico = get_sum(v + 33),
        .unpriced_calls = get_le64(v + 49),
        .finalized_ms = (int64_t)get_le64(v + 57),
        .position = get_le64(p),
    };
    invoice_key_decode(key, &invoice.organization, &invoice.month);
    memcpy(invoice.currency, v + 1, sizeof invoice.currency);
    memcpy(invoice.chain, p + 8, HASH_SHA256_BYTES);
    memcpy(invoice.price_book, p + 8 + HASH_SHA256_BYTES, HASH_SHA256_BYTES);
    memcpy(invoice.plan_book, p + 8 + 2 * HASH_SHA256_BYTES, HASH_SHA256_BYTES);
    return invoice;
}

static size_t
line_encode(const struct invoice_line *line, uint8_t bytes[INVOICE_LINE_BYTES_MAX])
{
    assert(line->kind < INVOICE_LINE_KINDS);
    assert(line->description.size_bytes <= INVOICE_DESCRIPTION_BYTES_MAX);
    bytes[0] = (uint8_t)line->kind;
    put_le64(bytes + 1, line->quantity);
    put_le64(bytes + 9, (uint64_t)line->unit_pico);
    put_sum(bytes + 17, line->exact_pico);
    put_le64(bytes + 33, (uint64_t)line->amount_minor);
    put_le64(bytes + 41, (uint64_t)line->from_ms);
    put_le64(bytes + 49, (uint64_t)line->to_ms);
    if (line->description.size_bytes > 0)
        memcpy(bytes + INVOICE_LINE_FIXED_BYTES, line->description.data,
               line->description.size_bytes);
    return INVOICE_LINE_FIXED_BYTES + line->description.size_bytes;
}

/* Are the stored lines exactly these? */
static bool
lines_stored(struct tables_txn *txn, const struct invoice *invoice,
             const struct invoice_line *lines)
{
    for (uint32_t i = 0; i < invoice->line_count; i++) {
        uint8_t key[INVOICE_LINE_KEY_BYTES], bytes[INVOICE_LINE_BYTES_MAX];
        struct bytes old;
        line_key_encode(invoice->organization, invoice->month, i, key);
        size_t size = line_encode(&lines[i], bytes);
        if (!tables_get(txn, TABLE_INVOICE_LINES, (struct bytes){key, sizeof key}, &old) ||
            old.size_bytes != size || memcmp(old.data, bytes, size) != 0)
            return false;
    }
    return true;
}

static enum err_code
put_lines(struct tables_txn *txn, const struct invoice *invoice, const struct invoice_line *lines,
          uint32_t stored_count, struct err *err)
{
    uint8_t key[INVOICE_LINE_KEY_BYTES], bytes[INVOICE_LINE_BYTES_MAX];
    struct bytes k = {key, sizeof key};
    enum err_code code = ERR_OK;
    for (uint32_t i = 0; code == ERR_OK && i < invoice->line_count; i++) {
        line_key_encode(invoice->organization, invoice->month, i, key);
        size_t size = line_encode(&lines[i], bytes);
        code = tables_put_published(txn, TABLE_INVOICE_LINES, k, (struct bytes){bytes, size}, err);
    }
    for (uint32_t i = invoice->line_count; code == ERR_OK && i < stored_count; i++) {
        line_key_encode(invoice->organization, invoice->month, i, key);
        code = tables_delete_published(txn, TABLE_INVOICE_LINES, k, err);
    }
    return code;
}

static void
assert_total(const struct invoice *invoice, const struct invoice_line *lines)
{
    money_sum sum = 0;
    for (uint32_t i = 0; i < invoice->line_count; i++)
        sum += lines[i].amount_minor;
    assert(sum == invoice->total_minor);
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
    key_encode(invoice->organization, invoice->month, key);
    row_encode(invoice, bytes);
    if (tables_get(txn, TABLE_INVOICES, k, &old)) {
        struct invoice stored = row_decode(k, old);
        stored_count = stored.line_count;
        if (stored.status == INVOICE_FINAL) {
            char month[TIME_TEXT_BYTES];
            time_format_month(invoice->month, month);
            return err_set(err, ERR_CONFLICT,
                           "invoice %" PRIu64 " of %s is final and cannot be replaced; correct it "
                           "with an adjustment event",
                           stored.number, month);
        }
        if (memcmp(old.data, bytes, INVOICE_CONTENT_BYTES) == 0 &&
            lines_stored(txn, invoice, lines))
            return ERR_OK;
    }
    enum err_code code = put_lines(txn, invoice, lines, stored_count, err);
    if (code != ERR_OK)
        return code;
    return tables_put_published(txn, TABLE_INVOICES, k, (struct bytes){bytes, sizeof bytes}, err);
}

bool
invoice_get(struct tables_txn *txn, uint32_t organization, int32_t month, struct invoice *ret)
{
    uint8_t key[INVOICE_KEY_BYTES];
    struct bytes k = {key, sizeof key}, v;
    key_encode(organization, month, key);
    if (!tables_get(txn, TABLE_INVOICES, k, &v))
        return false;
    *ret = row_decode(k, v);
    return true;
}

bool
invoice_line_get(struct tables_txn *txn, uint32_t organization, int32_t month, uint32_t line,
                 struct invoice_line *ret)
{
    uint8_t key[INVOICE_LINE_KEY_BYTES];
    struct bytes v;
    line_key_encode(organization, month, line, key);
    if (!tables_get(txn, TABLE_INVOICE_LINES, (struct bytes){key, sizeof key}, &v))
        return false;
    assert(v.size_bytes >= INVOICE_LINE_FIXED_BYTES);
    *ret = (struct invoice_line){
        .kind = (enum invoice_line_kind)v.data[0],
        .quantity = get_le64(v.data + 1),
        .unit_pico = (int64_t)get_le64(v.data + 9),
        .exact_pico = get_sum(v.data + 17),
        .amount_minor = (int64_t)get_le64(v.data + 33),
        .from_ms = (int64_t)get_le64(v.data + 41),
        .to_ms = (int64_t)get_le64(v.data + 49),
        .description = {(const char *)v.data + INVOICE_LINE_FIXED_BYTES,
                        v.size_bytes - INVOICE_LINE_FIXED_BYTES},
    };
    return true;
}

void
invoice_key_decode(struct bytes key, uint32_t *ret_organization, int32_t *ret_month)
{
    assert(key.size_bytes == INVOICE_KEY_BYTES);
    *ret_organization = get_be32(key.data);
    *ret_month = (int32_t)get_be32(key.data + 4);
}

void
invoice_line_key_decode(struct bytes key, uint32_t *ret_organization, int32_t *ret_month,
                        uint32_t *ret_line)
{
    assert(key.size_bytes == INVOICE_LINE_KEY_BYTES);
    *ret_organization = get_be32(key.data);
    *ret_month = (int32_t)get_be32(key.data + 4);
    *ret_line = get_be32(key.data + INVOICE_KEY_BYTES);
}

void
invoice_scan_begin(struct invoice_scan *scan, struct tables_txn *txn, uint32_t organization)
{
    uint8_t prefix[4];
    put_be32(prefix, organization);
    tables_scan_begin(&scan->scan, txn, TABLE_INVOICES,
                      (struct bytes){prefix, organization == 0 ? 0 : sizeof prefix});
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
