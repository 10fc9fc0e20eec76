// Runs a fuzz target without libFuzzer: over the kept inputs, and over mutations of them that are the same
// every time.

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

constexpr int usual_mutations = 2'000;
constexpr std::size_t longest_input = 65'536;
constexpr const char* crash_file = "fuzz_replay_crash.bin";

std::string current;

/// Keeps the input that ended the program. Only write(2) and its like: the process is already broken.
extern "C" void keep_input(int signal_number) {
    const int file = ::open(crash_file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (file >= 0 && ::write(file, current.data(), current.size()) >= 0) {
        constexpr std::string_view text = "the input is kept in fuzz_replay_crash.bin\n";
        [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text.data(), text.size());
    }
    ::signal(signal_number, SIG_DFL);
    ::raise(signal_number);
}

void run(const std::string& input) {
    current = input;
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(current.data()), current.size());
}

std::vector<std::string> read_inputs(const std::filesystem::path& folder) {
    std::vector<std::filesystem::path> files;
    if (std::filesystem::is_directory(folder)) {
        for (const auto& entry : std::filesystem::directory_iterator(folder)) {
            files.push_back(entry.path());
        }
    }
    std::sort(files.begin(), files.end());  // the order decides what the mutations are
    std::vector<std::string> inputs;
    for (const auto& path : files) {
        std::ifstream file(path, std::ios::binary);
        inputs.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    }
    return inputs;
}

class mutator {
public:
    explicit mutator(const std::vector<std::string>& inputs) : inputs_(inputs) {}

    std::string next() {
        std::string out = pick();
        for (std::size_t rounds = 1 + below(6); rounds > 0; --rounds) {
            change(out);
        }
        out.resize(std::min(out.size(), longest_input));
        return out;
    }

private:
    // Not std::uniform_int_distribution, whose results differ between standard libraries.
    std::size_t below(std::size_t limit) { return limit == 0 ? 0 : random_() % limit; }

    const std::string& pick() { return inputs_[below(inputs_.size())]; }

    void change(std::string& text) {
        const std::size_t at = below(text.size() + 1);
        const std::size_t count = below(16) + 1;
        switch (below(6)) {
            case 0:
                if (at < text.size()) {
                    text[at] = static_cast<char>(text[at] ^ (1 << below(8)));
                }
                break;
            case 1:
                text.erase(at, count);
                break;
            case 2:
                text.insert(at, 1, static_cast<char>(below(256)));
                break;
            case 3:
                text.insert(at, std::string(text, below(text.size() + 1), count));
                break;
            case 4: {
                const std::string& other = pick();
                text = text.substr(0, at) + other.substr(below(other.size() + 1));
                break;
            }
            default: {
                constexpr std::string_view signs = "{}[]\"'\\:,-#&*!|>%@` \t\n0/.\xff";
                text.insert(at, std::string(count, signs[below(signs.size())]));
            }
        }
    }

    const std::vector<std::string>& inputs_;
    std::mt19937_64 random_{20'240'229};
};

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2 && argc != 3) {
        std::fprintf(stderr, "usage: %s FOLDER-OR-FILE [MUTATIONS]\n", argv[0]);
        return 2;
    }
    const int mutations = argc == 3 ? std::atoi(argv[2]) : usual_mutations;
    for (int signal_number : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL}) {
        ::signal(signal_number, keep_input);
    }
    if (std::filesystem::is_regular_file(argv[1])) {  // one kept input, to look into it
        std::ifstream file(argv[1], std::ios::binary);
        run(std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()));
        return 0;
    }
    std::vector<std::string> inputs = read_inputs(argv[1]);
    for (const std::string& input : inputs) {
        run(input);
    }
    std::printf("%zu kept inputs, %d mutations\n", inputs.size(), mutations);
    if (inputs.empty()) {
        inputs.emplace_back();
    }
    mutator mutate(inputs);
    for (int i = 0; i < mutations; ++i) {
        run(mutate.next());
    }
    return 0;
}
