/*
 * What the service manager hears, on a real datagram socket.
 */
#include "store/base/notify.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "store/base/log.h"

static char dir[64], name[96];
static int manager;

/* Bind the manager's socket: name begins with '/' or '@'. */
static void
listen_as(const char *bound)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    size_t n = strlen(bound);
    memcpy(a.sun_path, bound, n);
    if (bound[0] == '@')
        a.sun_path[0] = '\0';
    manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    cr_assert_eq(bind(manager, (struct sockaddr *)&a,
                      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)),
                 0);
    cr_assert_eq(setenv("NOTIFY_SOCKET", bound, 1), 0);
}

static const char *
heard(void)
{
    static char text[2048];
    ssize_t n = recv(manager, text, sizeof text - 1, 0);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

static void
setup(void)
{
    snprintf(dir, sizeof dir, "/tmp/gbill-notify-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
    snprintf(name, sizeof name, "%s/notify", dir);
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
}

static void
teardown(void)
{
    unlink(name);
    rmdir(dir);
}

TestSuite(store_notify, .init = setup, .fini = teardown);

Test(store_notify, a_path_socket_hears_all_lines_in_one_message)
{
    listen_as(name);
    cr_expect(notify_send("READY=1\nSTATUS=%s", "listening"));
    cr_expect_str_eq(heard(), "READY=1\nSTATUS=listening");
    cr_expect_str_eq(heard(), "");
}

Test(store_notify, an_abstract_socket_hears_too)
{
    char abstract[64];
    snprintf(abstract, sizeof abstract, "@gbill-notify-%ld", (long)getpid());
    listen_as(abstract);
    cr_expect(notify_send("STOPPING=1"));
    cr_expect_str_eq(heard(), "STOPPING=1");
}

Test(store_notify, without_a_manager_nothing_is_sent_and_nothing_fails)
{
    static const char *const wrong[] = {"", "/", "@", "relative", "/nobody/listens/here"};
    char too_long[200];
    unsetenv("NOTIFY_SOCKET");
    cr_expect_not(notify_send("READY=1"));
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        setenv("NOTIFY_SOCKET", wrong[i], 1);
        cr_expect_not(notify_send("READY=1"), "%s", wrong[i]);
    }
    memset(too_long, 'a', sizeof too_long);
    too_long[0] = '/';
    too_long[sizeof too_long - 1] = '\0';
    setenv("NOTIFY_SOCKET", too_long, 1);
    cr_expect_not(notify_send("READY=1"));
}

Test(store_notify, a_manager_that_does_not_listen_is_not_waited_for)
{
    listen_as(name);
    int sent = 0;
    while (sent < 100000 && notify_send("WATCHDOG=1"))
        sent++;
    cr_expect_lt(sent, 100000);
}

Test(store_notify, the_watchdog_is_fed_at_half_its_time)
{
    listen_as(name);
    setenv("WATCHDOG_USEC", "3000000", 1);
    struct notify_watchdog w = notify_watchdog_start(1000);
    cr_expect_eq(w.every_ms, 1500);
    notify_watchdog_feed(&w, 1000);
    cr_expect_str_eq(heard(), "WATCHDOG=1");
    notify_watchdog_feed(&w, 2499);
    cr_expect_str_eq(heard(), "");
    notify_watchdog_feed(&w, 2500);
    cr_expect_str_eq(heard(), "WATCHDOG=1");
    cr_expect_eq(w.due_ms, 4000);
}

Test(store_notify, no_watchdog_without_its_variable_or_for_another_process)
{
    listen_as(name);
    cr_expect_eq(notify_watchdog_start(1000).every_ms, 0);
    setenv("WATCHDOG_USEC", "3000000", 1);
    setenv("WATCHDOG_PID", "1", 1);
    cr_expect_eq(notify_watchdog_start(1000).every_ms, 0);
    setenv("WATCHDOG_USEC", "soon", 1);
    unsetenv("WATCHDOG_PID");
    struct notify_watchdog w = notify_watchdog_start(1000);
    cr_expect_eq(w.every_ms, 0);
    notify_watchdog_feed(&w, 1000000);
    cr_expect_str_eq(heard(), "");
}

Test(store_notify, lines_have_a_priority_when_stderr_is_the_journal_only)
{
    struct stat st;
    char stream[64];
    cr_assert_eq(fstat(2, &st), 0);
    unsetenv("JOURNAL_STREAM");
    cr_expect_str_eq(log_prefix(LOG_LEVEL_ERROR), "");
    snprintf(stream, sizeof stream, "%llu:%llu", (unsigned long long)st.st_dev,
             (unsigned long long)st.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    cr_expect_str_eq(log_prefix(LOG_LEVEL_ERROR), "<3>");
    cr_expect_str_eq(log_prefix(LOG_LEVEL_WARN), "<4>");
    cr_expect_str_eq(log_prefix(LOG_LEVEL_INFO), "<6>");
    cr_expect_str_eq(log_prefix(LOG_LEVEL_DEBUG), "<7>");
    snprintf(stream, sizeof stream, "%llu:%llu", (unsigned long long)st.st_dev,
             (unsigned long long)st.st_ino + 1);
    setenv("JOURNAL_STREAM", stream, 1);
    cr_expect_str_eq(log_prefix(LOG_LEVEL_ERROR), "");
}
