/* errors.h: every error code of MetaStore, public and internal, with what ms_strerror() says.
 *
 * 0 is success; errors are negative. At or below MS_EFATAL a replica no longer trusts its own state
 * and stops. */
#ifndef METASTORE_ERRORS_H
#define METASTORE_ERRORS_H

/* code, value, text */
#define MS_ERR_MAP(X)                                                                            \
    X(MS_EBUSY, -1, "a bounded queue is full")                                                   \
    X(MS_EEND, -2, "nothing more to read")                                                       \
    X(MS_ESHORT, -3, "the bytes end too early")                                                  \
    X(MS_EPROTO, -4, "a message that no correct peer sends")                                     \
    X(MS_EINVAL, -5, "an invalid argument")                                                      \
    X(MS_ENOMEM, -6, "out of memory")                                                            \
    X(MS_ETOOBIG, -7, "larger than its limit")                                                   \
    X(MS_ECORRUPT, -8, "stored bytes fail their checks")                                         \
    X(MS_ENOTFOUND, -9, "not found")                                                             \
    X(MS_EEXIST, -10, "exists already")                                                          \
    X(MS_ENOLEADER, -11, "no leader was found in time")                                          \
    X(MS_EUNKNOWN, -12, "the write may or may not be applied")                                   \
    X(MS_ETIMEOUT, -13, "not finished in time")                                                  \
    X(MS_ENOSPC, -14, "no space left on the disk")                                               \
    X(MS_ELOCKED, -15, "in use by another process")                                              \
    X(MS_EFOREIGN, -16, "belongs to another cluster, member or engine")                          \
    X(MS_EVERSION, -17, "a version this program does not know")                                  \
    X(MS_EREMOVED, -18, "this member was removed from the cluster")                              \
    X(MS_ECONFLICT, -19, "in conflict with the present configuration or state")                  \
    X(MS_ESTOPPED, -20, "the member is stopping or stopped")                                     \
    X(MS_EADDR, -21, "the address cannot be used")                                               \
    X(MS_EACCES, -22, "permission denied")                                                       \
    X(MS_EDUPLICATE, -23, "this proposal was applied before or belongs to an earlier life")      \
    X(MS_ENOTREADY, -24, "still recovering")                                                     \
    X(MS_ENOQUORUM, -25, "would leave no quorum of live voters")                                 \
    X(MS_ECOMPACTED, -26, "the revision asked for has been compacted")                           \
    X(MS_EFUTURE, -27, "the revision asked for is a future one")                                 \
    X(MS_EDUPKEY, -28, "a key is written twice in one transaction")                              \
    X(MS_ENOLEASE, -29, "no such lease: it was never granted, has expired or was revoked")       \
    X(MS_ELEASEFULL, -30, "as many keys as may be hang on that lease")                           \
    X(MS_EFATAL, -100, "memory was refused where there is no going on without")                  \
    X(MS_EIO, -101, "a read, write or sync failed")                                              \
    X(MS_ELOSTDATA, -102, "acknowledged data is damaged or missing")                             \
    X(MS_EUNSUPPORTED, -103, "a log entry of a kind or version this program does not know")      \
    X(MS_EDIVERGED, -104, "the state differs from the state of the other members")

enum ms_err {
    MS_OK = 0,
#define X(name, code, text) name = code,
    MS_ERR_MAP(X)
#undef X
};

#endif
