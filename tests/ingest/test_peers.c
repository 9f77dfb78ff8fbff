#include "ingest/peers.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "ingest/gate.h"
#include "tests/support/temp_dir.h"

static struct peers peers;
static struct temp_dir dir;
static char path[96];

static void
setup(void)
{
    dir = temp_dir_make();
    snprintf(path, sizeof path, "%s/peers", dir.path);
}

static void
teardown(void)
{
    peers_close(&peers);
    temp_dir_remove(&dir);
}

TestSuite(ingest_peers, .init = setup, .fini = teardown);

static void
write_file(const char *name, const char *text, mode_t mode)
{
    FILE *f = fopen(name, "w");
    cr_assert_not_null(f);
    fputs(text, f);
    fclose(f);
    cr_assert_eq(chmod(name, mode), 0);
}

static void
load(const char *text)
{
    struct err err;
    write_file(path, text, 0600);
    peers_close(&peers);
    enum err_code code = peers_open(&peers, path, &err);
    cr_assert_eq(code, ERR_OK, "%s", err.text);
}

static struct peer *
join(uint32_t uid, int64_t now_ms)
{
    const char *reason = NULL;
    return peers_join_uid(&peers, uid, now_ms, &reason);
}

Test(ingest_peers, without_a_file_everybody_may_write_for_everyone)
{
    struct err err;
    cr_assert_eq(peers_open(&peers, NULL, &err), ERR_OK);
    struct peer *p = join(1234, 0);
    cr_assert_not_null(p);
    cr_expect(peers_may_write(p->rule, str_of("any")));
    cr_expect(peers_charge(p, 1000000, 0));
    cr_expect_eq(join(1234, 0), p);
    cr_expect_eq(p->conn_count, 2);
    const char *reason;
    p = peers_join_host(&peers, str_of("edge1"), 0, &reason);
    cr_assert_not_null(p);
    cr_expect_str_eq(p->name, "host=edge1");
    cr_expect_eq(p->uid, PEERS_NO_UID);
}

Test(ingest_peers, a_rule_says_who_may_write_for_whom)
{
    load("# who may send\n"
         "uid 1001 for acme,globex quota 5000 # the app\n"
         "\n"
         "user root\tfor *\r\n"
         "host edge1 for acme\n"
         "host * for zoo\n"
         "uid 7 for b,a,c");
    cr_expect_null(join(1002, 0));
    struct peer *p = join(1001, 0);
    cr_assert_not_null(p);
    cr_expect(peers_may_write(p->rule, str_of("acme")));
    cr_expect(peers_may_write(p->rule, str_of("globex")));
    cr_expect_not(peers_may_write(p->rule, str_of("acm")));
    cr_expect_not(peers_may_write(p->rule, str_of("acme,globex")));
    cr_expect_not(peers_may_write(p->rule, str_of("")));
    cr_expect(peers_may_write(join(0, 0)->rule, str_of("acm")));
    p = join(7, 0);
    cr_expect(peers_may_write(p->rule, str_of("a")) && peers_may_write(p->rule, str_of("c")));
    cr_expect(peers_may_write(peers_host_rule(&peers, str_of("edge1")), str_of("acme")));
    cr_expect_not(peers_may_write(peers_host_rule(&peers, str_of("edge2")), str_of("acme")));
    cr_expect(peers_may_write(peers_host_rule(&peers, str_of("edge2")), str_of("zoo")));
    load("uid * for sandbox\nuid 5 for acme\n");
    cr_expect(peers_may_write(join(5, 0)->rule, str_of("acme")));
    cr_expect_not(peers_may_write(join(6, 0)->rule, str_of("acme")));
    const char *reason = NULL;
    cr_expect_null(peers_join_host(&peers, str_of("edge1"), 0, &reason));
    cr_expect_not_null(strstr(reason, "peers file"), "%s", reason);
}

Test(ingest_peers, a_quota_is_a_bucket_of_one_second_and_debts_are_paid)
{
    load("uid 1 for * quota 100\nuid 2 for *\n");
    struct peer *p = join(1, 50000);
    cr_expect(peers_charge(p, 100, 50000)); /* a second's worth at once */
    cr_expect_not(peers_charge(p, 1, 50000));
    cr_expect_gt(peers_ready_ms(p), 50000);
    cr_expect_leq(peers_ready_ms(p), 50011);
    cr_expect(peers_charge(p, 0, peers_ready_ms(p)));
    /* One chunk of 1,000: nothing for ten seconds. */
    cr_expect_not(peers_charge(p, 1000, 60000));
    cr_expect_not(peers_charge(p, 0, 68990));
    cr_expect(peers_charge(p, 0, 69001));
    /* However long it is idle, the bucket holds one second. */
    cr_expect(peers_charge(p, 100, 990000));
    cr_expect_not(peers_charge(p, 1, 990000));
    cr_expect(peers_charge(join(2, 0), 1000000, 0));
}

Test(ingest_peers, going_and_coming_back_does_not_fill_the_bucket)
{
    load("uid * for * quota 10\n");
    struct peer *p = join(1, 1000);
    cr_expect_not(peers_charge(p, 30, 1000));
    peers_leave(p);
    for (uint32_t uid = 2; uid < 100; uid++)
        peers_leave(join(uid, 1001));
    p = join(1, 1002);
    cr_expect_not(peers_charge(p, 0, 1002));
    peers_leave(p);
    /* Those who owe nothing and have gone are forgotten. */
    (void)join(5000, 10000);
    size_t count = 0;
    for (const struct peer *q = peers.all; q != NULL; q = q->next)
        count++;
    cr_expect_eq(count, 1);
}

