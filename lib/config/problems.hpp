#pragma once

#include <string>
#include <vector>

namespace m365stage::config {

/// Collects what is wrong with a configuration file, in the order of lines, without repeating itself.
class problem_list {
public:
    explicit problem_list(std::string file) : file_(std::move(file)) {}

    /// `line` counts from 1; 0 stands for the file as a whole. `key` may be empty.
    void add(int line, const std::string& key, const std::string& what);

    /// The folder of the configuration file, absolute.
    std::string folder() const;

    bool empty() const { return found_.empty(); }

    /// One line for each problem: the first 20 by line, then how many there are more.
    std::string text() const;

private:
    struct problem {
        int line = 0;
        std::string key;
        std::string what;
    };
    std::string file_;
    std::vector<problem> found_;  ///< by line
};

/// What messages show of a text from the file: printable, short, in double quotes.
std::string quoted(const std::string& text);

}  // namespace m365stage::config
