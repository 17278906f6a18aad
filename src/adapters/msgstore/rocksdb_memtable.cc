#include <rocksdb/memtablerep.h>
#include <rocksdb/options.h>
#include <rocksdb/slice.h>

#include <memory>
#include <new>

#include "adapters/msgstore/rocksdb_handles.h"
#include "adapters/msgstore/rocksdb_shim.h"
#include "adapters/msgstore/row_table.h"

namespace rocksdb
{
/*
 * Of RocksDB's memory/arena.h, which is not installed although memtablerep.h needs it, the one call: a library without
 * it does not link.
 */
class Arena
{
  public:
    char *AllocateAligned(size_t bytes, size_t huge_page_size, Logger *logger);
};
} // namespace rocksdb

namespace
{

class RowIterator final : public rocksdb::MemTableRep::Iterator
{
  public:
    explicit RowIterator(struct row_table *table) { row_cursor_init(&cursor_, table); }

    bool Valid() const override { return cursor_.entry != nullptr; }
    const char *key() const override { return cursor_.entry; }
    void Next() override { row_cursor_next(&cursor_); }
    void Prev() override { row_cursor_prev(&cursor_); }
    void SeekToFirst() override { row_cursor_first(&cursor_); }
    void SeekToLast() override { row_cursor_last(&cursor_); }

    void Seek(const rocksdb::Slice &internal_key, const char *) override
    {
        row_cursor_seek(&cursor_, internal_key.data(), internal_key.size());
    }

    void SeekForPrev(const rocksdb::Slice &internal_key, const char *) override
    {
        row_cursor_seek_back(&cursor_, internal_key.data(), internal_key.size());
    }

  private:
    struct row_cursor cursor_;
};

class RowMemTable final : public rocksdb::MemTableRep
{
  public:
    explicit RowMemTable(rocksdb::Allocator *allocator) : MemTableRep(allocator), table_(row_table_new()) {}
    ~RowMemTable() override { row_table_free(table_); }
    RowMemTable(const RowMemTable &) = delete;
    RowMemTable &operator=(const RowMemTable &) = delete;

    void Insert(rocksdb::KeyHandle handle) override { row_table_add(table_, static_cast<const char *>(handle)); }
    bool Contains(const char *entry) const override { return row_table_has(table_, entry); }
    size_t ApproximateMemoryUsage() override { return row_table_bytes(table_); }

    Iterator *GetIterator(rocksdb::Arena *arena) override
    {
        if (arena == nullptr) return new RowIterator(table_);
        return new (arena->AllocateAligned(sizeof(RowIterator), 0, nullptr)) RowIterator(table_);
    }

  private:
    struct row_table *table_;
};

class RowMemTableFactory final : public rocksdb::MemTableRepFactory
{
  public:
    using rocksdb::MemTableRepFactory::CreateMemTableRep;

    rocksdb::MemTableRep *CreateMemTableRep(const rocksdb::MemTableRep::KeyComparator &, rocksdb::Allocator *allocator,
                                            const rocksdb::SliceTransform *, rocksdb::Logger *) override
    {
        return new RowMemTable(allocator);
    }

    const char *Name() const override { return "kith.row_table"; }
};

} // namespace

void rocksdb_shim_options_row_table(rocksdb_options_t *options)
{
    options->rep.memtable_factory = std::make_shared<RowMemTableFactory>();
    options->rep.allow_concurrent_memtable_write = false;
}
