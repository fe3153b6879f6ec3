// sim_rocks_env.cc: see sim_rocks_env.h. The one file of the simulator that speaks RocksDB's C++.
//
// RocksDB must never hear of a full disk, or of an error that may pass: it would start threads that try
// again, in real time. So there are two errors: a path that is not there, and an I/O error.
#include "sim/sim_rocks_env.h"

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <rocksdb/system_clock.h>
#include <rocksdb/utilities/object_registry.h>

#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

extern "C" {
#include "base/ms_err.h"
}

namespace
{

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;
using rocksdb::Status;

// --- the disk, one call at a time ---

struct Disk {
    struct disk *below;
    std::mutex lock;
    bool dead = false;
    uint64_t hash = 0, calls = 0;

    void fold(uint64_t v)
    {
        hash = (hash ^ v) * UINT64_C(0x9fb21c651e98df25);
        hash ^= hash >> 29;
    }

    int call(struct disk_op *op)
    {
        std::lock_guard<std::mutex> guard(lock);
        if (dead) return MS_EIO;
        op->lane = DISK_LANE_BULK;
        int rv = below->ops->call(below, op);
        calls++;
        fold(static_cast<uint64_t>(op->kind));
        for (const char *p = op->path; *p; p++) fold(static_cast<uint64_t>(*p));
        fold(op->offset);
        fold(op->len);
        fold(static_cast<uint64_t>(rv));
        return rv;
    }

    int list(const std::string &path,
             int (*cb)(void *arg, const char *name, bool is_dir, uint64_t size_bytes), void *arg)
    {
        std::lock_guard<std::mutex> guard(lock);
        return dead ? MS_EIO : below->ops->list(below, path.c_str(), cb, arg);
    }
};

IOStatus status_of(int rv, const std::string &path)
{
    if (rv >= 0) return IOStatus::OK();
    if (rv == MS_ENOTFOUND) return IOStatus::PathNotFound(path);
    return IOStatus::IOError(path, ms_err_text(rv));
}

// The simulator's paths are short.
void set_path(char (&out)[DISK_PATH_BYTES_MAX], const std::string &path)
{
    if (path.size() >= sizeof out) std::abort();
    std::memcpy(out, path.c_str(), path.size() + 1);
}

int call_path(Disk *d, enum disk_op_kind kind, const std::string &path, const std::string &path2 = "")
{
    struct disk_op op = {};
    op.kind = kind;
    set_path(op.path, path);
    set_path(op.path2, path2);
    return d->call(&op);
}

// --- open files ---

struct Handle {
    Disk *disk;
    std::string path;
    disk_file file = DISK_FILE_NONE;
    uint64_t size = 0; // when it was opened

    Handle(Disk *d, const std::string &p) : disk(d), path(p) {}
    ~Handle() { close(); }

    int open(bool create)
    {
        struct disk_op op = {};
        op.kind = DISK_OP_OPEN;
        op.create = create;
        set_path(op.path, path);
        int rv = disk->call(&op);
        file = rv < 0 ? DISK_FILE_NONE : op.file;
        size = op.size_bytes;
        return rv;
    }

    int on_file(enum disk_op_kind kind, uint64_t offset, void *buf, size_t len, size_t *done)
    {
        struct disk_op op = {};
        op.kind = kind;
        op.file = file;
        op.offset = offset;
        op.buf = buf;
        op.len = len;
        int rv = disk->call(&op);
        if (done) *done = op.done_bytes;
        return rv;
    }

    void close()
    {
        if (file != DISK_FILE_NONE) on_file(DISK_OP_CLOSE, 0, nullptr, 0, nullptr);
        file = DISK_FILE_NONE;
    }

    // What fails is said in RocksDB's own words, which kv_rocks_error.c looks for.
    IOStatus read(uint64_t offset, size_t n, Slice *result, char *scratch)
    {
        size_t done = 0;
        int rv = 0;
        while (rv == 0 && done < n) { // a read that did a part is gone on with, as the runtime's does
            size_t part = 0;
            rv = on_file(DISK_OP_READ, offset + done, scratch + done, n - done, &part);
            done += part;
        }
        *result = Slice(scratch, done);
        if (rv == MS_EIO) return IOStatus::IOError("While pread: " + path, "Input/output error");
        return rv == MS_ESHORT ? IOStatus::OK() : status_of(rv, path);
    }
};

class SequentialFile : public rocksdb::FSSequentialFile
{
    std::unique_ptr<Handle> handle;
    uint64_t at = 0;

