/* sim_frame_text.h: frames between members in words, for the trace and for the page. */
#ifndef SIM_SIM_FRAME_TEXT_H
#define SIM_SIM_FRAME_TEXT_H

#include <stddef.h>

#include "base/bytes.h"
#include "raft/raft_msg.h"

#define SIM_FRAME_TEXT_BYTES 256u

/* What the body of a frame says, beside what kind it is; its size, where msg is NULL: no message of raft. */
void sim_frame_text(char out[SIM_FRAME_TEXT_BYTES], struct bytes body, const struct raft_msg *msg);

#endif
