#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "fake_timing.hpp"
#include "http/http.hpp"

namespace m365stage::test {

inline http::response answer(int status, std::string body = {}) {
    http::response out;
    out.status = status;
    out.body = std::move(body);
    return out;
}

inline http::response answer(int status, std::string body, std::string_view name, std::string_view value) {
    http::response out = answer(status, std::move(body));
    out.fields.set(name, value);
    return out;
}

/// A transport without a network. Answers come from a script, in order, or from `respond`; requests are kept
/// with the (fake) moment at which they were sent. A scripted transport that runs dry answers with an error.
class fake_transport final : public http::transport {
public:
    using outcome = core::result<http::response>;
    struct sent {
        http::request what;
        double at = 0;  ///< seconds since the clock's start
        bool download = false;
    };

    explicit fake_transport(fake_timing& clock) : clock_(clock) {}

    void script(http::response r) { script_.emplace_back(std::move(r)); }
    void script(core::error e) { script_.emplace_back(std::move(e)); }

    /// Asked when the script is empty.
    std::function<outcome(const http::request&)> respond;
    /// How long each call takes.
    std::chrono::milliseconds latency{0};
    /// How long the next call waits for a connection before it is sent.
    std::chrono::milliseconds connecting{0};
    std::vector<sent> requests;
    int in_flight = 0;
    int most_in_flight = 0;

    http::task<outcome> send(http::request r) override { return exchange(std::move(r), nullptr); }
    http::task<outcome> download(http::request r, http::body_sink& sink) override {
        return exchange(std::move(r), &sink);
    }

    std::string field(std::size_t index, std::string_view name) const {
        return std::string(requests.at(index).what.fields.find(name).value_or("(none)"));
    }

private:
    struct flight {
        explicit flight(fake_transport& t) : t_(t) {
            t_.most_in_flight = std::max(t_.most_in_flight, ++t_.in_flight);
        }
        ~flight() { --t_.in_flight; }
        flight(const flight&) = delete;
        flight& operator=(const flight&) = delete;
        fake_transport& t_;
    };

    outcome next(const http::request& r) {
        if (!script_.empty()) {
            outcome out = std::move(script_.front());
            script_.pop_front();
            return out;
        }
        if (respond) {
            return respond(r);
        }
        return core::error(core::error_kind::internal, "the script is at its end");
    }

    http::task<outcome> exchange(http::request r, http::body_sink* sink) {
        flight here(*this);
        if (connecting.count() > 0) {
            const auto connected = clock_.now() + connecting;
            connecting = std::chrono::milliseconds(0);
            co_await clock_.sleep_until(connected);
        }
        if (r.may_send && !r.may_send()) {
            co_return http::held_back();
        }
        sent record;
        record.what = r;
        record.at = clock_.seconds_passed();
        record.download = sink != nullptr;
        requests.push_back(record);
        outcome out = next(r);
        if (latency.count() > 0) {
            co_await clock_.sleep_until(clock_.now() + latency);
        }
        if (sink == nullptr || !out || (out->status != 200 && out->status != 206)) {
            co_return out;
        }
        auto begun = co_await sink->begin(*out);
        if (!begun) {
            co_return begun.error();
        }
        std::string body = std::move(out->body);
        out->body.clear();
        auto written = co_await sink->write(std::as_bytes(std::span(body)));
        if (!written) {
            co_return written.error();
        }
        co_return out;
    }

    fake_timing& clock_;
    std::deque<outcome> script_;
};

/// Keeps a downloaded body.
class text_sink final : public http::body_sink {
public:
    http::task<core::result<void>> begin(const http::response&) override {
        ++begun;
        co_return core::result<void>();
    }
    http::task<core::result<void>> write(std::span<const std::byte> bytes) override {
        text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
        co_return core::result<void>();
    }
    int begun = 0;
    std::string text;
};

}  // namespace m365stage::test