  public:
    explicit SequentialFile(std::unique_ptr<Handle> h) : handle(std::move(h)) {}
    IOStatus Read(size_t n, const IOOptions &, Slice *result, char *scratch, IODebugContext *) override
    {
        IOStatus s = handle->read(at, n, result, scratch);
        at += result->size();
        return s;
    }
    IOStatus Skip(uint64_t n) override
    {
        at += n;
        return IOStatus::OK();
    }
};

class RandomAccessFile : public rocksdb::FSRandomAccessFile
{
    std::unique_ptr<Handle> handle;

  public:
    explicit RandomAccessFile(std::unique_ptr<Handle> h) : handle(std::move(h)) {}
    IOStatus Read(uint64_t offset, size_t n, const IOOptions &, Slice *result, char *scratch,
                  IODebugContext *) const override
    {
        return handle->read(offset, n, result, scratch);
    }
};

class WritableFile : public rocksdb::FSWritableFile
{
    std::unique_ptr<Handle> handle;
    uint64_t end;

  public:
    WritableFile(std::unique_ptr<Handle> h, uint64_t from) : handle(std::move(h)), end(from) {}
    using rocksdb::FSWritableFile::Append;
    IOStatus Append(const Slice &data, const IOOptions &, IODebugContext *) override
    {
        size_t done = 0;
        int rv = handle->on_file(DISK_OP_WRITE, end, const_cast<char *>(data.data()), data.size(), &done);
        if (rv == 0 && done != data.size()) rv = MS_EIO;
        if (rv == 0) end += data.size();
        return status_of(rv, handle->path);
    }
    IOStatus Truncate(uint64_t size, const IOOptions &, IODebugContext *) override
    {
        end = size;
        return status_of(handle->on_file(DISK_OP_TRUNCATE, size, nullptr, 0, nullptr), handle->path);
    }
    IOStatus Close(const IOOptions &, IODebugContext *) override
    {
        handle->close();
        return IOStatus::OK();
    }
    IOStatus Flush(const IOOptions &, IODebugContext *) override { return IOStatus::OK(); }
    IOStatus Sync(const IOOptions &, IODebugContext *) override
    {
        return status_of(handle->on_file(DISK_OP_SYNC, 0, nullptr, 0, nullptr), handle->path);
    }
    uint64_t GetFileSize(const IOOptions &, IODebugContext *) override { return end; }
};

class Directory : public rocksdb::FSDirectory
{
    Disk *disk;
    std::string path;

  public:
    Directory(Disk *d, const std::string &p) : disk(d), path(p) {}
    IOStatus Fsync(const IOOptions &, IODebugContext *) override
    {
        return status_of(call_path(disk, DISK_OP_SYNC_DIR, path), path);
    }
    IOStatus Close(const IOOptions &, IODebugContext *) override { return IOStatus::OK(); }
};

// What is running is of no interest, and a log file would be one more file.
class Silence : public rocksdb::Logger
{
  public:
    Silence() : rocksdb::Logger(rocksdb::InfoLogLevel::FATAL_LEVEL) {}
    using rocksdb::Logger::Logv;
    void Logv(const char *, va_list) override {}
};

class Lock : public rocksdb::FileLock
{
};

// --- names ---

struct Entry {
    bool found = false, is_dir = false;
    uint64_t size = 0;
    std::string name;
};

int note_entry(void *arg, const char *name, bool is_dir, uint64_t size_bytes)
{
    Entry *e = static_cast<Entry *>(arg);
    if (e->name != name) return 0;
    e->found = true;
    e->is_dir = is_dir;
    e->size = size_bytes;
    return 1;
}

int note_child(void *arg, const char *name, bool, uint64_t)
{
    static_cast<std::vector<std::string> *>(arg)->push_back(name);
    return 0;
}

std::string trimmed(std::string path)
{
    while (path.size() > 1 && path.back() == '/') path.pop_back();
    return path;
}

Entry entry_of(Disk *d, const std::string &raw)
{
    std::string path = trimmed(raw);
    Entry e;
    size_t slash = path.rfind('/');
    e.name = slash == std::string::npos ? path : path.substr(slash + 1);
    d->list(slash == std::string::npos ? "." : path.substr(0, slash), note_entry, &e);
    return e;
}

class Files : public rocksdb::FileSystem
{
    Disk *disk;

    IOStatus handle(const std::string &path, bool create, std::unique_ptr<Handle> *out)
    {
        out->reset(new Handle(disk, path));
        return status_of((*out)->open(create), path);
    }

