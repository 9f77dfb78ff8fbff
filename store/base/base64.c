#include "store/base/base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void
base64_encode(struct bytes data, char *text)
{
    for (size_t i = 0; i < data.size_bytes; i += 3) {
        size_t left = data.size_bytes - i;
        unsigned three = (unsigned)data.data[i] << 16;
        if (left > 1)
            three |= (unsigned)data.data[i + 1] << 8;
        if (left > 2)
            three |= data.data[i + 2];
        *text++ = alphabet[three >> 18];
        *text++ = alphabet[three >> 12 & 63];
        *text++ = left > 1 ? alphabet[three >> 6 & 63] : '=';
        *text++ = left > 2 ? alphabet[three & 63] : '=';
    }
    *text = '\0';
}

/* -1 for a character that is none of the alphabet. */
static int
digit_of(char c)
{
    const char *at = c == '\0' ? NULL : strchr(alphabet, c);
    return at == NULL ? -1 : (int)(at - alphabet);
}

bool
base64_decode(struct str text, unsigned char *data, size_t room_bytes, size_t *ret_bytes)
{
    size_t n = text.size_bytes, digits = n, out = 0;
    unsigned bits = 0;
    if (n % 4 != 0)
        return false;
    while (digits > 0 && n - digits < 2 && text.data[digits - 1] == '=')
        digits--;
    for (size_t i = 0; i < digits; i++) {
        int digit = digit_of(text.data[i]);
        if (digit < 0)
            return false;
        bits = bits << 6 | (unsigned)digit;
        if (i % 4 == 0)
            continue;
        if (out == room_bytes)
            return false;
        data[out++] = (unsigned char)(bits >> (6 - 2 * (i % 4)));
    }
    /* Bits that belong to no byte must be 0: one text for one value. */
    if (digits % 4 > 1 && (bits & ((1u << (2 * (4 - digits % 4))) - 1)) != 0)
        return false;
    *ret_bytes = out;
    return true;
}
