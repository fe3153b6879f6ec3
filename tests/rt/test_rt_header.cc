// test_rt_header.cc: the public header is C++ too, and its structs are usable there.
#include "metastore/metastore.h"

extern "C" int header_in_cpp(void);

extern "C" int header_in_cpp(void)
{
    ms_options options;
    ms_options_init(&options);
    ms_bytes bytes = { "x", 1 };
    struct ms_status status = {};
    if (status.member_count != 0) return 1;
    return options.http_port == 9121 && bytes.len == 1 && ms_strerror(MS_EBUSY) != nullptr ? 0 : 1;
}
