#include "restore/pace.hpp"

namespace m365stage::restore {

async::task<void> upload_pace::admit(std::string mailbox, std::uint64_t bytes) {
    constexpr std::chrono::seconds grain{5};
    auto& window = sent_.try_emplace(std::move(mailbox), span, grain).first->second;
    const auto amount = std::min(static_cast<double>(bytes), most_bytes);
    for (auto now = clock_.now();; now = clock_.now()) {
        const auto room = window.room_at(now, amount, most_bytes);
        if (room <= now) {
            window.add(now, amount);
            co_return;
        }
        co_await clock_.sleep_until(room);
    }
}

}  // namespace m365stage::restore
