#include "restore/read_back.hpp"

#include "async/group.hpp"

namespace m365stage::restore {
namespace {

// Folders at a time; limits of a drive or a mailbox are kept by the client.
constexpr int most_at_once = 8;

class reader {
public:
    reader(context& with, bool last) : with_(with), last_(last) {}

    task<core::result<std::uint64_t>> run() {
        auto all = co_await with_.log.written_folders();
        folders_ = std::move(all);
        std::vector<task<void>> workers;
        for (int n = 0; n < most_at_once; ++n) {
            workers.push_back(work());
        }
        co_await async::run_all(with_.executor, std::move(workers));
        if (end_.has_error()) {
            co_return end_.error();
        }
        co_return open_;
    }

private:
    task<void> work() {
        while (next_ < folders_.size() && !end_.has_error()) {
            const auto& where = folders_[next_++];
            const auto* k = parse_journal_target(where.target).first;
            if (k == nullptr) {
                continue;
            }
            auto open = co_await k->read_back(with_, where, last_);
            if (open) {
                open_ += *open;
            } else {
                end_ = open.error();
            }
        }
    }

    context& with_;
    const bool last_;
    std::vector<journal::written_folder> folders_;
    std::size_t next_ = 0;
    std::uint64_t open_ = 0;
    core::result<void> end_;
};

}  // namespace

task<core::result<std::uint64_t>> read_back_all(context& with, bool last) {
    reader r(with, last);
    auto open = co_await r.run();
    co_return open;
}

}  // namespace m365stage::restore
