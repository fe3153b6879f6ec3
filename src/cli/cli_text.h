/* cli_text.h: keys and values, which may be any bytes, in URLs, on lines and in JSON; and tables. */
#ifndef CLI_CLI_TEXT_H
#define CLI_CLI_TEXT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "metastore/metastore.h"

/* A text that grows. Zero is an empty one; memory that is refused ends the program, which holds nothing. */
struct cli_text {
    char *data; /* NULL, or with a NUL behind len */
    size_t len, cap;
};
void cli_text_free(struct cli_text *t);
void cli_text_add(struct cli_text *t, const void *data, size_t len);
void cli_text_printf(struct cli_text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Percent-encoded, for a path (slashes stay) or a query. */
void cli_text_add_encoded(struct cli_text *t, struct ms_bytes raw);
/* "name": "text", or "name_base64": "..." where raw is no plain text (docs/API.md). */
void cli_text_add_json(struct cli_text *t, const char *name, struct ms_bytes raw);

struct ms_bytes cli_bytes(const char *text);
/* On one line without tabs: \n, \t, \r, \\, \xHH for what is no plain text. */
void cli_print_field(FILE *to, struct ms_bytes raw);

/* ---- tables: a row of headings, then others; columns as wide as they have to be ---- */
#define CLI_COLUMNS_MAX 12u
#define CLI_ROWS_MAX 80u
struct cli_table {
    unsigned columns, rows, at; /* at: the next cell's column */
    char *cells[CLI_ROWS_MAX][CLI_COLUMNS_MAX];
};
void cli_table_cell(struct cli_table *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
void cli_table_row(struct cli_table *t);             /* ends one */
void cli_table_print(struct cli_table *t, FILE *to); /* and frees it */

#endif
