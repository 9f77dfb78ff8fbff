#include "store/tokens/tokens.h"

#include <string.h>

#include "store/base/utf8.h"
#include "store/tokens/bpe.h"
#include "store/tokens/split.h"

enum { SHORT_PIECE_BYTES = 63 };

void
tokens_work_init(struct tokens_work *work)
{
    memset(work, 0, sizeof *work);
    buf_init(&work->repaired, 3u * (size_t)TOKENS_TEXT_BYTES_MAX);
    buf_init(&work->stack, 3u * 5u * (size_t)TOKENS_TEXT_BYTES_MAX);
}

void
tokens_work_clear(struct tokens_work *work)
{
    buf_clear(&work->repaired);
    buf_clear(&work->stack);
}

/* How many of the first bytes are well-formed. */
static size_t
well_formed(const uint8_t *p, size_t size_bytes)
{
    size_t at = 0, n;
    while (at < size_bytes) {
        uint64_t eight;
        if (size_bytes - at >= sizeof eight) {
            memcpy(&eight, p + at, sizeof eight);
            if ((eight & 0x8080808080808080u) == 0) {
                at += sizeof eight;
                continue;
            }
        }
        if ((n = utf8_char_bytes(p + at, size_bytes - at)) == 0)
            break;
        at += n;
    }
    return at;
}

/* The text, or a copy in which U+FFFD stands for what is no UTF-8. */
static enum err_code
repair(struct tokens_work *work, struct bytes *text, struct err *err)
{
    size_t good = well_formed(text->data, text->size_bytes), at = 0;
    if (good == text->size_bytes)
        return ERR_OK;
    work->repaired.size_bytes = 0;
    for (;;) {
        if (!buf_append(&work->repaired, text->data + at, good) ||
            (at + good < text->size_bytes && !buf_append(&work->repaired, "\xef\xbf\xbd", 3)))
            return err_set(err, ERR_LIMIT, "no memory for a text of %zu bytes", text->size_bytes);
        at += good;
        if (at == text->size_bytes)
            break;
        at += utf8_bad_bytes(text->data + at, text->size_bytes - at);
        good = well_formed(text->data + at, text->size_bytes - at);
    }
    *text = (struct bytes){work->repaired.data, work->repaired.size_bytes};
    return ERR_OK;
}

/* One piece that is not one token: how many it is, and which (ids may be NULL). */
static enum err_code
encode_piece(const struct encoding *encoding, struct tokens_work *work, const uint8_t *piece,
             size_t size_bytes, uint32_t first, uint64_t *count, struct list *ids, struct err *err)
{
    uint32_t short_stack[SHORT_PIECE_BYTES], *stack = short_stack;
    uint64_t short_dead[SHORT_PIECE_BYTES / 64 + 1] = {0}, *dead = short_dead, *notes = NULL;
    if (size_bytes > SHORT_PIECE_BYTES) {
        const size_t notes_bytes = BPE_NOTES * sizeof *notes,
                     dead_bytes = (size_bytes / 64 + 1) * sizeof *dead;
        work->stack.size_bytes = 0;
        if (!buf_reserve(&work->stack, notes_bytes + dead_bytes + size_bytes * sizeof *stack))
            return err_set(err, ERR_LIMIT, "no memory for a piece of %zu bytes", size_bytes);
        notes = (uint64_t *)(void *)work->stack.data;
        memset(notes, 0xff, notes_bytes);
        dead = notes + BPE_NOTES;
        memset(dead, 0, dead_bytes);
        stack = (uint32_t *)(void *)(dead + size_bytes / 64 + 1);
    }
    size_t n = bpe_encode(&encoding->vocabulary, piece, size_bytes, first, stack, dead, notes);
    *count += n;
    if (ids == NULL)
        return ERR_OK;
    if (!list_reserve(ids, ids->count + n))
        return err_set(err, ERR_LIMIT, "no memory for %zu tokens", ids->count + n);
    memcpy((uint32_t *)ids->items + ids->count, stack, n * sizeof *stack);
    ids->count += n;
    return ERR_OK;
}

/* Well-formed text without special tokens. */
static enum err_code
encode_plain(const struct encoding *encoding, struct tokens_work *work, const uint8_t *p,
             const uint8_t *end, uint64_t *count, struct list *ids, struct err *err)
{
    enum err_code code = ERR_OK;
    while (p < end && code == ERR_OK) {
        const uint8_t *next = split_next(encoding, p, end);
        int32_t whole = bpe_whole(&encoding->vocabulary, p, (size_t)(next - p));
        if (whole < 0) {
            code = encode_piece(encoding, work, p, (size_t)(next - p), (uint32_t)(-1 - whole),
                                count, ids, err);
        } else {
            ++*count;
            if (ids != NULL && !list_add(ids, &(uint32_t){(uint32_t)whole}))
                code = err_set(err, ERR_LIMIT, "no memory for %zu tokens", ids->count + 1);
        }
        p = next;
    }
    return code;
}

