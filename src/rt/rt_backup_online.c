/* rt_backup_online.c: ms_snapshot_save(): a backup over HTTP, from the first member that answers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ms_err.h"
#include "metastore/client.h"
#include "rt/rt_backup.h"

#define CONNECT_MS 5000u
#define ANSWER_MS 60000u /* of all endpoints together, up to the head of the answer */
#define PIECE_MS 30000u  /* between two pieces */
#define PATH "/_/snapshot"

struct online {
    const char *path;
    struct rt_backup file;
    bool begun; /* file is open */
    char *why;
};

static int on_piece(void *arg, const struct ms_http_answer *answer, struct ms_bytes piece)
{
    struct online *o = arg;
    (void)answer;
    if (!o->begun) {
        int rv = rt_backup_create(&o->file, o->path, o->why);
        if (rv < 0) return rv;
        o->begun = true;
    }
    return rt_backup_write(&o->file, bytes_of(piece.data, piece.len), o->why);
}

/* A refusal, in its own words. */
static int refused(struct online *o, const struct ms_http_answer *answer)
{
    const char *line = answer->body.data;
    int len = (int)strcspn(line, "\r\n");
    if (answer->status == 200) {
        snprintf(o->why, MS_WHY_BYTES, "%s: the backup is empty", answer->endpoint);
        return MS_ECORRUPT;
    }
    snprintf(o->why, MS_WHY_BYTES, "%s: %d: %.*s", answer->endpoint, answer->status,
             len < 300 ? len : 300, line);
    if (answer->status == 503) return strstr(line, "leader") ? MS_ENOLEADER : MS_EBUSY;
    return MS_EPROTO;
}

static int broke_off(struct online *o, const struct ms_http_answer *answer)
{
    snprintf(o->why, MS_WHY_BYTES, "%s: the backup broke off behind %llu bytes", answer->endpoint,
             (unsigned long long)o->file.bytes);
    return MS_ECORRUPT;
}

static int save(struct online *o, struct ms_http *http, struct ms_snapshot_report *out)
{
    struct ms_http_request request = { .method = "GET", .path = PATH, .on_body = on_piece, .arg = o };
    struct ms_http_answer answer;
    int rv = ms_http_ask(http, &request, &answer, o->why);
    if (rv == 0 && !o->begun) rv = refused(o, &answer);
    if (rv == MS_ESHORT) rv = broke_off(o, &answer);
    if (rv == 0)
        rv = rt_backup_finish(&o->file, out, o->why);
    else if (o->begun)
        rt_backup_abandon(&o->file);
    ms_http_answer_free(&answer);
    return rv;
}

int ms_snapshot_save(const char *file, const char *endpoints, struct ms_snapshot_report *out,
                     char why[MS_WHY_BYTES])
{
    struct ms_snapshot_report *report = malloc(sizeof *report);
    struct online *o = calloc(1, sizeof *o);
    struct ms_http *http = NULL;
    struct ms_http_options options;
    int rv = MS_ENOMEM;
    snprintf(why, MS_WHY_BYTES, "%s", ms_err_text(MS_ENOMEM));
    if (report && o) {
        o->path = file;
        o->why = why;
        ms_http_options_init(&options);
        options.endpoints = endpoints;
        options.timeout_ms = ANSWER_MS;
        options.connect_ms = CONNECT_MS;
        options.idle_ms = PIECE_MS;
        options.rounds = 1;
        rv = ms_http_open(&http, &options, why);
        if (rv == 0) rv = save(o, http, report);
        if (rv == 0 && out) *out = *report;
    }
    ms_http_close(http);
    free(report);
    free(o);
    return rv;
}
