/*
 * Any text, cut and encoded by every rule: counting gives as many tokens as encoding, and decoding the
 * text again (with U+FFFD for what is no UTF-8).  The vocabulary has merges of some English and of runs.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/base/base64.h"
#include "store/base/hash.h"
#include "store/tokens/compile.h"
#include "store/tokens/tokens.h"
#include "tests/fuzz/fuzz.h"

static struct encodings encodings;
static struct tokens_work work;

static size_t
add_line(char *ranks, size_t room, const char *text, size_t size_bytes, unsigned id)
{
    char base64[64];
    base64_encode((struct bytes){(const uint8_t *)text, size_bytes}, base64);
    return (size_t)snprintf(ranks, room, "%s %u\n", base64, id);
}

static void
write_text(const char *path, const char *text)
{
    FILE *out = fopen(path, "w");
    if (out == NULL || fputs(text, out) < 0 || fclose(out) != 0)
        abort();
}

/* In a directory of its own, gone before the first input. */
static void
make_encodings(void)
{
    static const char *const merges[] = {"th",   "the", " t",   " the",     "in",
                                         "ing",  "==",  "====", "  ",       "    ",
                                         "\n\n", "aa",  "aaa",  "\xef\xbf", "\xef\xbf\xbd"};
    static char ranks[16384], book[1024];
    char directory[] = "/tmp/gbill-fuzz-XXXXXX", paths[3][64], hex[HASH_SHA256_TEXT_BYTES];
    uint8_t digest[HASH_SHA256_BYTES];
    struct err err;
    size_t size = 0;
    unsigned id = 0;
    if (mkdtemp(directory) == NULL)
        abort();
    for (; id < 256; id++)
        size += add_line(ranks + size, sizeof ranks - size, &(char){(char)id}, 1, id);
    for (size_t i = 0; i < sizeof merges / sizeof merges[0]; i++)
        size += add_line(ranks + size, sizeof ranks - size, merges[i], strlen(merges[i]), id++);
    hash_sha256(&(struct bytes){(const uint8_t *)ranks, size}, 1, digest);
    hash_hex(digest, sizeof digest, hex);
    snprintf(
        book, sizeof book,
        "{\"ranks\": {\"r\": \"%s\"}, \"models\": [], \"encodings\": ["
        "{\"name\": \"a\", \"ranks\": \"r\", \"split\": \"gpt2\", \"special\": {\"<|x|>\": 9000}},"
        "{\"name\": \"b\", \"ranks\": \"r\", \"split\": \"cl100k\"},"
        "{\"name\": \"c\", \"ranks\": \"r\", \"split\": \"o200k\"}]}",
        hex);
    snprintf(paths[0], sizeof paths[0], "%s/r.tiktoken", directory);
    snprintf(paths[1], sizeof paths[1], "%s/book.json", directory);
    snprintf(paths[2], sizeof paths[2], "%s/encodings.bin", directory);
    write_text(paths[0], ranks);
    write_text(paths[1], book);
    if (compile_encodings(directory, paths[1], GBILL_SCHEMAS_DIR "/unicode.txt", paths[2], &err) !=
            ERR_OK ||
        encodings_open(&encodings, paths[2], &err) != ERR_OK)
        abort();
    for (size_t i = 0; i < 3; i++)
        unlink(paths[i]);
    rmdir(directory);
    tokens_work_init(&work);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"a", "b", "c"};
    struct bytes text = {data, size};
    struct err err;
    if (encodings.map == NULL)
        make_encodings();
    for (size_t i = 0; i < 3; i++) {
        const struct encoding *encoding;
        uint64_t count = 0;
        struct list ids;
        struct buf back;
        list_init(&ids, sizeof(uint32_t));
        buf_init(&back, 4 * size + 64);
        work.repaired.size_bytes = 0;
        assert(encodings_find(&encodings, str_of(names[i]), &encoding, &err) == ERR_OK);
        assert(tokens_encode(encoding, &work, text, TOKENS_SPECIAL_ALLOW, &ids, &err) == ERR_OK);
        assert(tokens_count(encoding, &work, text, TOKENS_SPECIAL_ALLOW, &count, &err) == ERR_OK);
        assert(count == ids.count);
        assert(tokens_decode(encoding, ids.items, ids.count, &back, &err) == ERR_OK);
        struct bytes want = text;
        if (work.repaired.size_bytes > 0)
            want = (struct bytes){work.repaired.data, work.repaired.size_bytes};
        assert(back.size_bytes == want.size_bytes &&
               (want.size_bytes == 0 || memcmp(back.data, want.data, want.size_bytes) == 0));
        list_clear(&ids);
        buf_clear(&back);
    }
    return 0;
}
