/* rt_wake.h: a descriptor that is readable while it is raised (eventfd on Linux, else a pipe). */
#ifndef RT_RT_WAKE_H
#define RT_RT_WAKE_H

struct rt_wake {
    int read_fd, write_fd; /* the same one for an eventfd */
};

int rt_wake_init(struct rt_wake *w); /* MS_ENOMEM: no descriptors left */
void rt_wake_raise(struct rt_wake *w);
void rt_wake_clear(struct rt_wake *w);
void rt_wake_fini(struct rt_wake *w);

#endif