    IOStatus writable(const std::string &path, bool empty, std::unique_ptr<rocksdb::FSWritableFile> *out)
    {
        std::unique_ptr<Handle> h;
        IOStatus s = handle(path, true, &h);
        if (s.ok() && empty && h->size > 0)
            s = status_of(h->on_file(DISK_OP_TRUNCATE, 0, nullptr, 0, nullptr), path);
        uint64_t from = empty ? 0 : h->size;
        if (s.ok()) out->reset(new WritableFile(std::move(h), from));
        return s;
    }

  public:
    explicit Files(Disk *d) : disk(d) {}
    const char *Name() const override { return "MetaStoreSimulatedFiles"; }

    IOStatus NewSequentialFile(const std::string &path, const rocksdb::FileOptions &,
                               std::unique_ptr<rocksdb::FSSequentialFile> *out, IODebugContext *) override
    {
        std::unique_ptr<Handle> h;
        IOStatus s = handle(path, false, &h);
        if (s.ok()) out->reset(new SequentialFile(std::move(h)));
        return s;
    }
    IOStatus NewRandomAccessFile(const std::string &path, const rocksdb::FileOptions &,
                                 std::unique_ptr<rocksdb::FSRandomAccessFile> *out,
                                 IODebugContext *) override
    {
        std::unique_ptr<Handle> h;
        IOStatus s = handle(path, false, &h);
        if (s.ok()) out->reset(new RandomAccessFile(std::move(h)));
        return s;
    }
    IOStatus NewWritableFile(const std::string &path, const rocksdb::FileOptions &,
                             std::unique_ptr<rocksdb::FSWritableFile> *out, IODebugContext *) override
    {
        return writable(path, true, out);
    }
    IOStatus ReopenWritableFile(const std::string &path, const rocksdb::FileOptions &,
                                std::unique_ptr<rocksdb::FSWritableFile> *out, IODebugContext *) override
    {
        return writable(path, false, out);
    }
    IOStatus NewDirectory(const std::string &path, const IOOptions &,
                          std::unique_ptr<rocksdb::FSDirectory> *out, IODebugContext *) override
    {
        out->reset(new Directory(disk, path));
        return IOStatus::OK();
    }
    IOStatus FileExists(const std::string &path, const IOOptions &, IODebugContext *) override
    {
        return entry_of(disk, path).found ? IOStatus::OK() : IOStatus::NotFound(path);
    }
    IOStatus GetChildren(const std::string &path, const IOOptions &, std::vector<std::string> *out,
                         IODebugContext *) override
    {
        out->clear();
        int rv = disk->list(trimmed(path), note_child, out);
        return status_of(rv, path);
    }
    IOStatus DeleteFile(const std::string &path, const IOOptions &, IODebugContext *) override
    {
        return status_of(call_path(disk, DISK_OP_REMOVE, path), path);
    }
    IOStatus CreateDir(const std::string &path, const IOOptions &, IODebugContext *) override
    {
        return status_of(call_path(disk, DISK_OP_MKDIR, path), path);
    }
    IOStatus CreateDirIfMissing(const std::string &path, const IOOptions &, IODebugContext *) override
    {
        int rv = call_path(disk, DISK_OP_MKDIR, path);
        return status_of(rv == MS_EEXIST ? 0 : rv, path);
    }
    IOStatus DeleteDir(const std::string &path, const IOOptions &, IODebugContext *) override
    {
        return status_of(call_path(disk, DISK_OP_REMOVE_DIR, path), path);
    }
    IOStatus GetFileSize(const std::string &path, const IOOptions &, uint64_t *size,
                         IODebugContext *) override
    {
        Entry e = entry_of(disk, path);
        *size = e.size;
        return e.found ? IOStatus::OK() : IOStatus::PathNotFound(path);
    }
    IOStatus GetFileModificationTime(const std::string &path, const IOOptions &, uint64_t *time,
                                     IODebugContext *) override
    {
        *time = 0;
        return entry_of(disk, path).found ? IOStatus::OK() : IOStatus::PathNotFound(path);
    }
    IOStatus RenameFile(const std::string &from, const std::string &to, const IOOptions &,
                        IODebugContext *) override
    {
        return status_of(call_path(disk, DISK_OP_RENAME, trimmed(from), trimmed(to)), from);
    }
    IOStatus LinkFile(const std::string &from, const std::string &to, const IOOptions &,
                      IODebugContext *) override
    {
        return status_of(call_path(disk, DISK_OP_LINK, from, to), from);
    }
    IOStatus LockFile(const std::string &, const IOOptions &, rocksdb::FileLock **out,
                      IODebugContext *) override
    {
        *out = new Lock; // the member's directory is locked as a whole
        return IOStatus::OK();
    }
    IOStatus UnlockFile(rocksdb::FileLock *lock, const IOOptions &, IODebugContext *) override
    {
        delete lock;
        return IOStatus::OK();
    }
    IOStatus GetTestDirectory(const IOOptions &, std::string *path, IODebugContext *) override
    {
        *path = ".";
        return IOStatus::OK();
    }
    IOStatus NewLogger(const std::string &, const IOOptions &, std::shared_ptr<rocksdb::Logger> *out,
                       IODebugContext *) override
    {
        out->reset(new Silence);
        return IOStatus::OK();
    }
    IOStatus GetAbsolutePath(const std::string &path, const IOOptions &, std::string *out,
                             IODebugContext *) override
    {
        *out = path;
        return IOStatus::OK();
    }
    IOStatus GetFreeSpace(const std::string &path, const IOOptions &, uint64_t *bytes,
                          IODebugContext *) override
    {
        struct disk_op op = {};
        op.kind = DISK_OP_FREE_SPACE;
        set_path(op.path, path);
        int rv = disk->call(&op);
        *bytes = op.size_bytes;
        return status_of(rv, path);
    }
    IOStatus IsDirectory(const std::string &path, const IOOptions &, bool *is_dir,
                         IODebugContext *) override
    {
        Entry e = entry_of(disk, path);
        *is_dir = e.is_dir;
        return e.found ? IOStatus::OK() : IOStatus::PathNotFound(path);
    }
};

// --- time and threads ---

class Clock : public rocksdb::SystemClock
{
    struct sim_rocks_env_opts opts;
    uint64_t slept = 0;

