/* kv_rocks_opts.c: every RocksDB option we set, in one table: for production, for the simulator, and
 * why. What is not listed keeps RocksDB's default. */
#include <stdio.h>
#include <string.h>

#include "base/ms_assert.h"
#include "base/ms_err.h"
#include "kv_rocks/kv_rocks_private.h"

#define ROCKS_BLOCK_CACHE_BYTES (8u << 20)
#define ROCKS_WRITE_BUFFER_BYTES (16u << 20)
#define ROCKS_OPTIONS_BYTES_MAX 2048u

struct rocks_option {
    const char *name;
    const char *production, *simulation; /* NULL: leave the default */
};

/* clang-format off */
static const struct rocks_option rocks_options[] = {
    /* Memory: the budget is 96 MiB resident for a whole member, whatever the data's size; of that three
     * write buffers and the cache are 56 (docs/PERFORMANCE.md has the rest, and what was measured).
     * Small arena blocks: an idle member pays for what it has written, not for 1 MiB at once. The
     * third write buffer keeps apply going while one is flushed and another waits. In the simulator the
     * buffer is so large that only persist flushes. */
    { "arena_block_size", "65536", "8192" },
    { "max_write_buffer_number", "3", NULL },
    { "max_open_files", "512", "-1" }, /* bounded; -1 in the simulator: no file is opened twice */
    { "max_file_opening_threads", "1", "1" }, /* start with few threads; 16 are not deterministic */
    { "manifest_preallocation_size", "65536", NULL }, /* 4 MiB a start is much for a small store */
    { "max_manifest_file_size", "16777216", "2048" }, /* in the simulator it is changed often */

    /* Compaction. Automatic in production. Our one writer is the engine thread: a stall there delays
     * applying, so slow-downs come late, at a number of files that reads still bear. In the simulator no
     * compaction starts by itself, because its interleaving with the writer is not reproducible. */
    { "disable_auto_compactions", "false", "true" },
    { "level_compaction_dynamic_level_bytes", "true", NULL }, /* about 10 % dead bytes, not 100 % */
    { "level0_slowdown_writes_trigger", "40", "1000000" },
    { "level0_stop_writes_trigger", "80", "1000000" },
    { "max_background_jobs", "2", "1" }, /* one flush beside one compaction */
    { "max_subcompactions", "1", "1" },
    { "bytes_per_sync", "1048576", NULL }, /* no burst of dirty pages in front of the log's fdatasync */

    /* Compression: cheap where data is young, small where it stays. */
    { "compression", "kLZ4Compression", "kNoCompression" },
    { "bottommost_compression", "kZSTD", "kNoCompression" },

    /* Writing: there is one writer, so nothing that helps several; and our log is the only log. */
    { "allow_concurrent_memtable_write", "false", "false" },
    { "enable_write_thread_adaptive_yield", "false", "false" },
    { "enable_pipelined_write", "false", "false" },
    { "recycle_log_file_num", "0", "0" },
    { "wal_recovery_mode", "kPointInTimeRecovery", "kPointInTimeRecovery" }, /* TOOLBOX 1.6 */
    { "avoid_flush_during_shutdown", "false", "false" }, /* a clean stop leaves nothing to replay */
    { "avoid_flush_during_recovery", "false", "false" },

    /* Failures are final until the engine is opened anew (DESIGN 2.11): no thread that retries. */
    { "max_bgerror_resume_count", "0", "0" },
    { "use_fsync", "false", "false" }, /* fdatasync: sizes are part of it */

    /* Opening and closing: quick, and no work in iterators' and readers' threads. */
    { "skip_stats_update_on_db_open", "true", "true" },
    { "avoid_unnecessary_blocking_io", "true", "false" }, /* old files go in the background */

    /* No timers, no statistics; of RocksDB's text log the head alone: a second line that finds no room on a full
     * disk may end the process (kv_rocks_reserve.c), and what fails comes back as a status. */
    { "stats_dump_period_sec", "0", "0" },
    { "stats_persist_period_sec", "0", "0" },
    { "enable_thread_tracking", NULL, "false" },
    { "keep_log_file_num", "2", "1" },
    { "max_log_file_size", "1048576", NULL },
    { "info_log_level", "FATAL_LEVEL", "FATAL_LEVEL" },
};

