/*
 * price_foreign_parse() and the readers of both formats: the first byte chooses one ('l' is
 * LiteLLM's), the rest is its file.  Whatever it holds, the book that comes of it must load, and
 * only add to the one before.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "rollup/price/price_diff.h"
#include "rollup/price/price_foreign.h"
#include "rollup/price/price_import.h"
#include "rollup/price/price_write.h"
#include "tests/fuzz/fuzz.h"

/* Of three names that the seeds use, so that equal, changed and new are all a step away. */
static const char book_text[] =
    "{\"format\":\"gbill-prices/1\",\"currency\":\"USD\",\"unit\":\"1000000 tokens\",\"models\":["
    "{\"provider\":\"openai\",\"model\":\"m\",\"aliases\":["
    "{\"id\":\"a\",\"from\":null,\"recorded\":\"2026-11-24\"}],\"prices\":["
    "{\"from\":null,\"recorded\":\"2026-11-24\",\"tier\":\"standard\","
    "\"rates\":{\"input\":\"2.5\",\"output\":\"10\"}},"
    "{\"from\":\"2026-08-01\",\"recorded\":\"2026-11-24\",\"tier\":\"standard\","
    "\"rates\":{\"input\":\"2\",\"output\":\"8\"},\"bands\":[{\"input_tokens\":272000,"
    "\"op\":\">\",\"scope\":\"request\",\"rates\":{\"input\":\"4\"}}],"
    "\"fees\":{\"web_search\":\"10\"},\"factors\":{\"region\":{\"us\":\"1.1\"}}},"
    "{\"from\":null,\"recorded\":\"2026-11-24\",\"tier\":\"flex\",\"rates\":{\"input\":\"1\"}}]},"
    "{\"provider\":\"openai\",\"model\":\"o\",\"overrides\":[{\"organization\":\"acme\",\"prices\":["
    "{\"from\":null,\"recorded\":\"2026-11-24\",\"tier\":\"standard\","
    "\"rates\":{\"input\":\"0.5\"}}]}]}]}";

static void
load(const void *text, size_t size_bytes, struct price_version *version)
{
    struct err err;
    char path[64];
    int fd = memfd_create("book", MFD_CLOEXEC);
    assert(fd >= 0 && write(fd, text, size_bytes) == (ssize_t)size_bytes);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    enum err_code code = price_version_load(path, version, &err);
    assert(code == ERR_OK);
    close(fd);
}

static void
count_line(void *context, const char *line)
{
    assert(strlen(line) < PRICE_IMPORT_SKIP_BYTES_MAX && strpbrk(line, "\r\n\t\033") == NULL);
    (*(size_t *)context)++;
}

static void
ignore_change(void *context, const struct price_change *change)
{
    (void)context;
    assert(memchr(change->text, '\0', sizeof change->text) != NULL);
}

static void
check_grown(const struct price_version *book, const json_t *root)
{
    struct buf text;
    struct err err;
    struct price_version grown;
    struct price_diff diff;
    buf_init(&text, PRICE_WRITE_BYTES_MAX);
    enum err_code code = price_write_text(root, &text, &err);
    assert(code == ERR_OK);
    load(text.data, text.size_bytes, &grown);
    code = price_diff_run(book, &grown, ignore_change, NULL, &diff, &err);
    assert(code == ERR_OK && diff.broken == 0);
    price_version_clear(&grown);
    buf_clear(&text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    struct price_version book;
    struct price_import_result result;
    struct err err;
    json_t *foreign = NULL;
    size_t lines = 0;
    if (size_bytes == 0 ||
        price_foreign_parse((struct bytes){data + 1, size_bytes - 1}, &foreign, &err) != ERR_OK)
        return 0;
    load(book_text, sizeof book_text - 1, &book);
    json_t *root = json_deep_copy(book.root);
    struct price_import_args args = {.format = data[0] == 'l' ? PRICE_IMPORT_LITELLM
                                                              : PRICE_IMPORT_GENAI,
                                     .foreign = foreign,
                                     .book = book.book,
                                     .root = root,
                                     .providers = "all",
                                     .recorded_ms = 1795651200000, /* 2026-11-26 */
                                     .skipped = count_line,
                                     .context = &lines};
    if (price_import_run(&args, &result, &err) == ERR_OK) {
        assert(result.lines == lines);
        check_grown(&book, root);
    }
    json_decref(root);
    json_decref(foreign);
    price_version_clear(&book);
    return 0;
}
