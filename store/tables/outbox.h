/*
 * store/tables/outbox.h - messages that are to leave, and what became of them.
 *
 * An entry is put in the transaction that makes what it tells of, so there is
 * never one without the other.  Delivery is at least once: an entry is marked sent
 * after the receiver has answered, and a crash between the two sends it again, under
 * the same key.  Which address an entry goes to is looked up when it is sent, by the
 * destination's name, so that no secret lies in tables.mdb.
 */
#ifndef STORE_TABLES_OUTBOX_H
#define STORE_TABLES_OUTBOX_H

#include "store/tables/alert.h"
#include "store/tables/spike.h"

#define OUTBOX_STATES(X)  \
    X(WAITING, "waiting") \
    X(SENT, "sent")       \
    X(DEAD, "dead") /* given up: gbill outbox retry */

enum outbox_state {
#define OUTBOX_ENUM(name, text) OUTBOX_##name,
    OUTBOX_STATES(OUTBOX_ENUM)
#undef OUTBOX_ENUM
        OUTBOX_STATE_COUNT
};

enum outbox_kind { OUTBOX_ALERT, OUTBOX_SPIKE };

enum { OUTBOX_DESTINATION_BYTES_MAX = 64, OUTBOX_RESULT_BYTES_MAX = 255, OUTBOX_KEY_BYTES = 37 };

struct outbox_entry {
    uint64_t id; /* 1, 2, 3 …; never used again */
    enum outbox_state state;
    uint32_t attempts;
    int64_t created_ms;
    int64_t since_ms; /* the time that it may be tried for counts from here */
    int64_t due_ms;   /* WAITING: not before this */
    int64_t done_ms;  /* SENT, DEAD: since when; else 0 */
    /* What it tells of. */
    enum outbox_kind kind;
    uint32_t organization; /* dictionary */
    int32_t month;         /* of an OUTBOX_ALERT, with its number */
    uint32_t alert;
    uint32_t found_hour; /* of an OUTBOX_SPIKE, with its subject */
    struct spike_subject subject;
    char destination[OUTBOX_DESTINATION_BYTES_MAX + 1]; /* its name in the settings */
    char result[OUTBOX_RESULT_BYTES_MAX + 1]; /* what came of the last attempt, in words */
};

const char *outbox_state_name(enum outbox_state state);

/* The id of what an entry tells of: alert_id() or spike_id(). */
enum { OUTBOX_ABOUT_BYTES = 33 };
void outbox_about(struct tables_txn *txn, const struct outbox_entry *entry,
                  char id[OUTBOX_ABOUT_BYTES]);

/*
 * The key under which the receiver can tell a copy: a function of what is told and the
 * destination, the same at every attempt.  "msg_" and 32 hexadecimal digits.
 *
 *   about  as outbox_about() has it
 */
void outbox_key(const char about[OUTBOX_ABOUT_BYTES], const char *destination,
                char key[OUTBOX_KEY_BYTES]);

/* Put a new entry, WAITING; its id is given. */
enum err_code outbox_add(struct tables_txn *txn, struct outbox_entry *entry,
                         struct err *err) ERR_MUST_CHECK;

bool outbox_get(struct tables_txn *txn, uint64_t id, struct outbox_entry *ret);

/* Store a changed entry that is there. */
enum err_code outbox_change(struct tables_txn *txn, const struct outbox_entry *entry,
                            struct err *err) ERR_MUST_CHECK;

/* Forget one, whatever its state. */
enum err_code outbox_forget(struct tables_txn *txn, uint64_t id, struct err *err) ERR_MUST_CHECK;

/* Walk the waiting entries by rising due time; those that are due at now_ms only. */
struct outbox_due_scan {
    uint64_t id;
    int64_t due_ms;
    struct tables_scan scan;
};

void outbox_due_begin(struct outbox_due_scan *scan, struct tables_txn *txn);
bool outbox_due_next(struct outbox_due_scan *scan, int64_t now_ms);
void outbox_due_end(struct outbox_due_scan *scan);

/* Walk all entries by rising id. */
struct outbox_scan {
    struct outbox_entry row;
    struct tables_scan scan;
};

void outbox_scan_begin(struct outbox_scan *scan, struct tables_txn *txn);
bool outbox_scan_next(struct outbox_scan *scan);
void outbox_scan_end(struct outbox_scan *scan);

#endif
