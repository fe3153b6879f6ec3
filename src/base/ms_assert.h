/* ms_assert.h: assertions about our own state; they stay on in every build.
 *
 * What came from outside (wire, disk, flags) is checked with error codes, never with these. */
#ifndef BASE_MS_ASSERT_H
#define BASE_MS_ASSERT_H

/* Provided by whoever hosts the core (src/rt prints and aborts; the simulator reports the seed). Does
 * not return. */
_Noreturn void ms_host_panic(const char *condition, const char *file, int line);

#define MS_ASSERT(condition) ((condition) ? (void)0 : ms_host_panic(#condition, __FILE__, __LINE__))

#define MS_UNREACHABLE() ms_host_panic("unreachable", __FILE__, __LINE__)

#endif
