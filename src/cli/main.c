/* main.c: the daemon: flags, a member, signals; and the commands beside it. It uses the public library and nothing else of us. */
#include <errno.h>
#include <fcntl.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cli/cli_client.h"
#include "cli/cli_completion.h"
#include "cli/cli_flags.h"
#include "cli/cli_snapshot.h"
#include "cli/cli_wal.h"

enum { EXIT_CODE_OK = 0, EXIT_CODE_FAILED = 1, EXIT_CODE_USAGE = 2 };

/* ---- signals ---- */

/* While starting there is nothing to finish, and what is on disk survives any end: a signal ends the
 * process at once. While serving, the first one asks for a graceful end and the second one for the end.
 */
enum { PHASE_STARTING, PHASE_SERVING, PHASE_STOPPING };
static volatile sig_atomic_t phase = PHASE_STARTING;
static int signal_pipe[2];

static void on_signal(int number)
{
    int errno_before = errno;
    char byte = (char)number;
    if (phase != PHASE_SERVING) _exit(EXIT_CODE_OK);
    phase = PHASE_STOPPING;
    if (write(signal_pipe[1], &byte, 1) < 0) _exit(EXIT_CODE_OK);
    errno = errno_before;
}

static bool signals_init(void)
{
    struct sigaction act = { .sa_handler = on_signal };
    if (pipe(signal_pipe) != 0) return false;
    for (int i = 0; i < 2; i++) fcntl(signal_pipe[i], F_SETFD, FD_CLOEXEC);
    sigemptyset(&act.sa_mask);
    sigaction(SIGTERM, &act, NULL);
    sigaction(SIGINT, &act, NULL);
    act.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &act, NULL); /* our own lines to a standard error that was closed */
    return true;
}

/* ---- serving ---- */

/* Each connection is a descriptor: as many as the system lets us have. */
static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

/* With the memory engine, one thread does nearly all that is done with memory, and it is not the first
 * one. An arena of its own would grow by a page and a system call at a time; the first one's does not. */
static void use_one_arena(const struct ms_options *options)
{
#ifdef __GLIBC__
    if (options->storage == MS_STORAGE_MEMORY) mallopt(M_ARENA_MAX, 1);
#else
    (void)options;
#endif
}

/* Until a signal comes, or the member has stopped by itself: then its status. */
static int serve(struct ms_member *member)
{
    struct pollfd fds[2] = { { .fd = ms_fd(member), .events = POLLIN },
                             { .fd = signal_pipe[0], .events = POLLIN } };
    for (;;) {
        if (poll(fds, 2, -1) < 0 && errno != EINTR) return MS_EIO;
        int rv = ms_poll(member);
        if (rv < 0) return rv;
        if (phase == PHASE_STOPPING) return 0;
    }
}

/* From start to end; *served: it came to serve. */
static int run_once(const struct cli_flags *flags, bool *served)
{
    struct ms_member *member;
    char why[MS_WHY_BYTES];
    int rv = ms_open(&member, &flags->options, why);
    *served = rv == 0;
    if (rv < 0) {
        cli_flags_explain(flags, why, sizeof why);
        fprintf(stderr, "metastore: %s\n", why);
        return rv;
    }
    phase = PHASE_SERVING;
    rv = serve(member);
    if (rv < 0) {
        const char *reason = ms_stop_reason(member);
        snprintf(why, sizeof why, "%s", reason ? reason : ms_strerror(rv));
    }
    phase = phase == PHASE_SERVING ? PHASE_STARTING : PHASE_STOPPING;
    ms_close(member);
    if (rv < 0) fprintf(stderr, "metastore: %s\n", why); /* the last line: below what closing logs */
    return rv;
}

/* A member whose state was found wrong builds it anew at its next start, which is this one. One that is found
 * wrong again and again is a case for a person. */
#define REBUILDS_MAX 3
static int run(const struct cli_flags *flags)
{
    bool served = true;
    int rv = MS_EDIVERGED;
    for (int i = 0; served && rv == MS_EDIVERGED && phase == PHASE_STARTING && i <= REBUILDS_MAX; i++) {
        rv = run_once(flags, &served);
    }
    if (!served && rv == MS_EINVAL) return EXIT_CODE_USAGE; /* an option */
    return rv == 0 || rv == MS_EREMOVED ? EXIT_CODE_OK : EXIT_CODE_FAILED;
}

static int command(int argc, char *const *argv);

/* `metastore help [COMMAND [SUB]]`: as COMMAND --help. */
static int help(int argc, char *const *argv)
{
    static char flag[] = "--help";
    char *asked[4] = { 0 };
    int count = 0;
    for (int i = 1; i < argc && count < 2; i++) asked[count++] = argv[i];
    asked[count] = flag;
    if (count > 0 && strcmp(asked[0], "help") != 0) return command(count + 1, asked);
    cli_help_all(stdout);
    return fflush(stdout) == 0 ? EXIT_CODE_OK : EXIT_CODE_FAILED;
}

/* argv[0]: what is not a flag. */
static int command(int argc, char *const *argv)
{
    if (strcmp(argv[0], "wal") == 0) return cli_wal_run(argc, argv, stdout, stderr);
    if (strcmp(argv[0], "snapshot") == 0) return cli_snapshot_run(argc, argv, stdout, stderr);
    if (strcmp(argv[0], "completion") == 0) return cli_completion_run(argc, argv, stdout, stderr);
    if (strcmp(argv[0], "help") == 0) return help(argc, argv);
    if (cli_is_command(argv[0])) return cli_client_run(argc, argv, stdin, stdout, stderr);
    fprintf(stderr, "metastore: there is no command \"%.80s\" (metastore help lists them)\n", argv[0]);
    return EXIT_CODE_USAGE;
}

int main(int argc, char **argv)
{
    struct cli_flags flags;
    char why[CLI_WHY_BYTES];
    if (argc > 1 && argv[1][0] != '-') return command(argc - 1, argv + 1);
    if (!cli_flags_parse(&flags, argc, argv, why)) {
        fprintf(stderr, "metastore: %s (--help tells more)\n", why);
        return EXIT_CODE_USAGE;
    }
    if (flags.print_config) {
        cli_flags_print(&flags, stdout);
        return EXIT_CODE_OK;
    }
    if (flags.help) {
        cli_flags_help(stdout);
        fputs("\nCommands, each with a --help of its own:\n", stdout);
        cli_help_commands(stdout);
        return EXIT_CODE_OK;
    }
    if (flags.version) {
        puts(ms_build_info());
        return EXIT_CODE_OK;
    }
    if (!signals_init()) {
        fprintf(stderr, "metastore: cannot make a pipe: %s\n", strerror(errno));
        return EXIT_CODE_FAILED;
    }
    raise_file_limit();
    use_one_arena(&flags.options);
    int code = run(&flags);
    cli_flags_fini(&flags);
    return code;
}
