#include "tree/names.hpp"

#include <algorithm>
#include <array>

#include "core/hash.hpp"

namespace m365stage::tree {
namespace {

constexpr std::size_t longest_name = 255;  // NAME_MAX of ext4, XFS, btrfs
constexpr std::size_t tag_length = 16;
constexpr std::string_view json = ".json";

bool is_control(unsigned char c) {
    return c < 0x20 || c == 0x7f;
}

/// The longest prefix of at most `size` bytes that does not cut a UTF-8 sequence.
std::string_view cut(std::string_view text, std::size_t size) {
    if (text.size() <= size) {
        return text;
    }
    while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0) == 0x80) {
        --size;
    }
    return text.substr(0, size);
}

/// A name that looks like a sidecar shortened by us: its own sidecar could be taken for another one's.
bool looks_shortened(std::string_view name) {
    if (name.size() != longest_name - json.size() || name[name.size() - tag_length - 1] != '~') {
        return false;
    }
    const auto tag = name.substr(name.size() - tag_length);
    return std::all_of(tag.begin(), tag.end(), [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'v');
    });
}

bool fits(std::string_view name) {
    if (name.empty() || name.size() > longest_name || name == "." || name == ".." || name == sidecar_folder ||
        name == state_folder) {
        return false;
    }
    const bool plain = std::none_of(name.begin(), name.end(), [](char c) {
        return c == '/' || is_control(static_cast<unsigned char>(c));
    });
    return plain && !looks_shortened(name);
}

std::string without_separators(std::string_view name) {
    std::string out;
    for (char c : name) {
        out += (c == '/' || is_control(static_cast<unsigned char>(c))) ? '_' : c;
    }
    return out;
}

/// Where the extension begins, so that a tag can go before it; extensions longer than 16 bytes do not count.
std::size_t extension_at(std::string_view name) {
    const auto dot = name.rfind('.');
    constexpr std::size_t longest_extension = 16;
    if (dot == std::string_view::npos || dot == 0 || name.size() - dot > longest_extension) {
        return name.size();
    }
    return dot;
}

}  // namespace

std::string readable(std::string_view text, std::size_t longest, std::string_view instead) {
    const std::string clean = without_separators(text);
    auto trimmed = [](std::string_view t) {
        const auto begin = t.find_first_not_of(' ');
        return begin == std::string_view::npos ? std::string_view()
                                               : t.substr(begin, t.find_last_not_of(' ') - begin + 1);
    };
    const auto out = trimmed(cut(trimmed(clean), longest));
    return std::string(out.empty() ? instead : out);
}

std::string tagged_name(std::string_view name, std::string_view remote_id) {
    const std::string clean = without_separators(name);
    const auto dot = extension_at(clean);
    const std::string extension = clean.substr(dot);
    // Name and id together: two ids never share a tag, and a renamed item gets a new one only by its new
    // name.
    const std::string tag =
        "~" + core::short_tag(std::string(remote_id) + '\0' + std::string(name), tag_length);
    std::string out(cut(std::string_view(clean).substr(0, dot), longest_name - tag.size() - extension.size())
    );
    return out + tag + extension;
}

std::string local_name(std::string_view name, std::string_view remote_id) {
    return fits(name) ? std::string(name) : tagged_name(name, remote_id);
}

std::string sidecar_name(std::string_view local) {
    if (local.size() + json.size() <= longest_name) {
        return std::string(local) + std::string(json);
    }
    const std::size_t room = longest_name - json.size() - tag_length - 1;
    std::string out(cut(local, room));
    // Filled up, so that every shortened name has exactly the length that `looks_shortened` expects.
    out.append(room - out.size(), '_');
    return out + "~" + core::short_tag(local, tag_length) + std::string(json);
}

std::string sidecar_path(std::string_view path) {
    const auto slash = path.rfind('/');
    const auto leaf = slash == std::string_view::npos ? path : path.substr(slash + 1);
    std::string out(slash == std::string_view::npos ? std::string_view() : path.substr(0, slash + 1));
    return out + std::string(sidecar_folder) + "/" + sidecar_name(leaf);
}

std::string join_path(std::string_view folder, std::string_view name) {
    return folder.empty() ? std::string(name) : std::string(folder) + "/" + std::string(name);
}

std::string owner_segment(std::string_view name, std::string_view remote_id) {
    // Folders that the layout itself puts beside site and owner names.
    static constexpr std::array<std::string_view, 5> reserved{
        "libraries", "lists", "onedrive", "drives", "pages"
    };
    if (std::find(reserved.begin(), reserved.end(), name) != reserved.end()) {
        return tagged_name(name, remote_id);
    }
    return local_name(name, remote_id);
}

}  // namespace m365stage::tree
