/*
 * ratio_book_read() on any bytes: refused with one line, or a book that can be asked and
 * that reads back as it was written.
 */
#include <assert.h>
#include <string.h>

#include "rollup/price/ratio.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/memory_file.h"

static void
ask(const struct ratio_book *book)
{
    for (size_t i = 0; i < book->count; i++) {
        const struct ratio *r = &book->rows[i];
        uint64_t tokens;
        assert(ratio_find(book, r->provider, r->model, r->side, r->recorded_ms) == r);
        assert(!ratio_tokens(r, EVENT_COUNT_MAX, &tokens) || tokens > 0);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    struct memory_file f = memory_file_make(data, size_bytes);
    struct ratio_book *book = NULL, *again = NULL;
    struct buf text;
    struct err err;
    buf_init(&text, 64 << 20);
    if (ratio_book_read(f.path, &book, &err) == ERR_OK) {
        ask(book);
        assert(ratio_book_write(book, NULL, 0, &text, &err) == ERR_OK);
        struct memory_file g = memory_file_make(text.data, text.size_bytes);
        assert(ratio_book_read(g.path, &again, &err) == ERR_OK);
        assert(again->count == book->count);
        for (size_t i = 0; i < book->count; i++) {
            const struct ratio *a = &book->rows[i], *b = &again->rows[i];
            assert(str_equal(a->provider, b->provider) && str_equal(a->model, b->model));
            assert(a->side == b->side && a->recorded_ms == b->recorded_ms);
            assert(a->bytes == b->bytes && a->tokens == b->tokens && a->calls == b->calls);
        }
        memory_file_close(&g);
    } else {
        assert(strpbrk(err.text, "\n\t") == NULL);
    }
    ratio_book_free(again);
    ratio_book_free(book);
    buf_clear(&text);
    memory_file_close(&f);
    return 0;
}
