#include "adapters/msgstore/rocksdb_shim.h"

#include <rocksdb/db.h>
#include <rocksdb/listener.h>
#include <rocksdb/options.h>
#include <rocksdb/slice_transform.h>

#include <cstdlib>
#include <cstring>
#include <memory>

/*
 * The handles of c.h, as RocksDB's db/c.cc defines them (unchanged from LevelDB's days to 9.x). The header keeps them
 * opaque; the test that fills a disk (test_msgstore) would not survive a change.
 */
extern "C" {
struct rocksdb_t {
    rocksdb::DB *rep;
};
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

    void OnBackgroundError(rocksdb::BackgroundErrorReason, rocksdb::Status *error) override
    {
        const bool no_space = error->IsNoSpace() || error->subcode() == rocksdb::Status::SubCode::kSpaceLimit;
        watch_.failed(watch_.arg, error->ToString().c_str(), no_space);
    }

    void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason, rocksdb::Status, bool *auto_recovery) override
    {
        *auto_recovery = false;
    }

  private:
    struct rocksdb_shim_watch watch_;
};

} // namespace

void rocksdb_shim_options_watch(rocksdb_options_t *options, const struct rocksdb_shim_watch *watch)
{
    options->rep.listeners.push_back(std::make_shared<Watcher>(*watch));
    options->rep.max_bgerror_resume_count = 0;
}

void rocksdb_shim_options_hint(rocksdb_options_t *options, size_t prefix_bytes)
{
    options->rep.memtable_insert_with_hint_prefix_extractor.reset(rocksdb::NewFixedPrefixTransform(prefix_bytes));
    options->rep.allow_concurrent_memtable_write = false;
}

void rocksdb_shim_resume(rocksdb_t *db, char **errptr)
{
    const rocksdb::Status status = db->rep->Resume();

    if (status.ok()) return;
    std::free(*errptr);
    *errptr = strdup(status.ToString().c_str());
    if (*errptr == nullptr) std::abort(); /* no text would mean no error */
}
