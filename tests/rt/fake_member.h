/* fake_member.h: members that say what they are told to, each in a thread of its own. */
#ifndef TESTS_RT_FAKE_MEMBER_H
#define TESTS_RT_FAKE_MEMBER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#define FAKES_MAX 3
#define FAKE_REQUEST_BYTES 4096

/* A member answers each request with the next of its answers, and the last one from then on. NULL: it closes
 * the connection when the request has come. */
struct fake {
    const char *answers[4];
    int fd;
    atomic_int requests; /* counted when last is set */
    uint16_t port;
    char last[FAKE_REQUEST_BYTES];
    pthread_t thread;
};
extern struct fake fakes[FAKES_MAX];
extern char fake_endpoints[FAKES_MAX * 40]; /* of all of them */

void fake_add(const char *first, const char *then);
void fake_end_all(void);

#endif
