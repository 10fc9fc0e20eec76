#include <cstdio>
#include <cstdlib>
#include <exception>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "seed.hpp"
#include "server.hpp"

namespace {

using namespace m365stage::sim;

struct command_line {
    bool help = false;
    std::string dir;
    server::options net;
    seed_options seed;
    std::vector<std::pair<std::string, std::string>> imports;
};

const char* usage =
    "usage: m365sim --dir DIR [--listen 127.0.0.1] [--port 0] [--files-port 0] [--seed 1] [--users 3] "
    "[--sites 2]\n"
    "               [--groups 1] [--files-per-drive 20] [--file-size-max 65536] [--specials 1] [--import "
    "LABEL=FOLDER]...\n"
    "               [--shared-mailboxes 0] [--messages-per-mailbox 20] [--message-size 8192]\n"
    "               [--events-per-calendar 12] [--threads 1]\n";

command_line parse(int argc, char** argv) {
    command_line c;
    for (int i = 1; i < argc; ++i) {
        std::string name = argv[i];
        std::string value;
        if (name == "--help" || name == "-h") {
            c.help = true;
            return c;
        }
        auto eq = name.find('=');
        if (eq != std::string::npos && name != "--import") {
            value = name.substr(eq + 1);
            name.resize(eq);
        } else if (i + 1 < argc) {
            value = argv[++i];
        } else {
            throw std::runtime_error("m365sim: " + name + " needs a value");
        }
        if (name == "--dir") {
            c.dir = value;
        } else if (name == "--listen") {
            c.net.listen = value;
        } else if (name == "--port") {
            c.net.port = static_cast<std::uint16_t>(std::stoul(value));
        } else if (name == "--files-port") {
            c.net.files_port = static_cast<std::uint16_t>(std::stoul(value));
        } else if (name == "--seed") {
            c.seed.seed = std::stoull(value);
        } else if (name == "--users") {
            c.seed.users = std::stoi(value);
        } else if (name == "--sites") {
            c.seed.sites = std::stoi(value);
        } else if (name == "--groups") {
            c.seed.groups = std::stoi(value);
        } else if (name == "--files-per-drive") {
            c.seed.files_per_drive = std::stoi(value);
        } else if (name == "--file-size-max") {
            c.seed.file_size_max = std::stoll(value);
        } else if (name == "--shared-mailboxes") {
            c.seed.shared_mailboxes = std::stoi(value);
        } else if (name == "--messages-per-mailbox") {
            c.seed.messages_per_mailbox = std::stoi(value);
        } else if (name == "--message-size") {
            c.seed.message_size = std::stoll(value);
        } else if (name == "--events-per-calendar") {
            c.seed.events_per_calendar = std::stoi(value);
        } else if (name == "--specials") {
            c.seed.specials = value != "0";
        } else if (name == "--import" && value.find('=') != std::string::npos) {
            c.imports.emplace_back(value.substr(0, value.find('=')), value.substr(value.find('=') + 1));
        } else if (name == "--threads" && value == "1") {
            continue;  // the tenant's state has one owner
        } else {
            throw std::runtime_error(
                "m365sim: unknown option or value: " + name + " " + value + "\n" + usage
            );
        }
    }
    if (c.dir.empty()) {
        throw std::runtime_error(std::string("m365sim: --dir is needed\n") + usage);
    }
    return c;
}

void announce(const world& w, const server& s) {
    std::string graph = "https://localhost:" + std::to_string(s.graph_port());
    const credentials& c = w.auth.files();
    nlohmann::ordered_json line = {
        {"graph", graph},
        {"login", graph},
        {"files", w.files_origin},
        {"imds", "http://127.0.0.1:" + std::to_string(s.plain_port())},
        {"proxy", "http://127.0.0.1:" + std::to_string(s.plain_port())},
        {"admin", graph + "/_sim"},
        {"ca_file", c.ca_file},
        {"tenant", w.directory.domain},
        {"client_id", c.client_id},
        {"client_secret_file", c.secret_file},
        {"certificate_file", c.certificate_file},
        {"federated_token_file", c.federated_file}
    };
    std::printf("%s\n", line.dump().c_str());
    std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
    try {
        command_line c = parse(argc, argv);
        if (c.help) {
            std::fputs(usage, stdout);
            return 0;
        }
        world w(c.dir, c.seed);
        for (const auto& [label, folder] : c.imports) {
            import_folder(w, label, folder);
        }
        server s(w, c.net);
        announce(w, s);
        s.run();
        return 0;
    } catch (const std::exception& e) {
        std::fprintf(stderr, "%s\n", e.what());
        return 2;
    }
}
