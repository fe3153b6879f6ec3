#include "base/ms_err.h"

const char *ms_err_text(int code)
{
    switch (code) {
    case MS_OK: return "success";
#define X(name, value, text) \
    case name: return text;
        MS_ERR_MAP(X)
#undef X
    default: return "an unknown error code";
    }
}
