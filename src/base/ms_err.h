/* ms_err.h: error codes for the core; the codes themselves are public. */
#ifndef BASE_MS_ERR_H
#define BASE_MS_ERR_H

#include "metastore/errors.h"

/* What an error code says to a person: a static string, never NULL, also for unknown codes. */
const char *ms_err_text(int code);

#endif
