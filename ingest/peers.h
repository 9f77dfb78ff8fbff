/*
 * ingest/peers.h - who may send, for which organizations, and how fast.
 *
 * The rules are a file of lines (schemas/peers.md).  Without one everybody whom
 * the socket's mode, or the shared key, lets in may write for every organization.
 * With one, whoever it does not name is turned away.
 *
 * A peer is one uid, or one host over TCP, with all its connections: they share
 * its quota.  A peer over its quota is not read until it has tokens again; it is
 * never closed for that, and nothing of it is dropped.  One thread.
 */
#ifndef INGEST_PEERS_H
#define INGEST_PEERS_H

#include <stdbool.h>
#include <stdint.h>

#include "ingest/conn.h"
#include "store/base/bytes.h"
#include "store/base/err.h"

enum {
    PEERS_RULES_MAX = 4096,
    PEERS_FILE_BYTES_MAX = 1024 * 1024,
    PEERS_NAME_BYTES = 72, /* "host=" and the longest hostname */
};

/* The uid that is stored for what came over TCP: no process has it. */
#define PEERS_NO_UID UINT32_MAX

#define PEERS_QUOTA_MAX 1000000000 /* events per second */

struct peer_rule {
    bool is_host;     /* else a uid */
    bool is_any;      /* "*" */
    uint32_t uid;     /* unless is_host or is_any */
    struct str host;  /* if is_host and not is_any */
    int line;         /* of the file */
    struct str *orgs; /* sorted; NULL: every organization */
    size_t org_count;
    int64_t quota_per_s; /* events; 0: no quota */
    struct bytes key;    /* a host's own shared key; empty: the listener's */
};

struct peer {
    char name[PEERS_NAME_BYTES];  /* "uid=1000", "host=edge1": for lines in the journal */
    uint32_t uid;                 /* or PEERS_NO_UID */
    const struct peer_rule *rule; /* NULL: no rules, no bounds */
    uint32_t conn_count;
    int64_t milli_tokens;      /* thousandths of an event that may come; below 0: not read */
    int64_t counted_ms;        /* monotonic: when they were right */
    struct conn_queue resting; /* those of its connections that are not read */
    struct peer *next;
};

/* All zero: no rules. */
struct peers {
    const char *path; /* borrowed; NULL: no rules */
    struct bytes text;
    struct peer_rule *rules;
    size_t rule_count;
    bool has_quotas; /* any rule has one */
    struct peer *all;
};

/*
 * Read the rules.
 *
 *   path  NULL: none
 *
 * peers_close() it, also after an error.  Errors: ERR_CONFIG with file, line and
 * what is wrong; those of reading the file and the keys it names.
 */
enum err_code peers_open(struct peers *peers, const char *path, struct err *err) ERR_MUST_CHECK;

/* After the last connection has gone. */
void peers_close(struct peers *peers);

/* The rule of a host, or NULL when the file does not name it. */
const struct peer_rule *peers_host_rule(const struct peers *peers, struct str host);

/*
 * Join: one connection more of a uid, or of a host that has shown its key.
 *
 * Returns the peer, or NULL with *ret_reason: a fixed text.
 */
struct peer *peers_join_uid(struct peers *peers, uint32_t uid, int64_t now_ms,
                            const char **ret_reason);
struct peer *peers_join_host(struct peers *peers, struct str host, int64_t now_ms,
                             const char **ret_reason);
void peers_leave(struct peer *peer);

/* May it write for this organization?  rule NULL: yes. */
bool peers_may_write(const struct peer_rule *rule, struct str organization);

/* Take tokens for events that came; false when it owes some now and must rest. */
bool peers_charge(struct peer *peer, uint64_t event_count, int64_t now_ms);

/* When it will have tokens again; now_ms or earlier: it has. */
int64_t peers_ready_ms(const struct peer *peer);

#endif