  public:
    explicit Clock(const struct sim_rocks_env_opts &o) : opts(o) {}
    const char *Name() const override { return "MetaStoreSimulatedClock"; }
    uint64_t NowMicros() override { return opts.now_us(opts.ctx) + slept; }
    uint64_t NowNanos() override { return 1000 * NowMicros(); }
    // Virtual time stands still while RocksDB runs: who waits for it has to see it pass.
    void SleepForMicroseconds(int micros) override { slept += static_cast<uint64_t>(micros); }
    Status GetCurrentTime(int64_t *out) override
    {
        *out = static_cast<int64_t>(NowMicros() / 1000000);
        return Status::OK();
    }
    std::string TimeToString(uint64_t time) override { return std::to_string(time); }
};

struct Work {
    void (*run)(void *);
    void *arg, *tag;
    void (*dropped)(void *);
};

class Worker
{
    std::mutex lock;
    std::condition_variable wake, idle;
    std::deque<Work> queue;
    bool busy = false, stopping = false;
    std::thread thread;

    void main()
    {
        std::unique_lock<std::mutex> guard(lock);
        for (;;) {
            wake.wait(guard, [this] { return stopping || !queue.empty(); });
            if (queue.empty()) return;
            Work w = queue.front();
            queue.pop_front();
            busy = true;
            guard.unlock();
            w.run(w.arg);
            guard.lock();
            busy = false;
            if (queue.empty()) idle.notify_all();
        }
    }

  public:
    void add(const Work &w)
    {
        std::lock_guard<std::mutex> guard(lock);
        if (!thread.joinable()) thread = std::thread(&Worker::main, this);
        queue.push_back(w);
        wake.notify_one();
    }
    void settle()
    {
        std::unique_lock<std::mutex> guard(lock);
        idle.wait(guard, [this] { return queue.empty() && !busy; });
    }
    int drop(const void *tag)
    {
        std::vector<Work> gone;
        {
            std::lock_guard<std::mutex> guard(lock);
            for (auto i = queue.begin(); i != queue.end();) {
                if (i->tag != tag) {
                    ++i;
                    continue;
                }
                gone.push_back(*i);
                i = queue.erase(i);
            }
            if (queue.empty() && !busy) idle.notify_all();
        }
        for (const Work &w : gone) {
            if (w.dropped) w.dropped(w.arg);
        }
        return static_cast<int>(gone.size());
    }
    unsigned waiting()
    {
        std::lock_guard<std::mutex> guard(lock);
        return static_cast<unsigned>(queue.size());
    }
    ~Worker()
    {
        {
            std::lock_guard<std::mutex> guard(lock);
            stopping = true;
        }
        wake.notify_one();
        if (thread.joinable()) thread.join();
    }
};

class Environment : public rocksdb::EnvWrapper
{
    mutable Worker worker;
    uint64_t ids = 0;

