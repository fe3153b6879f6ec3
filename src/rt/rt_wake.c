#include "rt/rt_wake.h"

#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/eventfd.h>
#endif

#include "base/ms_err.h"

int rt_wake_init(struct rt_wake *w)
{
#ifdef __linux__
    w->read_fd = w->write_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return w->read_fd < 0 ? MS_ENOMEM : 0;
#else
    int fds[2];
    if (pipe(fds) != 0) return MS_ENOMEM;
    for (int i = 0; i < 2; i++) {
        fcntl(fds[i], F_SETFD, FD_CLOEXEC);
        fcntl(fds[i], F_SETFL, O_NONBLOCK);
    }
    w->read_fd = fds[0];
    w->write_fd = fds[1];
    return 0;
#endif
}

/* Eight bytes are what an eventfd wants; a pipe that is full is raised as well. */
void rt_wake_raise(struct rt_wake *w)
{
    uint64_t one = 1;
    if (write(w->write_fd, &one, sizeof one) < 0) return;
}

void rt_wake_clear(struct rt_wake *w)
{
    uint64_t bytes[16];
    while (read(w->read_fd, bytes, sizeof bytes) == (ssize_t)sizeof bytes) continue;
}

void rt_wake_fini(struct rt_wake *w)
{
    close(w->read_fd);
    if (w->write_fd != w->read_fd) close(w->write_fd);
}