/* Tables. Index and filter blocks live in the cache, so that its size bounds them too; ten bits a key make
 * one wrong look in a hundred. In the simulator no cache: every read reaches the simulated disk. */
static const char rocks_table_production[] =
    "block_based_table_factory={block_cache=%llu;block_size=8192;cache_index_and_filter_blocks=true;"
    "pin_l0_filter_and_index_blocks_in_cache=true;filter_policy=bloomfilter:10:false;format_version=5;}";
static const char rocks_table_simulation[] = "block_based_table_factory={no_block_cache=true;}";
/* clang-format on */

void kv_rocks_opts_default(struct kv_rocks_opts *o, struct disk *disk)
{
    *o = (struct kv_rocks_opts){ .disk = disk,
                                 .write_buffer_bytes = ROCKS_WRITE_BUFFER_BYTES,
                                 .block_cache_bytes = ROCKS_BLOCK_CACHE_BYTES };
}

/* Set "name=value;..." on *options, which is replaced. One that this RocksDB does not know, because it
 * is newer or older than ours, is left out with a warning: no option here decides about correctness. */
static bool rocks_option_try(struct kv_rocks *e, rocksdb_options_t **options, const char *text,
                             bool tell)
{
    char *err = NULL;
    rocksdb_options_t *changed = rocksdb_options_create();
    rocksdb_get_options_from_string(*options, text, changed, &err);
    if (err) {
        if (tell)
            log_line(e->log, LOG_WARN, "rocksdb: this version does not take \"%s\": %s", text, err);
        rocksdb_free(err);
        rocksdb_options_destroy(changed);
        return false;
    }
    rocksdb_options_destroy(*options);
    *options = changed;
    return true;
}

static void rocks_option_set(struct kv_rocks *e, rocksdb_options_t **options, const char *text)
{
    (void)rocks_option_try(e, options, text, true);
}

/* All of the table, in one string: parsing takes longer than opening a small database. One by one where
 * this RocksDB does not take all of them. */
static void rocks_options_set_table(struct kv_rocks *e, rocksdb_options_t **options, bool simulation)
{
    char all[ROCKS_OPTIONS_BYTES_MAX], text[128];
    size_t len = 0;
    for (int one = 0; one < 2; one++) {
        for (size_t i = 0; i < sizeof rocks_options / sizeof rocks_options[0]; i++) {
            const struct rocks_option *option = &rocks_options[i];
            const char *value = simulation ? option->simulation : option->production;
            if (!value) continue;
            snprintf(text, sizeof text, "%s=%s;", option->name, value);
            if (one) rocks_option_set(e, options, text);
            if (!one) len += (size_t)snprintf(all + len, sizeof all - len, "%s", text);
            MS_ASSERT(len < sizeof all);
        }
        if (!one && rocks_option_try(e, options, all, false)) return;
    }
}

rocksdb_options_t *rocks_options_create(struct kv_rocks *e, const struct kv_rocks_opts *o)
{
    bool simulation = o->profile == KV_ROCKS_SIMULATION;
    rocksdb_options_t *options = rocksdb_options_create();
    char text[512];
    if (o->env) {
        snprintf(text, sizeof text, "env=%s;", o->env);
        rocks_option_set(e, &options, text);
    }
    rocks_options_set_table(e, &options, simulation);
    if (simulation) {
        rocks_option_set(e, &options, rocks_table_simulation);
    } else {
        snprintf(text, sizeof text, rocks_table_production, (unsigned long long)o->block_cache_bytes);
        rocks_option_set(e, &options, text);
    }
    rocksdb_options_set_write_buffer_size(options, (size_t)o->write_buffer_bytes);
    return options;
}
