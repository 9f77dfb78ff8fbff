#include <stdlib.h>
#include <string.h>

#include "rollup/price/ratio.h"
#include "store/base/file.h"
#include "store/base/json.h"
#include "store/base/time.h"

enum { BOOK_BYTES_MAX = 64 * 1024 * 1024, WHERE_BYTES = 32 };

static const char format_name[] = "gbill-ratios/1";

static enum err_code
take_text(struct arena *arena, const json_t *object, const char *where, const char *key,
          size_t bytes_max, struct str *ret, struct err *err)
{
    const char *text = NULL;
    enum err_code code = json_get_text(object, where, key, &text, err);
    if (code != ERR_OK)
        return code;
    struct str s = str_of(text);
    if (s.size_bytes < 1 || s.size_bytes > bytes_max)
        return err_set(err, ERR_CONFIG, "%s: \"%s\" has %zu bytes, must have 1 to %zu", where, key,
                       s.size_bytes, bytes_max);
    const char *copy = arena_text(arena, s);
    *ret = (struct str){copy, s.size_bytes};
    return copy != NULL ? ERR_OK : err_set(err, ERR_LIMIT, "no memory for the ratio book");
}

static enum err_code
take_time(const json_t *object, const char *where, const char *key, int64_t *ret, struct err *err)
{
    const char *text = NULL;
    enum err_code code = json_get_text(object, where, key, &text, err);
    if (code == ERR_OK && !time_parse(str_of(text), ret))
        code =
            err_set(err, ERR_CONFIG, "%s: \"%s\" is \"%.40s\", no time or date", where, key, text);
    return code;
}

/* A whole number that must be there. */
static enum err_code
take_whole(const json_t *object, const char *where, const char *key, int64_t min, int64_t max,
           int64_t *ret, struct err *err)
{
    int64_t value = -1;
    enum err_code code = json_get_int_opt(object, where, key, min, max, &value, err);
    if (code == ERR_OK && value < 0)
        code = err_set(err, ERR_CONFIG, "%s: \"%s\" is missing", where, key);
    if (code == ERR_OK)
        *ret = value;
    return code;
}

static enum err_code
take_row(struct arena *arena, const json_t *o, const char *where, struct ratio *r, struct err *err)
{
    static const char *const keys[] = {"provider", "model", "side",  "recorded", "from",
                                       "to",       "calls", "bytes", "tokens",   "errorPerMille",
                                       "note",     NULL};
    const char *side = NULL;
    if (!json_is_object(o))
        return err_set(err, ERR_CONFIG, "%s is no object", where);
    enum err_code code = json_only_keys(o, where, keys, err);
    if (code == ERR_OK)
        code = take_text(arena, o, where, "provider", EVENT_TEXT_BYTES_MAX, &r->provider, err);
    if (code == ERR_OK)
        code = take_text(arena, o, where, "model", EVENT_MODEL_BYTES_MAX, &r->model, err);
    if (code == ERR_OK)
        code = json_get_text(o, where, "side", &side, err);
    if (code == ERR_OK && !ratio_side_find(str_of(side), &r->side))
        code = err_set(err, ERR_CONFIG, "%s: \"side\" is \"%.40s\", must be input or output", where,
                       side);
    if (code == ERR_OK)
        code = take_time(o, where, "recorded", &r->recorded_ms, err);
    if (code == ERR_OK)
        code = take_time(o, where, "from", &r->from_ms, err);
    if (code == ERR_OK)
        code = take_time(o, where, "to", &r->to_ms, err);
    if (code == ERR_OK)
        code = take_whole(o, where, "calls", 1, INT64_MAX, &r->calls, err);
    if (code == ERR_OK)
        code = take_whole(o, where, "bytes", 1, RATIO_SUM_MAX, &r->bytes, err);
    if (code == ERR_OK)
        code = take_whole(o, where, "tokens", 1, RATIO_SUM_MAX, &r->tokens, err);
    if (code == ERR_OK)
        code =
            take_whole(o, where, "errorPerMille", 0, RATIO_PER_MILLE_MAX, &r->error_per_mille, err);
    return code;
}

static int
by_key(const void *a, const void *b)
{
    const struct ratio *x = a, *y = b;
    int order = str_compare(x->provider, y->provider);
    if (order == 0)
        order = str_compare(x->model, y->model);
    if (order == 0)
        order = (x->side > y->side) - (x->side < y->side);
    return order != 0 ? order
                      : (x->recorded_ms > y->recorded_ms) - (x->recorded_ms < y->recorded_ms);
}

static enum err_code
take_rows(struct ratio_book *book, struct arena *arena, const json_t *list, struct err *err)
{
    size_t count = json_array_size(list);
    enum err_code code = ERR_OK;
    if (count > RATIO_ROWS_MAX)
        return err_set(err, ERR_LIMIT, "%zu rows, at most %d are taken", count, RATIO_ROWS_MAX);
    struct ratio *rows = arena_alloc(arena, (count + 1) * sizeof *rows);
    if (rows == NULL)
        return err_set(err, ERR_LIMIT, "no memory for %zu rows", count);
    for (size_t i = 0; code == ERR_OK && i < count; i++) {
        char where[WHERE_BYTES];
        snprintf(where, sizeof where, "ratios[%zu]", i);
        code = take_row(arena, json_array_get(list, i), where, &rows[i], err);
    }
    if (code != ERR_OK)
        return code;
    qsort(rows, count, sizeof *rows, by_key);
    for (size_t i = 1; i < count; i++) {
        if (by_key(&rows[i - 1], &rows[i]) == 0)
            return err_set(err, ERR_CONFIG, "two rows of %.*s, %s, are recorded at one time",
                           STR_ARG(rows[i].model), ratio_side_name(rows[i].side));
    }
    book->rows = rows;
    book->count = count;
    return ERR_OK;
}

