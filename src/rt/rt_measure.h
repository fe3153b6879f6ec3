/* rt_measure.h: what the process needs and how long its log's writes take, for GET /metrics. */
#ifndef RT_RT_MEASURE_H
#define RT_RT_MEASURE_H

#include "member/member.h"

struct ms_member;

/* For struct member_host; ctx: the struct ms_member. Loop thread. */
uint64_t rt_measure_now_us(void *ctx);
void rt_measure(void *ctx, struct member_measured *out);

#endif
