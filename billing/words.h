/*
 * billing/words.h - short texts for people, built piece by piece in a fixed
 * buffer: reasons of limits, descriptions of invoice lines.
 */
#ifndef BILLING_WORDS_H
#define BILLING_WORDS_H

#include <stddef.h>
#include <stdint.h>

#include "store/base/bytes.h"

/* What does not fit is cut off, between two characters of UTF-8. */
struct words {
    char *text; /* the caller's; always NUL-terminated */
    size_t used_bytes, room_bytes;
};

struct words words_of(char *text, size_t room_bytes);

void words_add(struct words *words, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* "1,234,567" */
void words_add_count(struct words *words, uint64_t count);

/* "-1,234,567.89" of "-1234567.89"; at most 48 digits before the point. */
void words_add_decimal(struct words *words, const char *decimal);

/* words_add_count(), or "unlimited" for LIMIT_UNLIMITED. */
void words_add_limit(struct words *words, uint64_t limit);

/* A day ("2026-11-01") where utc_ms begins one, else the instant to the second. */
void words_add_time(struct words *words, int64_t utc_ms);

struct str words_str(const struct words *words);

#endif