  public:
    Environment(rocksdb::Env *base, const std::shared_ptr<rocksdb::SystemClock> &clock)
        : rocksdb::EnvWrapper(base)
    {
        system_clock_ = clock;
    }
    const char *Name() const override { return "MetaStoreSimulatedEnv"; }
    void settle() { worker.settle(); }

    void Schedule(void (*run)(void *), void *arg, Priority, void *tag, void (*dropped)(void *)) override
    {
        worker.add(Work{ run, arg, tag, dropped });
    }
    int UnSchedule(void *tag, Priority) override { return worker.drop(tag); }
    void StartThread(void (*run)(void *), void *arg) override
    {
        worker.add(Work{ run, arg, nullptr, nullptr });
    }
    void WaitForJoin() override { worker.settle(); }
    unsigned int GetThreadPoolQueueLen(Priority) const override { return worker.waiting(); }
    void SetBackgroundThreads(int, Priority) override {}
    int GetBackgroundThreads(Priority) override { return 1; }
    void IncBackgroundThreadsIfNeeded(int, Priority) override {}
    void LowerThreadPoolIOPriority(Priority) override {}
    void LowerThreadPoolCPUPriority(Priority) override {}
    Status LowerThreadPoolCPUPriority(Priority, rocksdb::CpuPriority) override { return Status::OK(); }
    Status GetHostName(char *name, uint64_t len) override
    {
        std::snprintf(name, len, "sim");
        return Status::OK();
    }
    std::string GenerateUniqueId() override { return "simulated-" + std::to_string(++ids); }
    uint64_t GetThreadID() const override { return 1; }
    uint64_t NowMicros() override { return system_clock_->NowMicros(); }
    uint64_t NowNanos() override { return system_clock_->NowNanos(); }
    uint64_t NowCPUNanos() override { return 0; }
    void SleepForMicroseconds(int micros) override { system_clock_->SleepForMicroseconds(micros); }
    Status GetCurrentTime(int64_t *out) override { return system_clock_->GetCurrentTime(out); }
    std::string TimeToString(uint64_t time) override { return system_clock_->TimeToString(time); }
};

// --- found by name ---

std::mutex registry_lock;
std::map<std::string, Environment *> registry;
uint64_t registry_next = 1;

// "msdisk#7": who asks gets the object, and does not own it.
rocksdb::Env *find_env(const std::string &uri, std::unique_ptr<rocksdb::Env> *, std::string *error)
{
    std::lock_guard<std::mutex> guard(registry_lock);
    auto i = registry.find(uri);
    if (i != registry.end()) return i->second;
    *error = "no such disk: " + uri;
    return nullptr;
}

void register_factory()
{
    static std::once_flag once;
    std::call_once(once, [] {
        rocksdb::ObjectLibrary::Default()->AddFactory<rocksdb::Env>(
            rocksdb::ObjectLibrary::PatternEntry("msdisk", false).AddNumber("#"), find_env);
    });
}

} // namespace

struct sim_rocks_env {
    Disk disk;
    std::unique_ptr<rocksdb::Env> base;
    std::unique_ptr<Environment> env;
    std::string name;
};

struct sim_rocks_env *sim_rocks_env_create(const struct sim_rocks_env_opts *opts)
{
    register_factory();
    sim_rocks_env *e = new sim_rocks_env;
    e->disk.below = opts->disk;
    e->base = rocksdb::NewCompositeEnv(std::make_shared<Files>(&e->disk));
    e->env.reset(new Environment(e->base.get(), std::make_shared<Clock>(*opts)));
    std::lock_guard<std::mutex> guard(registry_lock);
    e->name = "msdisk#" + std::to_string(registry_next++);
    registry[e->name] = e->env.get();
    return e;
}

void sim_rocks_env_destroy(struct sim_rocks_env *env)
{
    if (!env) return;
    {
        std::lock_guard<std::mutex> guard(registry_lock);
        registry.erase(env->name);
    }
    delete env;
}

const char *sim_rocks_env_name(const struct sim_rocks_env *env)
{
    return env->name.c_str();
}

void sim_rocks_env_settle(void *env)
{
    static_cast<sim_rocks_env *>(env)->env->settle();
}

void sim_rocks_env_die(struct sim_rocks_env *env)
{
    std::lock_guard<std::mutex> guard(env->disk.lock);
    env->disk.dead = true;
}

uint64_t sim_rocks_env_hash(const struct sim_rocks_env *env)
{
    return env->disk.hash;
}

uint64_t sim_rocks_env_calls(const struct sim_rocks_env *env)
{
    return env->disk.calls;
}
