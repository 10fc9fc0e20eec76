#include "api/events.hpp"

#include <nlohmann/json.hpp>

#include "api/documents.hpp"
#include "api/state.hpp"

namespace m365stage::api {

event_hub::event_hub(boost::asio::any_io_executor executor, service& about, std::size_t most_listeners)
    : executor_(std::move(executor)), service_(about), most_listeners_(most_listeners) {
    source_ = service_.listen([this](const char* what) { publish(what); });
}

async::task<std::shared_ptr<const std::string>> event_hub::listener::next(std::chrono::seconds longest) {
    if (queue_.empty() && !over_) {
        co_await woken_.wait_for(longest);
    }
    if (queue_.empty()) {
        co_return nullptr;
    }
    auto text = std::move(queue_.front());
    queue_.pop_front();
    co_return text;
}

std::shared_ptr<const std::string> event_hub::event_text(const char* what) {
    const nlohmann::json data{{"what", what}, {"service", service_document(service_.state())}};
    return std::make_shared<const std::string>(
        "id: " + std::to_string(++number_) + "\nevent: state\ndata: " + dump(data) + "\n\n"
    );
}

void event_hub::forget_gone() {
    listeners_.remove_if([](const auto& l) { return l.expired(); });
}

std::size_t event_hub::listeners() const {
    std::size_t n = 0;
    for (const auto& l : listeners_) {
        n += l.expired() ? 0 : 1;
    }
    return n;
}

std::shared_ptr<event_hub::listener> event_hub::subscribe() {
    forget_gone();
    if (closed_ || listeners_.size() >= most_listeners_) {
        return nullptr;
    }
    auto added = std::make_shared<listener>(executor_);
    added->queue_.push_back(event_text("begin"));
    listeners_.push_back(added);
    return added;
}

void event_hub::publish(const char* what) {
    forget_gone();
    if (listeners_.empty()) {
        return;
    }
    const auto text = event_text(what);
    for (const auto& weak : listeners_) {
        const auto l = weak.lock();
        if (!l || l->over_) {
            continue;
        }
        if (l->queue_.size() >= longest_queue) {
            l->over_ = true;
            l->queue_.clear();
        } else {
            l->queue_.push_back(text);
        }
        l->woken_.notify_all();
    }
}

void event_hub::close() {
    closed_ = true;
    for (const auto& weak : listeners_) {
        if (const auto l = weak.lock()) {
            l->over_ = true;
            l->woken_.notify_all();
        }
    }
}

}  // namespace m365stage::api
