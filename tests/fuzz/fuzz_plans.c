/*
 * plan_book_load() on any bytes: refused with one line, or a book that can be asked.
 */
#include <assert.h>
#include <string.h>

#include "billing/plan/plan.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/memory_file.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    struct memory_file f = memory_file_make(data, size_bytes);
    struct plan_book *book = NULL;
    struct err err;
    if (plan_book_load(f.path, &book, &err) == ERR_OK) {
        assert(book != NULL);
        (void)plan_find(book, str_of("free"));
        plan_book_free(book);
    } else {
        assert(strpbrk(err.text, "\n\t") == NULL);
    }
    memory_file_close(&f);
    return 0;
}
