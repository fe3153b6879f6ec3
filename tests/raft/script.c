/* script.c: lines and words of a script. */
#include "tests/raft/script_private.h"

#include <stdarg.h>
#include <stdlib.h>

bool script_fail(struct script *s, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(s->error, sizeof s->error, format, args);
    va_end(args);
    return false;
}

bool script_number(struct script *s, const char *word, uint64_t *out)
{
    char *end;
    unsigned long long v = strtoull(word, &end, 10);
    if (*word < '0' || *word > '9' || *end || v > INT32_MAX) {
        return script_fail(s, "%s is no number", word);
    }
    *out = v;
    return true;
}

bool script_node(struct script *s, const char *word, uint64_t *out)
{
    bool good = word && word[0] == 'n' && word[1] >= '1' && word[1] <= '8' && !word[2];
    if (!good) return script_fail(s, "%s is no member", word ? word : "nothing");
    *out = (uint64_t)(word[1] - '0');
    return true;
}

bool script_running(struct script *s, const char *word, uint64_t *out)
{
    if (!script_node(s, word, out)) return false;
    return s->cluster.nodes[*out].raft || script_fail(s, "%s does not run", word);
}

static bool end_of_link(struct script *s, const char *word, uint64_t *out)
{
    if (strcmp(word, "*") != 0) return script_node(s, word, out);
    *out = 0;
    return true;
}

bool script_link(struct script *s, const char *word, uint64_t *from, uint64_t *to)
{
    char ends[16];
    snprintf(ends, sizeof ends, "%s", word);
    char *at = strchr(ends, '>');
    if (!at) return script_fail(s, "%s is no link", word);
    *at = 0;
    return end_of_link(s, ends, from) && end_of_link(s, at + 1, to);
}

static bool split(struct script *s, const char *line, size_t len)
{
    char *at = s->words_text;
    if (len >= sizeof s->words_text) return script_fail(s, "the line is too long");
    memcpy(at, line, len);
    at[len] = 0;
    s->word_count = 0;
    for (char *word = strtok_r(at, " ", &at); word; word = strtok_r(NULL, " ", &at)) {
        if (s->word_count == SCRIPT_WORDS_MAX) return script_fail(s, "too many words");
        s->words[s->word_count++] = word;
    }
    return true;
}

static bool is_command(const char *line, size_t len)
{
    return len > 0 && line[0] != '#' && line[0] != ' ';
}

/* Everything but the trace stays as it is. */
static bool carry_out(struct script *s, const char *line, size_t len, struct script_result *out)
{
    if (len > 0 && line[0] == ' ') return true;
    buf_append(&s->out, line, len);
    buf_append_u8(&s->out, '\n');
    if (!is_command(line, len)) return true;
    out->command_count++;
    if (!split(s, line, len) || !script_command(s)) return false;
    if (!s->began) return true;
    cluster_check(&s->cluster);
    return s->out.failed ? script_fail(s, "the trace is too long") : true;
}

static void take_result(struct script *s, struct script_result *out)
{
    out->len = s->out.len;
    out->text = malloc(s->out.len + 1);
    CHECK(out->text != NULL);
    if (s->out.len > 0) memcpy(out->text, s->out.data, s->out.len);
    out->text[s->out.len] = 0;
    memcpy(out->error, s->error, sizeof out->error);
}

void script_run(const char *text, uint32_t *line, struct script_result *out)
{
    struct script *s = calloc(1, sizeof *s);
    CHECK(s != NULL);
    *out = (struct script_result){ 0 };
    test_alloc_init(&s->alloc);
    buf_init(&s->out, &s->alloc.face, SCRIPT_BYTES_MAX);
    *line = 0;
    if (text[0] != '#') script_fail(s, "the first line has to begin the story");
    while (*text && !s->error[0]) {
        size_t len = strcspn(text, "\n");
        ++*line;
        if (!carry_out(s, text, len, out)) break;
        text += len + (text[len] == '\n');
    }
    take_result(s, out);
    buf_fini(&s->out);
    CHECK_EQ(s->alloc.alive, 0);
    if (s->began) cluster_fini(&s->cluster);
    free(s);
}
