#include "adapters/msgstore/rocksdb_shim.h"

#include <rocksdb/listener.h>
#include <rocksdb/options.h>
#include <rocksdb/slice_transform.h>

#include <memory>

/*
 * The handle of c.h, as RocksDB's db/c.cc defines it (unchanged from LevelDB's days to 9.x). The header keeps it opaque;
 * no test of msgstore_rocksdb would survive a change.
 */
extern "C" {
struct rocksdb_options_t {
    rocksdb::Options rep;
};
}

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
/* RocksDB's threads hand memory to each other by atomics, which ThreadSanitizer cannot see in a library built without it;
 * so it must not look at that library's memcpy() and free() either. Our own code is watched as before. */
extern "C" const char *__tsan_default_options(void)
{
    return "ignore_noninstrumented_modules=1";
}
#endif
#endif

namespace
{

class Watcher : public rocksdb::EventListener
{
  public:
    explicit Watcher(const struct rocksdb_shim_watch &watch) : watch_(watch) {}

    void OnBackgroundError(rocksdb::BackgroundErrorReason reason, rocksdb::Status *error) override
    {
        const bool no_space = error->IsNoSpace() || error->subcode() == rocksdb::Status::SubCode::kSpaceLimit;

        /* A failed compaction that stops no writes is tried again, and nothing is said when it succeeds. */
        if (reason == rocksdb::BackgroundErrorReason::kCompaction &&
            error->severity() < rocksdb::Status::Severity::kHardError)
            return;
        watch_.failed(watch_.arg, error->ToString().c_str(), no_space);
    }

    void OnErrorRecoveryEnd(const rocksdb::BackgroundErrorRecoveryInfo &info) override
    {
        if (info.new_bg_error.ok()) watch_.recovered(watch_.arg);
    }

  private:
    struct rocksdb_shim_watch watch_;
};

} // namespace

void rocksdb_shim_options_watch(rocksdb_options_t *options, const struct rocksdb_shim_watch *watch)
{
    options->rep.listeners.push_back(std::make_shared<Watcher>(*watch));
}

void rocksdb_shim_options_hint(rocksdb_options_t *options, size_t prefix_bytes)
{
    options->rep.memtable_insert_with_hint_prefix_extractor.reset(rocksdb::NewFixedPrefixTransform(prefix_bytes));
    options->rep.allow_concurrent_memtable_write = false;
}
