/* kv_rocks_private.h: the inside of the RocksDB engine.
 *
 *   R1  CURRENT-DB names a generation only after that generation was flushed and its files and name
 *       were synced; it changes by rename, and the rename is synced before the old generation is touched
 *   R2  once persist has succeeded, snap_dir holds a complete, synced checkpoint, always; it is never of
 *       a later content than the pointer's generation
 *   R3  a generation is closed when the engine, its views and its iterators have let go of it, and
 *       removed then if it is no longer the pointer's */
#ifndef KV_ROCKS_KV_ROCKS_PRIVATE_H
#define KV_ROCKS_KV_ROCKS_PRIVATE_H

#include <rocksdb/c.h>

#include "kv_rocks/kv_rocks.h"

#define ROCKS_PATH_BYTES DISK_PATH_BYTES_MAX
#define ROCKS_WHY_BYTES 256

/* One database, counted: the engine's reference, one a view, one an iterator. */
struct rocks_gen {
    rocksdb_t *db;
    uint64_t number;
    uint32_t refs;
    bool obsolete; /* replaced: remove the directory with the last reference */
};

struct kv_rocks {
    struct engine face; /* first: what the caller holds */
    const struct ms_alloc *alloc;
    const struct log_sink *log;
    struct disk *disk;
    void (*settle)(void *ctx); /* kv_rocks_opts */
    void *settle_ctx;
    char dir[ROCKS_PATH_BYTES / 2], snap_dir[ROCKS_PATH_BYTES / 2];
    rocksdb_options_t *options;
    rocksdb_writeoptions_t *write_options; /* RocksDB's log off: durability is persist's */
    rocksdb_readoptions_t *read_options;
    rocksdb_flushoptions_t *flush_options;
    rocksdb_writebatch_wi_t *batch; /* put and remove since the last commit */
    struct rocks_gen *current;
    struct rocks_gen *next;                  /* between replace_begin and replace_end */
    uint64_t generation_max, checkpoint_max; /* highest numbers in use */
    bool marked_damaged;
    uint64_t write_buffer_bytes, beside_bytes;
    uint64_t written_bytes; /* since the space was looked at last */
    bool starved;           /* then there was too little to flush */
    bool compacts_itself, compaction_off;
    bool reserves, reserved; /* room for the next opening; it is there */
    enum kv_rocks_source source;
    uint32_t flush_every, commit_count, compact_every, persist_count;
    char why[ROCKS_WHY_BYTES]; /* the last error in words */
};

/* kv_rocks_opts.c: the options of the profile; the caller destroys them. */
rocksdb_options_t *rocks_options_create(struct kv_rocks *e, const struct kv_rocks_opts *o);

