// What a faithful copy of the tenant holds, as JSON lines.
#include <cstdio>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "seed.hpp"

namespace m365stage::sim {

namespace {

std::string owner_of(world& w, const drive& d) {
    tenant& t = w.directory;
    std::string out = R"({"kind":")" + d.owner_kind + R"(","id":)";
    append_json(out, d.owner_id);
    if (d.owner_kind == "user") {
        if (const user* u = t.find_user(d.owner_id)) {
            out += R"(,"upn":)";
            append_json(out, u->upn);
        }
    } else if (d.owner_kind == "group") {
        if (const group* g = t.find_group(d.owner_id)) {
            out += R"(,"nickname":)";
            append_json(out, g->nickname);
        }
    }
    for (const auto& s : t.sites) {
        for (auto n : s.drives) {
            if (n == d.number && !s.personal) {
                out += R"(,"url":)";
                append_json(out, s.web_url);
            }
        }
    }
    return out + "}";
}

const char* type_name(const item& it) {
    switch (it.kind) {
        case item_kind::folder:
            return "folder";
        case item_kind::package:
            return "package";
        case item_kind::shortcut:
            return "shortcut";
        default:
            return "file";
    }
}

void append_permissions(std::string& out, const item_extra* e) {
    out += ",\"permissions\":[";
    bool first = true;
    for (const auto& p : e != nullptr ? e->permissions : std::vector<permission>()) {
        out += first ? "" : ",";
        first = false;
        out += R"({"id":")" + p.id + R"(","role":")" + p.role + R"(","email":)";
        append_json(out, p.email);
        out += R"(,"scope":")" + p.scope + "\"}";
    }
    out += ']';
}

void append_line(std::string& out, drive& d, item_index i, const std::string& owner, bool hashes) {
    const item& it = d.at(i);
    out += R"({"drive":")" + d.id + R"(","owner":)" + owner + R"(,"drive_name":)";
    append_json(out, d.name);
    out += R"(,"drive_url":)";
    append_json(out, d.web_url);
    out += R"(,"id":")" + d.item_id(i) + R"(","parent_id":")" + d.item_id(it.parent) + R"(","type":")" +
           type_name(it) + R"(","name":)";
    append_json(out, it.name);
    std::string path;
    std::string names;
    for (const auto& n : d.names_of(i)) {
        path += (path.empty() ? "" : "/") + n;
        names += names.empty() ? "" : ",";
        append_json(names, n);
    }
    out += R"(,"path":)";
    append_json(out, path);
    out += R"(,"names":[)" + names + "]";
    if (it.kind == item_kind::file) {
        content served = d.served(i);
        out += ",\"size\":" + std::to_string(served.size) + ",\"announced_size\":" + std::to_string(it.size);
        if (hashes) {
            out += R"(,"sha256":")" + sha256_of(served) + '"';
        }
        out += R"(,"quickxorhash":)";
        out += it.size > 0 && !it.has(flag_no_hash) ? "\"" + quick_xor::base64_of(d.hash(i)) + "\"" : "null";
    }
    out += ",\"mtime\":" + std::to_string(it.fs_modified);
    const auto* e = d.extra(i);
    out += std::string(",\"shared\":") + (e != nullptr && !e->permissions.empty() ? "true" : "false");
    append_permissions(out, e);
    out += std::string(",\"malware\":") + (it.has(flag_malware) ? "true" : "false");
    out += std::string(",\"altered\":") + (it.has(flag_altered) ? "true" : "false");
    if (e != nullptr && !e->fields.empty()) {
        out += ",\"columns\":{";
        for (const auto& [name, value] : e->fields) {
            out += (out.back() == '{' ? "\"" : ",\"") + name + "\":" + value;
        }
        out += '}';
    }
    if (e != nullptr && !e->description.empty()) {
        out += R"(,"description":)";
        append_json(out, e->description);
    }
    out += "}\n";
}

}  // namespace

void write_expected(world& w, const std::string& which, bool hashes, const std::string& path) {
    std::FILE* file = std::fopen(path.c_str(), "wb");
    if (file == nullptr) {
        throw std::runtime_error("expected: cannot write " + path);
    }
    std::string out;
    for (std::uint32_t n = 0; n < w.directory.drive_count(); ++n) {
        drive& d = w.directory.drive_at(n);
        if (d.removed || (which != "all" && which != d.id)) {
            continue;
        }
        std::string owner = owner_of(w, d);
        std::vector<item_index> stack = {root_item};
        while (!stack.empty()) {
            item_index i = stack.back();
            stack.pop_back();
            for (item_index c = d.at(i).first_child; c != no_item; c = d.at(c).next) {
                stack.push_back(c);
            }
            if (i != root_item) {
                append_line(out, d, i, owner, hashes);
            }
            if (out.size() > 1000000) {
                std::fwrite(out.data(), 1, out.size(), file);
                out.clear();
            }
        }
    }
    std::fwrite(out.data(), 1, out.size(), file);
    std::fclose(file);
}

}  // namespace m365stage::sim
