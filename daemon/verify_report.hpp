#pragma once

#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <thread>
#include <vector>

#include "daemon/progress.hpp"
#include "tree/verify.hpp"

namespace m365stage::daemon {

/// Prints problems as they are found and counts them: a line each for people (the first 1,000), an object a
/// line as JSON.
class verify_report {
public:
    /// `keep`: remember what has a row in the index, to repair it.
    verify_report(bool json, bool keep) : json_(json), keep_(keep) {}

    tree::verify_log log{[this](const tree::problem& p) { print(p); }};
    std::vector<tree::problem> kept;

    nlohmann::json numbers() const;
    void print_numbers() const;

    /// Shows on stderr how far it is, until it is destroyed: a live line on a terminal, a line every five
    /// seconds otherwise.
    class ticker {
    public:
        explicit ticker(const tree::verify_log& log);
        ~ticker();
        ticker(const ticker&) = delete;
        ticker& operator=(const ticker&) = delete;

    private:
        void run();

        const tree::verify_log& log_;
        const bool terminal_;
        const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
        std::mutex mutex_;
        std::condition_variable changed_;
        bool ended_ = false;
        std::thread thread_;
    };

private:
    void print(const tree::problem& p);
    double seconds() const;

    const bool json_, keep_;
    const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
    std::map<std::string, std::uint64_t> counts_;
    std::uint64_t printed_ = 0, left_out_ = 0;
};

}  // namespace m365stage::daemon
