#include "restore/read_back.hpp"

#include "restore/spread.hpp"

namespace m365stage::restore {
namespace {

// Folders at a time; limits of a drive or a mailbox are kept by the client.
constexpr int folders_at_once = 8;

class whole_reader {
public:
    whole_reader(context& with, bool last) : with_(with), last_(last) {}

    task<core::result<std::uint64_t>> run() {
        auto all = co_await with_.log.written_folders();
        folders_ = std::move(all);
        auto one = [this](std::size_t n) { return read(folders_[n]); };
        auto done = co_await spread(with_, folders_.size(), folders_at_once, std::move(one));
        if (!done) {
            co_return done.error();
        }
        co_return open_;
    }

private:
    task<core::result<void>> read(const journal::written_folder& where) {
        const auto* k = parse_journal_target(where.target).first;
        if (k == nullptr) {
            co_return core::result<void>();
        }
        auto open = co_await k->read_back(with_, where, last_);
        if (!open) {
            co_return open.error();
        }
        open_ += *open;
        co_return core::result<void>();
    }

    context& with_;
    const bool last_;
    std::vector<journal::written_folder> folders_;
    std::uint64_t open_ = 0;
};

}  // namespace

task<core::result<std::uint64_t>> read_back_all(context& with, bool last) {
    whole_reader r(with, last);
    auto open = co_await r.run();
    co_return open;
}

}  // namespace m365stage::restore
