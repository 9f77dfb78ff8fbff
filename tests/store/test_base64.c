#include <criterion/criterion.h>
#include <string.h>

#include "store/base/base64.h"
#include "store/base/hash.h"

/* RFC 4648, section 10. */
Test(store_base64, the_standards_examples)
{
    static const char *const cases[][2] = {{"", ""},
                                           {"f", "Zg=="},
                                           {"fo", "Zm8="},
                                           {"foo", "Zm9v"},
                                           {"foob", "Zm9vYg=="},
                                           {"fooba", "Zm9vYmE="},
                                           {"foobar", "Zm9vYmFy"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[16];
        unsigned char back[16];
        size_t bytes;
        struct str plain = str_of(cases[i][0]);
        base64_encode((struct bytes){(const uint8_t *)plain.data, plain.size_bytes}, text);
        cr_expect_str_eq(text, cases[i][1]);
        cr_assert(base64_decode(str_of(text), back, sizeof back, &bytes));
        cr_expect_eq(bytes, plain.size_bytes);
        cr_expect_eq(memcmp(back, plain.data, bytes), 0);
    }
}

Test(store_base64, every_byte_comes_back_and_room_is_kept)
{
    uint8_t all[256];
    char text[400];
    unsigned char back[256];
    size_t bytes;
    for (int i = 0; i < 256; i++)
        all[i] = (uint8_t)i;
    for (size_t n = 0; n <= sizeof all; n++) {
        base64_encode((struct bytes){all, n}, text);
        cr_assert_eq(strlen(text), base64_text_bytes(n));
        cr_assert(base64_decode(str_of(text), back, n, &bytes));
        cr_assert_eq(bytes, n);
        cr_assert_eq(memcmp(all, back, n), 0);
        cr_assert(n == 0 || !base64_decode(str_of(text), back, n - 1, &bytes));
    }
}

Test(store_base64, what_is_no_base64_is_refused)
{
    static const char *const bad[] = {"Z",    "Zg",     "Zg=",      "Zg===", "=",
                                      "====", "Z===",   "Zg==Zg==", "Zh==",  "Zm9=",
                                      "Zm 9", "Zm9v\n", "Zm-v",     "Zg=a"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        unsigned char back[16];
        size_t bytes;
        cr_expect_not(base64_decode(str_of(bad[i]), back, sizeof back, &bytes), "%s", bad[i]);
    }
}

/* RFC 4231, test cases 1, 2 and 6 (a key longer than a block). */
Test(store_hash, hmac_gives_the_standards_examples)
{
    uint8_t ones[20], longer[131], digest[HASH_SHA256_BYTES];
    char hex[HASH_SHA256_TEXT_BYTES];
    memset(ones, 0x0b, sizeof ones);
    memset(longer, 0xaa, sizeof longer);
    const struct {
        struct bytes key;
        const char *data, *want;
    } cases[] = {
        {{ones, sizeof ones},
         "Hi There",
         "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
        {{(const uint8_t *)"Jefe", 4},
         "what do ya want for nothing?",
         "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
        {{longer, sizeof longer},
         "Test Using Larger Than Block-Size Key - Hash Key First",
         "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const uint8_t *data = (const uint8_t *)cases[i].data;
        const struct bytes parts[] = {{data, 3}, {data + 3, strlen(cases[i].data) - 3}};
        hash_hmac_sha256(cases[i].key, parts, 2, digest);
        hash_hex(digest, sizeof digest, hex);
        cr_expect_str_eq(hex, cases[i].want);
    }
}
