/*
 * tokens_probe - encode many texts at once: for tokens_judge.mjs.
 *
 *   tokens_probe ENCODINGS NAME <texts >ids
 *
 * In: for each text its size in bytes (32 bits, little-endian) and its bytes.  Out: for each the number
 * of its tokens and their ids (32 bits each); counting must give the same number, decoding the text.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/tokens/tokens.h"

static void
check(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "tokens_probe: %s\n", what);
        exit(1);
    }
}

int
main(int argc, char **argv)
{
    struct err err = {0};
    struct encodings encodings;
    const struct encoding *encoding;
    struct tokens_work work;
    struct list ids;
    struct buf text, back;
    uint32_t size;
    check(argc == 3, "usage: tokens_probe ENCODINGS NAME");
    check(encodings_open(&encodings, argv[1], &err) == ERR_OK, err.text);
    check(encodings_find(&encodings, str_of(argv[2]), &encoding, &err) == ERR_OK, err.text);
    tokens_work_init(&work);
    list_init(&ids, sizeof(uint32_t));
    buf_init(&text, TOKENS_TEXT_BYTES_MAX);
    buf_init(&back, 4u * (size_t)TOKENS_TEXT_BYTES_MAX);
    while (fread(&size, sizeof size, 1, stdin) == 1) {
        uint64_t count = 0;
        text.size_bytes = back.size_bytes = ids.count = 0;
        check(buf_reserve(&text, size), "no memory");
        check(size == 0 || fread(text.data, size, 1, stdin) == 1, "the input is cut short");
        struct bytes t = {text.data, size};
        check(tokens_encode(encoding, &work, t, TOKENS_SPECIAL_TEXT, &ids, &err) == ERR_OK,
              err.text);
        check(tokens_count(encoding, &work, t, TOKENS_SPECIAL_TEXT, &count, &err) == ERR_OK,
              err.text);
        check(count == ids.count, "counted is not encoded");
        check(tokens_decode(encoding, ids.items, ids.count, &back, &err) == ERR_OK, err.text);
        if (work.repaired.size_bytes == 0)
            check(back.size_bytes == size && (size == 0 || memcmp(back.data, text.data, size) == 0),
                  "decoded is not the text");
        work.repaired.size_bytes = 0;
        size = (uint32_t)ids.count;
        fwrite(&size, sizeof size, 1, stdout);
        fwrite(ids.items, sizeof(uint32_t), ids.count, stdout);
    }
    check(fflush(stdout) == 0, "cannot write");
    tokens_work_clear(&work);
    list_clear(&ids);
    buf_clear(&text);
    buf_clear(&back);
    encodings_close(&encodings);
    return 0;
}