/* The first special token from p on; NULL: none. */
static const struct encodings_special *
find_special(const struct encoding *encoding, const uint8_t *p, const uint8_t *end,
             const uint8_t **ret_at)
{
    const struct encodings_special *found = NULL;
    while (found == NULL && (p = memmem(p, (size_t)(end - p), "<|", 2)) != NULL) {
        found = encoding_special(encoding, p, (size_t)(end - p));
        *ret_at = p++;
    }
    return found;
}

static enum err_code
encode(const struct encoding *encoding, struct tokens_work *work, struct bytes text,
       enum tokens_special special, uint64_t *count, struct list *ids, struct err *err)
{
    if (text.size_bytes > TOKENS_TEXT_BYTES_MAX)
        return err_set(err, ERR_LIMIT, "a text of %zu bytes is over %d bytes", text.size_bytes,
                       TOKENS_TEXT_BYTES_MAX);
    enum err_code code = repair(work, &text, err);
    if (code != ERR_OK || text.size_bytes == 0)
        return code;
    const uint8_t *p = text.data, *end = p + text.size_bytes, *at;
    const struct encodings_special *found;
    while (special != TOKENS_SPECIAL_TEXT &&
           (found = find_special(encoding, p, end, &at)) != NULL) {
        if (special == TOKENS_SPECIAL_REFUSE)
            return err_set(err, ERR_INPUT,
                           "byte %zu begins the special token %s; count it as text or allow it",
                           (size_t)(at - text.data), found->text);
        if ((code = encode_plain(encoding, work, p, at, count, ids, err)) != ERR_OK)
            return code;
        ++*count;
        if (ids != NULL && !list_add(ids, &found->id))
            return err_set(err, ERR_LIMIT, "no memory for %zu tokens", ids->count + 1);
        p = at + strlen(found->text);
    }
    return encode_plain(encoding, work, p, end, count, ids, err);
}

enum err_code
tokens_count(const struct encoding *encoding, struct tokens_work *work, struct bytes text,
             enum tokens_special special, uint64_t *ret_count, struct err *err)
{
    uint64_t count = 0;
    enum err_code code = encode(encoding, work, text, special, &count, NULL, err);
    if (code == ERR_OK)
        *ret_count = count;
    return code;
}

enum err_code
tokens_encode(const struct encoding *encoding, struct tokens_work *work, struct bytes text,
              enum tokens_special special, struct list *ids, struct err *err)
{
    uint64_t count = 0;
    return encode(encoding, work, text, special, &count, ids, err);
}

static struct bytes
text_of(const struct encoding *encoding, uint32_t id)
{
    const struct vocabulary *v = &encoding->vocabulary;
    if (id < v->token_count && (v->tokens[id].prefix_size & 0xff) != 0)
        return (struct bytes){v->text + v->tokens[id].offset_bytes,
                              v->tokens[id].prefix_size & 0xff};
    for (size_t i = 0; i < encoding->special_count; i++)
        if (encoding->specials[i].id == id)
            return (struct bytes){(const uint8_t *)encoding->specials[i].text,
                                  strlen(encoding->specials[i].text)};
    return (struct bytes){NULL, 0};
}

enum err_code
tokens_decode(const struct encoding *encoding, const uint32_t *ids, size_t count, struct buf *text,
              struct err *err)
{
    for (size_t i = 0; i < count; i++) {
        struct bytes token = text_of(encoding, ids[i]);
        if (token.data == NULL)
            return err_set(err, ERR_INPUT, "%u is no token of %s", ids[i], encoding->name);
        if (!buf_append(text, token.data, token.size_bytes))
            return err_set(err, ERR_LIMIT, "no memory for the text of %zu tokens", count);
    }
    return ERR_OK;
}

enum err_code
tokens_count_message(const struct encodings_model *model, const struct encoding *encoding,
                     struct tokens_work *work, const struct tokens_message *message,
                     uint64_t *ret_count, struct err *err)
{
    const struct str texts[] = {message->role, message->content, message->name};
    int64_t sum = model->per_message + (message->name.size_bytes > 0 ? model->per_name : 0);
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0] && code == ERR_OK; i++) {
        struct bytes text = {(const uint8_t *)texts[i].data, texts[i].size_bytes};
        uint64_t n = 0;
        code = tokens_count(encoding, work, text, TOKENS_SPECIAL_TEXT, &n, err);
        sum += (int64_t)n;
    }
    if (code == ERR_OK)
        *ret_count = (uint64_t)sum;
    return code;
}
