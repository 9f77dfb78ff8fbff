/*
 * store/log/day.h - one day file: an LMDB environment with the frames of one UTC
 * day of receipt.  Private to store/log.
 *
 * Databases: "events" and "quarantine" (first sequence number, native u64 ->
 * frame) and "meta" ("identity" -> 32 bytes, "start" -> for each stream the
 * sequence number and the chain that the day begins with).
 *
 * LMDB forbids opening a file twice in one process (closing one would drop the
 * other's locks and reader slots), so every struct day of one file shares one
 * environment, counted in a list of the process.
 */
#ifndef STORE_LOG_DAY_H
#define STORE_LOG_DAY_H

#include <lmdb.h>

#include "store/base/err.h"
#include "store/base/file.h"
#include "store/base/hash.h"
#include "store/log/writer.h"

/* Where a stream stands: the next number, and the chain to go on from. */
struct day_tip {
    uint64_t next_seq;
    uint8_t chain[HASH_SHA256_BYTES];
};

struct day_env;

struct day {
    MDB_env *env; /* NULL: not open */
    struct day_env *shared;
    MDB_dbi streams[LOG_STREAMS], meta;
    int32_t number; /* days since 1970-01-01 */
    uint8_t identity[HASH_SHA256_BYTES];
    struct day_tip start[LOG_STREAMS];
    char path[FILE_PATH_BYTES_MAX];
};

/*
 * Open an existing day file.
 *
 *   write  open for appending
 *
 * Errors: ERR_NOT_FOUND also when the file has no meta; ERR_DENIED, ERR_IO;
 * ERR_CORRUPT.  day is then closed.
 */
enum err_code day_open(struct day *day, const char *directory, int32_t number, bool write,
                       struct err *err) ERR_MUST_CHECK;

/*
 * Make a day file that begins at start and open it for appending.  It is there whole
 * and durably, its directory entry too, or not at all.  Errors: ERR_FULL, ERR_DENIED,
 * ERR_IO.
 */
enum err_code day_create(struct day *day, const char *directory, int32_t number,
                         const uint8_t identity[HASH_SHA256_BYTES],
                         const struct day_tip start[LOG_STREAMS], struct err *err) ERR_MUST_CHECK;

/*
 * LMDB maps a file into so much address space, which costs neither memory nor disk.
 * When it is full the writer doubles it, while this process has no transaction on the
 * file; readers elsewhere meet MDB_MAP_RESIZED and follow.  Each returns 0 or what
 * LMDB says.
 */
extern size_t day_map_bytes; /* of a new file; tests make it small */
int day_grow_map(struct day *day);
int day_follow_map(struct day *day);

/* Can the file grow by so many bytes now?  Tries it: quotas are not in the disk's figures. */
bool day_can_grow(const struct day *day, uint64_t bytes);

/* Closing a closed day is fine. */
void day_close(struct day *day);

/*
 * Where both streams of this day end, at one moment.  Errors: ERR_CORRUPT when a
 * last frame cannot be read, ERR_IO.
 */
enum err_code day_tips_read(const struct day *day, struct day_tip ret[LOG_STREAMS],
                            struct err *err) ERR_MUST_CHECK;

/* Does a frame, as stored, go on at the tip?  Then move it. */
bool day_tip_go_on(struct day_tip *tip, struct bytes frame);

/*
 * List a log directory's days in order.
 *
 *   ret_days  taken: free(); NULL when there are none
 */
enum err_code day_list(const char *directory, int32_t **ret_days, size_t *ret_count,
                       struct err *err) ERR_MUST_CHECK;

/* Put what LMDB says into err: ERR_FULL for ENOSPC and a full map, else as errno. */
enum err_code day_err(struct err *err, int lmdb_code, const char *path, const char *doing);

#endif
