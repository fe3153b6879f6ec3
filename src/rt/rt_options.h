/* rt_options.h: what ms_open() was asked for, checked and taken apart. Reads no file and no network. */
#ifndef RT_RT_OPTIONS_H
#define RT_RT_OPTIONS_H

#include "env/disk.h"
#include "format/config.h"
#include "metastore/metastore.h"

#define RT_ENDPOINTS_MAX 8u
#define RT_DATA_DIR_BYTES_MAX 256u /* leaves room for our names below it in DISK_PATH_BYTES_MAX */

struct rt_endpoint {
    char host[MS_URL_BYTES_MAX + 1]; /* a name or an address, without brackets */
    uint16_t port;
};

struct rt_setup {
    struct ms_options options; /* complete; its strings are only valid inside ms_open() */
    struct config cluster;     /* of --cluster: all voters, added_index 0 */
    struct rt_endpoint own;    /* of the own peer URL */
    struct rt_endpoint api[RT_ENDPOINTS_MAX];
    uint32_t api_count; /* 0: listen was not given */
    struct rt_endpoint peer;
    char data_dir[RT_DATA_DIR_BYTES_MAX];
};

/* MS_EINVAL, and why (at least MS_WHY_BYTES) is one line that names the option. */
int rt_setup_init(struct rt_setup *s, const struct ms_options *options, char *why);

/* "host", "host:port", "[v6]", "[v6]:port" or a bare v6 address. MS_EINVAL. */
int rt_endpoint_parse(const char *text, size_t len, uint16_t default_port, struct rt_endpoint *out);

/* The list of --cluster: peer URLs, each alone (its id is its position, from 1) or as id=url. */
int rt_cluster_parse(const char *list, struct config *out, char *why);

#endif
