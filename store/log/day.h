/*
 * store/log/day.h - one day file: an LMDB environment with the frames of one UTC
 * day of receipt.  Private to store/log.
 *
 * It has two forms.  YYYY-MM-DD.mdb is appended to by the writer.  A day that is
 * closed may be sealed (seal.h): YYYY-MM-DD.sealed.mdb holds blocks, and is never
 * written again, so it is opened without LMDB's lock file.  Where both are there,
 * the sealed one is whole and the other is about to go.
 *
 * Databases: "events" and "quarantine" (first sequence number, native u64 ->
 * frame) and "meta" ("identity" -> 32 bytes, "start" -> for each stream the
 * sequence number and the chain that the day begins with; of a sealed day also "end";
 * "sum" -> a checksum of these).
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
#include "store/log/frame.h"
#include "store/log/writer.h"

/* What a sealed day says of a stream: its end, and what it was made of. */
struct day_end {
    struct day_tip tip;
    uint64_t frames, raw_bytes;
};

struct day_env;

struct day {
    MDB_env *env; /* NULL: not open */
    struct day_env *shared;
    MDB_dbi streams[LOG_STREAMS], meta;
    int32_t number; /* days since 1970-01-01 */
    bool sealed;
    struct day_end end[LOG_STREAMS]; /* of a sealed day */
    uint8_t identity[HASH_SHA256_BYTES];
    struct day_tip start[LOG_STREAMS];
    char path[FILE_PATH_BYTES_MAX];
};

/*
 * Open an existing day file, the sealed one if there is one.
 *
 *   write  open for appending; a sealed day is opened for reading all the same
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

/*
 * Begin a sealed day's file under another name.
 *
 *   path     of the new file, which must not be there
 *   ret_txn  in which it is begun; whoever commits it may go on in others
 *
 * Nothing is flushed before day_end_sealed().
 */
enum err_code day_begin_sealed(struct day *day, const char *path, const struct day *from,
                               MDB_txn **ret_txn, struct err *err) ERR_MUST_CHECK;

/*
 * Write where the streams of a sealed day end, commit, and flush the file.
 *
 *   txn  taken
 */
enum err_code day_end_sealed(struct day *day, MDB_txn *txn, const struct day_end end[LOG_STREAMS],
                             struct err *err) ERR_MUST_CHECK;

/*
 * Hold the newest state of a day file as it is, though the writer goes on: its pages
 * are not used again until day_close().  Nothing of the file is looked at but its
 * first two pages.
 *
 *   ret_pin  the transaction that is held; mdb_txn_abort() it before day_close()
 *
 * Errors: as day_open().
 */
enum err_code day_pin(struct day *day, const char *directory, int32_t number, MDB_txn **ret_pin,
                      struct err *err) ERR_MUST_CHECK;

/* The checksum of a day's meta. */
uint64_t day_meta_sum(const struct day *day);

/* The names of a day's two forms in a log directory. */
enum err_code day_path(char path[FILE_PATH_BYTES_MAX], const char *directory, int32_t number,
                       bool sealed, struct err *err) ERR_MUST_CHECK;

/* Closing a closed day is fine. */
void day_close(struct day *day);

/*
 * Where both streams of this day end, at one moment.  Errors: ERR_CORRUPT when a
 * last frame cannot be read, ERR_IO.
 */
enum err_code day_tips_read(const struct day *day, struct day_tip ret[LOG_STREAMS],
                            struct err *err) ERR_MUST_CHECK;

/* Does a frame, as stored, go on at the tip?  Then move it. */
bool day_tip_go_on(struct day_tip *tip, struct frame_codec *codec, struct bytes frame);

/* How many frames a stream of this day came in, whatever form they have now.  ERR_IO. */
enum err_code day_frames(const struct day *day, enum log_stream stream, uint64_t *ret,
                         struct err *err) ERR_MUST_CHECK;

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