/* kv_rocks_error.c: errors in words and codes. */
/* Record and log what failed; returns code. */
int rocks_fail(struct kv_rocks *e, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same for a failed disk operation on path; returns its status. */
int rocks_fail_disk(struct kv_rocks *e, int status, const char *what, const char *path);
/* The same for RocksDB's words about a running database; frees err. Damage is MS_ELOSTDATA, and the
 * pointer is marked, so that the next start does not trust this generation; the rest is MS_EIO. */
int rocks_fail_db(struct kv_rocks *e, const struct rocks_gen *g, const char *what, char *err);
/* For a database that does not open, or cannot be read through; frees err. MS_ECORRUPT: its bytes are at fault.
 * Anything else: the circumstances are (lock, rights, room, handles), and nothing has been learnt about the bytes. */
int rocks_fail_open(struct kv_rocks *e, const char *what, const char *path, char *err);

/* kv_rocks_dir.c: the directories. All return 0 or an error that has been recorded. */
struct rocks_scan {
    bool has_pointer, pointer_damaged;
    uint64_t pointer;        /* the generation it names */
    uint64_t generation_max; /* 0: no generation at all */
    uint64_t checkpoint_max; /* 0: none */
};
int rocks_dir_scan(struct kv_rocks *e, struct rocks_scan *out);
void rocks_path_generation(const struct kv_rocks *e, uint64_t number, char out[ROCKS_PATH_BYTES]);
void rocks_path_checkpoint(const struct kv_rocks *e, uint64_t number, char out[ROCKS_PATH_BYTES]);
/* Make the pointer name a generation, durably; damaged: as one not to be trusted. */
int rocks_pointer_write(struct kv_rocks *e, uint64_t number, bool damaged);
int rocks_pointer_remove(struct kv_rocks *e);
bool rocks_dir_exists(struct kv_rocks *e, const char *path);
int rocks_dir_make(struct kv_rocks *e, const char *path);
/* A file of zeros in the directory itself, unless it is there; errors are not recorded. */
int rocks_file_fill(struct kv_rocks *e, const char *name, size_t len);
int rocks_file_remove(struct kv_rocks *e, const char *name);
int rocks_dir_sync(struct kv_rocks *e, const char *path);
int rocks_dir_rename(struct kv_rocks *e, const char *from, const char *to);
/* Remove a flat directory and what is in it; absent is fine. */
int rocks_dir_remove(struct kv_rocks *e, const char *path);
/* A durable copy of a checkpoint: tables (never changed in place) as hard links, the rest as bytes. */
int rocks_dir_clone(struct kv_rocks *e, const char *from, const char *to);
/* Remove every db-<n> but keep_generation and every cp-<n> but keep_checkpoint, and half-made ones. */
int rocks_dir_tidy(struct kv_rocks *e, uint64_t keep_generation, uint64_t keep_checkpoint);

/* kv_rocks_gen.c: generations and checkpoints. */
/* After calls that leave work to RocksDB's own threads. */
void rocks_settle(struct kv_rocks *e);
/* Open db-<number>; create: as a new, empty one. The reference is the caller's. */
int rocks_gen_open(struct kv_rocks *e, uint64_t number, bool create, struct rocks_gen **out);
struct rocks_gen *rocks_gen_hold(struct rocks_gen *g);
void rocks_gen_drop(struct kv_rocks *e, struct rocks_gen *g); /* NULL is fine */
int rocks_gen_flush(struct kv_rocks *e, struct rocks_gen *g);
int rocks_gen_compact(struct kv_rocks *e, struct rocks_gen *g);
/* Read everything, checking every checksum. MS_ECORRUPT. */
int rocks_gen_verify(struct kv_rocks *e, struct rocks_gen *g);
/* A checkpoint is made under a name that does not count, and counts from the second call on. */
int rocks_checkpoint_make(struct kv_rocks *e, struct rocks_gen *g);
int rocks_checkpoint_publish(struct kv_rocks *e);

/* kv_rocks_space.c: what needs room on the disk is not begun where there is none. */
int rocks_space_ready(struct kv_rocks *e);     /* 0, or MS_ENOSPC: no batch now */
void rocks_space_written(struct kv_rocks *e);  /* the batch is about to be written */
int rocks_space_for_flush(struct kv_rocks *e); /* 0, or MS_ENOSPC: no flush now */
/* What a failure comes to that harms nothing which is there, in a generation that is being built or in a
 * checkpoint: where the disk is full it is tried again when there is room, MS_ENOSPC. */
int rocks_space_judge(struct kv_rocks *e, struct rocks_gen *g, int status);
bool rocks_space_for_compaction(struct kv_rocks *e);
uint64_t rocks_space_free(struct kv_rocks *e);
void rocks_space_replaced(struct kv_rocks *e); /* another database is the current one */

/* kv_rocks_reserve.c: a file whose room the next opening can have. */
void rocks_reserve_make(struct kv_rocks *e);    /* where there is plenty */
void rocks_reserve_drop(struct kv_rocks *e);    /* the database goes */
void rocks_reserve_release(struct kv_rocks *e); /* where an opening would not find room otherwise */
/* 0, or MS_ENOSPC, recorded: path is not to be opened. */
int rocks_reserve_check(struct kv_rocks *e, const char *path);

/* kv_rocks_open.c */
int rocks_open_state(struct kv_rocks *e);

#endif
