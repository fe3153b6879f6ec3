/* rt_clock.h: the clocks of this machine. */
#ifndef RT_RT_CLOCK_H
#define RT_RT_CLOCK_H

#include <stdint.h>

/* What env/clock.h calls now_ms: never goes back, and goes on while the machine sleeps. A lease or an
 * election timeout that stopped counting during a suspend would end too late. */
uint64_t rt_clock_ms(void);
uint64_t rt_clock_us(void); /* the same clock, finer: for measuring only */

/* "2026-11-20T12:34:56.789Z", for people only. */
#define RT_CLOCK_TEXT_BYTES 32
void rt_clock_text(char out[RT_CLOCK_TEXT_BYTES]);

#endif
