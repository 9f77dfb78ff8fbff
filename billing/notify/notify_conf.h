/*
 * billing/notify/notify_conf.h - who is told of alerts, and by which way: the
 * settings file.
 *
 * Its bytes: schemas/notify.md.  It holds secrets, so a file that others may read is
 * refused.  Once loaded it never changes.
 */
#ifndef BILLING_NOTIFY_NOTIFY_CONF_H
#define BILLING_NOTIFY_NOTIFY_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/base/bytes.h"
#include "store/base/conf.h"
#include "store/base/err.h"
#include "store/net/net.h"

#define CONF_ROW_NOTIFY                                                                \
    {                                                                                  \
        "notify", "GBILL_NOTIFY", CONF_TEXT, "FILE", 0, 0, NULL, false,                \
            "who is told of alerts, and how (schemas/notify.md); without it nobody is" \
    }

enum notify_kind { NOTIFY_EMAIL, NOTIFY_SLACK, NOTIFY_WEBHOOK };

enum { NOTIFY_SECRETS_MAX = 4, NOTIFY_SECRET_BYTES_MAX = 64 };

struct notify_destination {
    const char *name; /* unique among those an organization has */
    enum notify_kind kind;
    const char *address; /* of the mail box; or the URL, which is a secret */
    size_t secret_count; /* NOTIFY_WEBHOOK: 1 to NOTIFY_SECRETS_MAX */
    struct {
        uint8_t key[NOTIFY_SECRET_BYTES_MAX];
        size_t key_bytes;
    } secrets[NOTIFY_SECRETS_MAX];
};

struct notify_smtp {
    const char *host; /* NULL: no mail can be sent */
    int64_t port;
    enum net_security security;
    const char *user, *password; /* NULL: none */
    const char *from, *from_name;
};

struct notify_conf;

/*
 * Read and check the settings.
 *
 *   ret  taken: notify_conf_free()
 *
 * Errors: those of reading the file; ERR_CONFIG for anything that schemas/notify.md
 * does not allow.  No message shows a secret.
 */
enum err_code notify_conf_load(const char *path, struct notify_conf **ret,
                               struct err *err) ERR_MUST_CHECK;
void notify_conf_free(struct notify_conf *conf); /* NULL is fine */

const struct notify_smtp *notify_conf_smtp(const struct notify_conf *conf);
struct net_options notify_conf_net(const struct notify_conf *conf);
unsigned notify_conf_allow(const struct notify_conf *conf); /* NET_LOOPBACK_HTTP, NET_PRIVATE */
int64_t notify_conf_dead_after_ms(const struct notify_conf *conf);
int64_t notify_conf_backoff_ms(const struct notify_conf *conf); /* after the first failure */

/*
 * The destinations of an organization: those of everyone, then its own.
 *
 *   index  from 0 on
 *   ret    texts are borrowed from conf
 *
 * Returns false behind the last.
 */
bool notify_conf_at(const struct notify_conf *conf, struct str organization, size_t index,
                    struct notify_destination *ret);

/* One of them by its name. */
bool notify_conf_find(const struct notify_conf *conf, struct str organization, const char *name,
                      struct notify_destination *ret);

#endif
