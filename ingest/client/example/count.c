/*
 * count.c - how many tokens a text is to a model, encoded and decoded to be sure.
 *
 *     cc -o count count.c $(pkg-config --cflags --libs gbill)
 *     ./count MODEL <TEXT
 *
 * Compiles as C and as C++.
 */
#include <gbill_tokens.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_BYTES_MAX = 1000000 };

static int
say(const struct gbill_err *err)
{
    fprintf(stderr, "count: %s\n", err->text);
    return (int)err->code;
}

int
main(int argc, char **argv)
{
    static char text[TEXT_BYTES_MAX], back[3 * TEXT_BYTES_MAX];
    static uint32_t ids[3 * TEXT_BYTES_MAX];
    struct gbill_tokens *tokens;
    struct gbill_err err;
    uint64_t count, encoded, size;
    if (argc != 2) {
        fputs("usage: count MODEL <TEXT\n", stderr);
        return 2;
    }
    size_t bytes = fread(text, 1, sizeof text, stdin);
    if (gbill_tokens_open(&tokens, NULL, &err) != GBILL_OK)
        return say(&err);
    if (gbill_tokens_count(tokens, argv[1], text, bytes, GBILL_SPECIAL_TEXT, &count, &err) !=
            GBILL_OK ||
        gbill_tokens_encode(tokens, argv[1], text, bytes, GBILL_SPECIAL_TEXT, ids,
                            3 * TEXT_BYTES_MAX, &encoded, &err) != GBILL_OK ||
        gbill_tokens_decode(tokens, argv[1], ids, (size_t)encoded, back, sizeof back, &size,
                            &err) != GBILL_OK) {
        gbill_tokens_close(tokens);
        return say(&err);
    }
    gbill_tokens_close(tokens);
    if (encoded != count || size != bytes || memcmp(text, back, bytes) != 0) {
        fputs("count: encoded and decoded, it is another text\n", stderr); /* it is no UTF-8 */
        return 4;
    }
    printf("%llu\n", (unsigned long long)count);
    return 0;
}
