/* slow_disk.c: a disk that hangs, for one process: preloaded, its fdatasync() does not return while the
 * file named by SLOW_DISK is there. The stories build it (LD_PRELOAD). */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define POLL_MS 5
#define HANGS_MS_MAX 60000

int fdatasync(int fd)
{
    const char *path = getenv("SLOW_DISK");
    for (int ms = 0; path && access(path, F_OK) == 0 && ms < HANGS_MS_MAX; ms += POLL_MS) {
        nanosleep(&(struct timespec){ .tv_nsec = POLL_MS * 1000000L }, NULL);
    }
    return (int)syscall(SYS_fdatasync, fd);
}