static enum err_code
take_book(struct ratio_book *book, struct arena *arena, const json_t *root, struct err *err)
{
    static const char *const keys[] = {"format", "ratios", "note", NULL};
    const char *format = NULL;
    json_t *list = NULL;
    enum err_code code = json_is_object(root) ? json_only_keys(root, "the book", keys, err)
                                              : err_set(err, ERR_CONFIG, "the book is no object");
    if (code == ERR_OK)
        code = json_get_text(root, "the book", "format", &format, err);
    if (code == ERR_OK && strcmp(format, format_name) != 0)
        code = err_set(err, ERR_CONFIG, "\"format\" is \"%.40s\", must be \"%s\"", format,
                       format_name);
    if (code == ERR_OK)
        code = json_get_array(root, "the book", "ratios", &list, err);
    return code == ERR_OK ? take_rows(book, arena, list, err) : code;
}

enum err_code
ratio_book_read(const char *path, struct ratio_book **ret, struct err *err)
{
    struct arena arena;
    uint8_t sha256[HASH_SHA256_BYTES] = {0};
    json_t *root = NULL;
    enum err_code code = json_file_load(path, &root, sha256, err);
    if (code != ERR_OK && code != ERR_NOT_FOUND)
        return code;
    arena_init(&arena, BOOK_BYTES_MAX);
    struct ratio_book *book = arena_alloc(&arena, sizeof *book);
    if (book == NULL) {
        json_decref(root);
        return err_set(err, ERR_LIMIT, "no memory for the ratio book");
    }
    code = root == NULL ? ERR_OK : take_book(book, &arena, root, err);
    json_decref(root);
    if (code != ERR_OK) {
        arena_clear(&arena);
        return err_wrap(err, code, "%s", path);
    }
    memcpy(book->sha256, sha256, sizeof sha256);
    book->arena = arena; /* moved: nothing is allocated from here on */
    *ret = book;
    return ERR_OK;
}

enum err_code
ratio_book_load(const char *data_directory, struct ratio_book **ret, struct err *err)
{
    char path[FILE_PATH_BYTES_MAX];
    enum err_code code = file_path(path, data_directory, RATIO_FILE_NAME, err);
    return code == ERR_OK ? ratio_book_read(path, ret, err) : code;
}

void
ratio_book_free(struct ratio_book *book)
{
    if (book == NULL)
        return;
    struct arena arena = book->arena; /* the book lies in it */
    arena_clear(&arena);
}

static int
take_chunk(const char *chunk, size_t size_bytes, void *text)
{
    return buf_append(text, chunk, size_bytes) ? 0 : -1;
}

static bool
put_row(struct buf *text, const struct ratio *r)
{
    char recorded[TIME_TEXT_BYTES], from[TIME_TEXT_BYTES], to[TIME_TEXT_BYTES];
    time_format_ms(r->recorded_ms, recorded);
    time_format_ms(r->from_ms, from);
    time_format_ms(r->to_ms, to);
    json_t *row = json_pack("{s:s%, s:s%, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I}", "provider",
                            r->provider.data, r->provider.size_bytes, "model", r->model.data,
                            r->model.size_bytes, "side", ratio_side_name(r->side), "recorded",
                            recorded, "from", from, "to", to, "calls", (json_int_t)r->calls,
                            "bytes", (json_int_t)r->bytes, "tokens", (json_int_t)r->tokens,
                            "errorPerMille", (json_int_t)r->error_per_mille);
    bool ok = row != NULL && json_dump_callback(row, take_chunk, text, 0) == 0;
    json_decref(row);
    return ok;
}

/* One row on one line, so that a diff shows what was learned. */
enum err_code
ratio_book_write(const struct ratio_book *book, const struct ratio *more, size_t more_count,
                 struct buf *text, struct err *err)
{
    size_t count = book->count + more_count;
    if (count > RATIO_ROWS_MAX)
        return err_set(err, ERR_LIMIT,
                       "the ratio book would have %zu rows, at most %d are taken; learn less often",
                       count, RATIO_ROWS_MAX);
    struct ratio *rows = calloc(count + 1, sizeof *rows);
    if (rows == NULL)
        return err_set(err, ERR_LIMIT, "no memory for %zu rows", count);
    if (book->count > 0)
        memcpy(rows, book->rows, book->count * sizeof *rows);
    if (more_count > 0)
        memcpy(rows + book->count, more, more_count * sizeof *rows);
    qsort(rows, count, sizeof *rows, by_key);
    bool ok = buf_printf(text, "{\"format\": \"%s\",\n \"ratios\": [", format_name);
    for (size_t i = 0; ok && i < count; i++)
        ok = buf_printf(text, "%s\n  ", i > 0 ? "," : "") && put_row(text, &rows[i]);
    ok = ok && buf_printf(text, "]}\n");
    free(rows);
    return ok ? ERR_OK : err_set(err, ERR_LIMIT, "the ratio book would be too long");
}
