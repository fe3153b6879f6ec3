/* rt_build.c: what this library is, and what it was built with. */
#include <uv.h>

#include "base/ms_err.h"
#include "metastore/metastore.h"
#include "rt/rt_private.h"
#include "rt_build_info.h" /* written by CMake */

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)

#if defined(__clang__)
#define COMPILER "clang " __clang_version__
#else
#define COMPILER "gcc " __VERSION__
#endif

const char *ms_strerror(int code)
{
    return ms_err_text(code);
}

const char *rt_build_commit(void)
{
    return MS_BUILD_COMMIT;
}

const char *ms_version(void)
{
    return MS_BUILD_VERSION;
}

const char *ms_build_info(void)
{
    return "metastore " MS_BUILD_VERSION "\n"
           "commit " MS_BUILD_COMMIT "\n"
           "libuv " TEXT(UV_VERSION_MAJOR) "." TEXT(UV_VERSION_MINOR) "." TEXT(
               UV_VERSION_PATCH) "\n"
                                 "http-parser " MS_BUILD_HTTP_PARSER "\n"
                                 "RocksDB " MS_BUILD_ROCKSDB "\n"
                                 "xxHash " MS_BUILD_XXHASH "\n"
                                 "zstd " MS_BUILD_ZSTD "\n"
                                 "compiler " COMPILER;
}