Test(ingest_peers, what_is_wrong_in_the_file_is_said_with_its_line)
{
    static const struct {
        const char *text, *words;
    } rows[] = {
        {"group staff for *\n", ":1: a rule begins with uid, user or host, not \"group\""},
        {"\n\nuid\n", ":3: a name must follow \"uid\""},
        {"uid 12a for *\n", "not \"12a\""},
        {"uid -1 for *\n", "not \"-1\""},
        {"uid 4294967295 for *\n", "not \"4294967295\""},
        {"user no-such-user-here for *\n", "no user \"no-such-user-here\""},
        {"user * for *\n", "no user \"*\""},
        {"uid 1\n", "for which organizations"},
        {"uid 1 quota 5\n", "for which organizations"},
        {"uid 1 for\n", "a value must follow \"for\""},
        {"uid 1 for a,,b\n", "name is empty"},
        {"uid 1 for a for b\n", "given twice: \"for\""},
        {"uid 1 for * quota 0\n", "not \"0\""},
        {"uid 1 for * quota many\n", "not \"many\""},
        {"uid 1 for * limit 5\n", "not \"limit\""},
        {"uid 1 for * key-file /x\n", "not \"key-file\""},
        {"host * for * key-file /x\n", "not \"key-file\""},
        {"uid 1 for *\nhost a for *\nuid 1 for b\n", ":3: this peer has a rule already, in line 1"},
        {"uid * for *\nuid * for *\n", "in line 1"},
        {"host a for * key-file /nowhere/key\n", ":1: shared key"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct err err;
        write_file(path, rows[i].text, 0600);
        cr_expect_neq(peers_open(&peers, path, &err), ERR_OK, "%s", rows[i].text);
        cr_expect_not_null(strstr(err.text, rows[i].words), "%s: %s", rows[i].text, err.text);
        peers_close(&peers);
    }
    struct err err;
    snprintf(path, sizeof path, "%s/none", dir.path);
    cr_expect_eq(peers_open(&peers, path, &err), ERR_NOT_FOUND);
}

Test(ingest_gate, an_address_is_a_host_and_a_port)
{
    static const struct {
        const char *text, *host, *port;
    } rows[] = {
        {"127.0.0.1:24224", "127.0.0.1", "24224"},
        {"[::1]:24224", "::1", "24224"},
        {"*:0", "*", "0"},
        {"collector.example:65535", "collector.example", "65535"},
        {"24224", NULL, NULL},
        {":24224", NULL, NULL},
        {"host:", NULL, NULL},
        {"host:http", NULL, NULL},
        {"host:65536", NULL, NULL},
        {"host:-1", NULL, NULL},
        {"::1:24224", NULL, NULL},
        {"[::1:24224", NULL, NULL},
        {"[]:1", NULL, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char host[GATE_HOST_BYTES], port[GATE_PORT_BYTES];
        bool ok = gate_address(rows[i].text, host, port);
        cr_expect_eq(ok, rows[i].host != NULL, "%s", rows[i].text);
        cr_expect(!ok || strcmp(host, rows[i].host) == 0, "%s", rows[i].text);
        cr_expect(!ok || strcmp(port, rows[i].port) == 0, "%s", rows[i].text);
    }
}

Test(ingest_gate, a_listener_without_a_good_key_is_refused_with_the_remedy)
{
    char key[96];
    struct err err;
    struct gate gate;
    dir = temp_dir_make();
    snprintf(key, sizeof key, "%s/key", dir.path);
    const struct {
        struct gate_options options;
        const char *text;
        mode_t mode;
        const char *words;
    } rows[] = {
        {{.listen = "*:1"}, "", 0600, "needs --shared-key-file"},
        {{.listen = "*:1", .key_file = key}, "short\n", 0600, "has 5 bytes, must have 16"},
        {{.listen = "*:1", .key_file = key}, "0123456789abcdef\n", 0644, "open to everybody"},
        {{.listen = "nonsense", .key_file = key}, "0123456789abcdef", 0600, "must be HOST:PORT"},
        {{.listen = "*:1", .key_file = key, .tls_cert = key}, "0123456789abcdef", 0600, "together"},
        {{.listen = "*:1", .key_file = key, .tls_cert = key, .tls_key = key},
         "0123456789abcdef",
         0600,
         "TLS certificate"},
        {{.key_file = key}, "0123456789abcdef", 0600, "with --listen only"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        write_file(key, rows[i].text, rows[i].mode);
        cr_expect_eq(gate_open(&gate, &rows[i].options, &err), ERR_CONFIG, "row %zu", i);
        cr_expect_not_null(strstr(err.text, rows[i].words), "row %zu: %s", i, err.text);
        gate_close(&gate);
    }
    write_file(key, "0123456789abcdef\r\n", 0640);
    struct gate_options good = {.listen = "*:1", .key_file = key};
    cr_assert_eq(gate_open(&gate, &good, &err), ERR_OK, "%s", err.text);
    cr_expect_eq(gate.key.size_bytes, 16);
    gate_close(&gate);
    temp_dir_remove(&dir);
}
