/*
 * store/base/bytes.h - borrowed spans of memory and fixed-width integers in it.
 *
 * A span owns nothing.  "be" is the form of table keys (they sort as numbers),
 * "le" the form of frame headers and row values.
 */
#ifndef STORE_BASE_BYTES_H
#define STORE_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct bytes {
    const uint8_t *data;
    size_t size_bytes;
};

/* Text, not NUL-terminated.  Empty: size_bytes 0, data may be NULL. */
struct str {
    const char *data;
    size_t size_bytes;
};

static inline struct str
str_of(const char *nul_terminated)
{
    return (struct str){nul_terminated, strlen(nul_terminated)};
}

/* Equal first and last halves that may overlap: the bytes a call of memcmp() would compare. */
static inline bool
bytes_equal_ends(const char *a, const char *b, size_t size_bytes, size_t half_bytes)
{
    uint64_t a1 = 0, b1 = 0, a2 = 0, b2 = 0;
    memcpy(&a1, a, half_bytes);
    memcpy(&b1, b, half_bytes);
    memcpy(&a2, a + size_bytes - half_bytes, half_bytes);
    memcpy(&b2, b + size_bytes - half_bytes, half_bytes);
    return a1 == b1 && a2 == b2;
}

/* Are size_bytes bytes equal?  In place for the short ones, which nearly all names and ids are. */
static inline bool
bytes_equal(const char *a, const char *b, size_t size_bytes)
{
    if (size_bytes >= 8 && size_bytes <= 16)
        return bytes_equal_ends(a, b, size_bytes, 8);
    if (size_bytes >= 4 && size_bytes < 8)
        return bytes_equal_ends(a, b, size_bytes, 4);
    if (size_bytes >= 2 && size_bytes < 4)
        return bytes_equal_ends(a, b, size_bytes, 2);
    return size_bytes == 0 || memcmp(a, b, size_bytes) == 0;
}

static inline bool
str_equal(struct str a, struct str b)
{
    size_t n = a.size_bytes;
    if (n != b.size_bytes)
        return false;
    if (n > 16 && n <= 32)
        return bytes_equal_ends(a.data, b.data, 16, 8) &&
               bytes_equal_ends(a.data + n - 16, b.data + n - 16, 16, 8);
    return bytes_equal(a.data, b.data, n);
}

/* As memcmp(), a prefix before what goes on: the order of bytes. */
static inline int
str_compare(struct str a, struct str b)
{
    size_t n = a.size_bytes < b.size_bytes ? a.size_bytes : b.size_bytes;
    int order = n > 0 ? memcmp(a.data, b.data, n) : 0;
    return order != 0 ? order : (a.size_bytes > b.size_bytes) - (a.size_bytes < b.size_bytes);
}

static inline bool
str_is(struct str a, const char *nul_terminated)
{
    size_t n = strlen(nul_terminated);
    return a.size_bytes == n && bytes_equal(a.data, nul_terminated, n);
}

/* Arguments for "%.*s". */
#define STR_ARG(s) (int)(s).size_bytes, ((s).data != NULL ? (s).data : "")

static inline void
put_be16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static inline void
put_be32(uint8_t *p, uint32_t v)
{
    v = __builtin_bswap32(v);
    memcpy(p, &v, sizeof v);
}

static inline void
put_be64(uint8_t *p, uint64_t v)
{
    v = __builtin_bswap64(v);
    memcpy(p, &v, sizeof v);
}

static inline uint16_t
get_be16(const uint8_t *p)
{
    return (uint16_t)((p[0] << 8) | p[1]);
}

static inline uint32_t
get_be32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return __builtin_bswap32(v);
}

static inline uint64_t
get_be64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return __builtin_bswap64(v);
}

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "gbill's row values are little-endian; this machine is not"
#endif

static inline void
put_le32(uint8_t *p, uint32_t v)
{
    memcpy(p, &v, sizeof v);
}

static inline void
put_le64(uint8_t *p, uint64_t v)
{
    memcpy(p, &v, sizeof v);
}

static inline uint32_t
get_le32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline uint64_t
get_le64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

#endif
