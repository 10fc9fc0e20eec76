#include "restore/source_tree.hpp"

#include <algorithm>
#include <array>
#include <deque>
#include <filesystem>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <tuple>
#include <unordered_map>

#include "core/hash.hpp"
#include "core/members.hpp"
#include "tree/names.hpp"
#include "tree/verify.hpp"

namespace m365stage::restore {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 4> owner_folders{"users", "groups", "sites", "teams"};
// A search for a tree below the named folder ends here: nobody nests deeper on purpose.
constexpr std::size_t most_searched = 20'000;

bool is_folder(const fs::path& p) {
    std::error_code ec;
    return fs::is_directory(fs::symlink_status(p, ec)) && !ec;
}

bool has_owner_folder(const fs::path& p) {
    return std::any_of(owner_folders.begin(), owner_folders.end(), [&](std::string_view name) {
        return is_folder(p / name);
    });
}

bool is_owner_folder(const std::string& name) {
    return std::find(owner_folders.begin(), owner_folders.end(), name) != owner_folders.end();
}

/// A folder that m365stage keeps a tree in: it says so itself, or it is called so and looks so.
bool is_tree(const fs::path& p) {
    return is_folder(p / tree::state_folder) || (p.filename() == "tree" && has_owner_folder(p));
}

bool holds_sidecars(const fs::path& p) {
    return is_folder(p / tree::sidecar_folder);
}

/// The tree that the folder is in, or is: the nearest one above.
fs::path tree_above(const fs::path& folder) {
    for (fs::path at = folder; at != at.parent_path(); at = at.parent_path()) {
        if (is_tree(at)) {
            return at;
        }
    }
    // A tree under another name: users/, groups/ or sites/ with sidecars somewhere on the way down.
    bool sidecars = false;
    for (fs::path at = folder; at != at.parent_path(); at = at.parent_path()) {
        if (sidecars && is_owner_folder(at.filename().string())) {
            return at.parent_path();
        }
        sidecars = sidecars || holds_sidecars(at);
    }
    return {};
}

/// The folders in a folder that a search goes on with.
std::vector<fs::path> folders_in(const fs::path& folder) {
    std::vector<fs::path> out;
    std::error_code ec;
    for (fs::directory_iterator it(folder, fs::directory_options::skip_permission_denied, ec), end;
         !ec && it != end; it.increment(ec)) {
        if (is_folder(it->path()) && it->path().filename() != tree::sidecar_folder) {
            out.push_back(it->path());
        }
    }
    return out;
}

/// The first folder with sidecars at or below this one, breadth first; empty: none.
fs::path sidecars_below(const fs::path& folder) {
    std::deque<fs::path> todo{folder};
    for (std::size_t n = 0; !todo.empty() && n < most_searched; ++n) {
        const auto at = std::move(todo.front());
        todo.pop_front();
        if (holds_sidecars(at)) {
            return at;
        }
        auto more = folders_in(at);
        std::move(more.begin(), more.end(), std::back_inserter(todo));
    }
    return {};
}

/// A part of a tree, under whatever name: users/, groups/ or sites/ with sidecars somewhere in it. Many other
/// folders have a folder of such a name.
bool is_unnamed_tree(const fs::path& p) {
    return std::any_of(owner_folders.begin(), owner_folders.end(), [&](std::string_view name) {
        return is_folder(p / name) && !sidecars_below(p / name).empty();
    });
}

/// The trees below a folder, breadth first.
std::vector<fs::path> trees_below(const fs::path& folder) {
    std::vector<fs::path> found;
    std::deque<fs::path> todo{folder};
    for (std::size_t n = 0; !todo.empty() && n < most_searched; ++n) {
        const auto at = std::move(todo.front());
        todo.pop_front();
        if (is_tree(at) || (at == folder ? has_owner_folder(at) : is_unnamed_tree(at))) {
            found.push_back(at);
            continue;
        }
        auto more = folders_in(at);
        std::move(more.begin(), more.end(), std::back_inserter(todo));
    }
    return found;
}

core::error no_tree(const std::string& folder, std::string why, std::string hint) {
    core::error e(core::error_kind::usage, std::move(why));
    e.operation = "look for a tree in";
    e.object = folder;
    e.hint = std::move(hint);
    return e;
}

container container_of(const std::string& path, const tree::sidecar& s) {
    container c;
    c.path = path;
    c.kind = s.kind;
    c.id = s.id;
    c.name = s.name;
    const auto owner = nlohmann::json::parse(s.owner, nullptr, false);
    c.owner_kind = core::text(owner, "kind");
    c.owner_id = core::text(owner, "id");
    c.owner_name = core::text(owner, "name");
    return c;
}

/// The container that a path lies in, by the layout of trees (README, "On disk"), where its own sidecar was
/// not restored with it. Empty: the path is too short to tell.
std::string container_path(const std::string& path) {
    const fs::path all(path);
    std::vector<std::string> names;
    for (const auto& part : all) {
        names.push_back(part.string());
    }
    std::size_t length = 0;
    if (names.size() >= 3 && (names[0] == "users" || names[0] == "groups")) {
        length = names[2] == "drives" ? 4 : 3;
    } else if (!names.empty() && names[0] == "sites") {
        const auto at = std::find(names.begin(), names.end(), "libraries");
        length = static_cast<std::size_t>(at - names.begin()) + 2;
    }
    if (length == 0 || names.size() < length) {
        return {};
    }
    std::string out;
    for (std::size_t i = 0; i < length; ++i) {
        out = tree::join_path(out, names[i]);
    }
    return out;
}

/// What can be told of a container by one of its items.
container loose_container(const std::string& folder, const tree::sidecar& item) {
    container c;
    c.path = container_path(folder);
    c.kind = item.kind;
    const auto meta = nlohmann::json::parse(item.item, nullptr, false);
    if (meta.is_object() && meta.contains("parentReference")) {
        c.id = core::text(meta["parentReference"], "driveId");
    }
    const auto slash = c.path.find('/');
    if (c.path.starts_with("users/")) {
        c.owner_kind = "user";
        c.owner_name = c.path.substr(slash + 1, c.path.find('/', slash + 1) - slash - 1);
    }
    return c;
}

/// The name of the thing that a sidecar's file name tells of; for messages only, since long names are cut.
std::string object_name(const std::string& sidecar) {
    constexpr std::string_view ending = ".json";
    return sidecar.ends_with(ending) ? sidecar.substr(0, sidecar.size() - ending.size()) : sidecar;
}

bool is_folder_type(std::string_view type) {
    return type == "folder" || type == "package" || type == "container";
}

}  // namespace

std::string_view leaf_of(std::string_view path) {
    const auto slash = path.rfind('/');
    return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

core::result<std::unique_ptr<source_tree>> source_tree::find(const std::string& folder) {
    std::error_code ec;
    const auto named = fs::canonical(folder, ec);
    if (ec || !fs::is_directory(named, ec)) {
        return no_tree(folder, ec ? ec.message() : "it is not a folder", "name the folder that was restored");
    }
    auto top = tree_above(named);
    if (top.empty()) {
        const auto below = trees_below(named);
        if (below.size() > 1) {
            return no_tree(
                folder, "there is more than one tree: " + below[0].string() + ", " + below[1].string(),
                "name one of them"
            );
        }
        top = below.empty() ? fs::path() : below.front();
    }
    std::unique_ptr<source_tree> out(new source_tree);
    if (top.empty()) {
        const auto part = sidecars_below(named);
        if (!part.empty() && part != named) {
            return no_tree(
                folder, "it holds a part of a tree, but no users/, groups/ or sites/ that tell whose it is",
                "name the part itself: --from '" + part.string() + "'"
            );
        }
        if (part.empty()) {
            return no_tree(
                folder, "it holds no tree of m365stage and no sidecars (.m365/*.json)",
                "name the folder that was restored: the tree, a part of it, or the folder above it"
            );
        }
        out->part_ = true;
        top = named;
    } else if (named.string().size() > top.string().size() && named.string().starts_with(top.string())) {
        out->start_ = fs::relative(named, top, ec).string();
    }
    auto root = tree::stage_root::open_copy(top.string());
    if (!root) {
        return root.error();
    }
    out->root_ = std::move(*root);
    return out;
}

core::result<found_containers> source_tree::containers(const request& asked) const {
    found_containers out;
    // On the way down to the start: the container that it is in.
    for (std::size_t at = start_.find('/'); !start_.empty(); at = start_.find('/', at + 1)) {
        const auto path = start_.substr(0, at);
        auto s = tree::read_sidecar(*root_, tree::sidecar_path(path));
        if (s && s->type == "container") {
            out.all.push_back(container_of(path, *s));
            return out;
        }
        if (!s && s.error().kind != core::error_kind::not_found && path == container_path(start_)) {
            out.flawed.emplace_back(path, "its sidecar is damaged: " + s.error().cause);
        }
        if (at == std::string::npos) {
            break;
        }
    }
    if (auto done = collect(asked, out); !done) {
        return done.error();
    }
    std::sort(out.all.begin(), out.all.end(), [](const container& a, const container& b) {
        return a.path < b.path;
    });
    const auto twins =
        std::unique(out.all.begin(), out.all.end(), [](const container& a, const container& b) {
            return a.path == b.path;
        });
    out.all.erase(twins, out.all.end());
    return out;
}

struct source_tree::level {
    std::vector<std::string> folders;
    std::vector<left_out> flawed;
    std::optional<tree::sidecar> item;  ///< of a container whose own sidecar does not tell of it
};

core::result<void> source_tree::collect(const request& asked, found_containers& out) const {
    std::vector<std::string> todo{start_};
    while (!todo.empty()) {
        const auto at = std::move(todo.back());
        todo.pop_back();
        auto below = names(at, asked);
        if (!below && at == start_) {
            return below.error();
        }
        if (!below) {
            out.flawed.emplace_back(at, "it can't be read: " + below.error().cause);
            continue;
        }
        level here;
        for (const auto& name : *below) {
            if (!name.local.empty() ||
                asked.may_select_below(tree::join_path(at, object_name(name.sidecar)))) {
                look_at(at, name, here, out);
            }
        }
        if (here.item) {
            out.all.push_back(loose_container(at, *here.item));  // which tells of each object by itself
            continue;
        }
        todo.insert(todo.end(), here.folders.begin(), here.folders.end());
        std::move(here.flawed.begin(), here.flawed.end(), std::back_inserter(out.flawed));
    }
    return core::result<void>();
}

void source_tree::look_at(
    const std::string& folder, const name_pair& name, level& here, found_containers& out
) const {
    auto o = read(folder, name);
    switch (o.state) {
        case object_state::no_sidecar:
        case object_state::damaged_sidecar:
            if (o.folder) {
                here.folders.push_back(o.path);
            }
            if (o.state == object_state::damaged_sidecar) {
                here.flawed.emplace_back(o.path, o.problem);
            }
            break;
        default:
            if (o.meta.type != "container") {
                here.item = std::move(o.meta);
            } else if (o.state == object_state::good) {
                out.all.push_back(container_of(o.path, o.meta));
            } else {
                here.flawed.emplace_back(o.path, o.problem);
            }
    }
}

core::result<std::vector<source_tree::name_pair>> source_tree::names(const std::string& folder) const {
    auto here = root_->list(folder.empty() ? "." : folder);
    if (!here) {
        return here.error();
    }
    std::unordered_map<std::string, std::string> sidecar_to_name;
    std::vector<name_pair> out;
    bool has_sidecars = false;
    for (const auto& name : *here) {
        if (name == tree::sidecar_folder) {
            // A link or a file of that name is not followed: what lies here has no sidecars then.
            auto facts = root_->look(tree::join_path(folder, name));
            has_sidecars = facts && facts->folder;
        } else if (name != tree::state_folder || !folder.empty()) {
            sidecar_to_name.emplace(tree::sidecar_name(name), name);
        }
    }
    if (has_sidecars) {
        auto sidecars = root_->list(tree::join_path(folder, tree::sidecar_folder));
        if (!sidecars) {
            return sidecars.error();
        }
        for (auto& sidecar : *sidecars) {
            const auto object = sidecar_to_name.find(sidecar);
            if (object == sidecar_to_name.end()) {
                out.push_back({"", std::move(sidecar)});
            } else {
                out.push_back({object->second, std::move(sidecar)});
                sidecar_to_name.erase(object);
            }
        }
    }
    for (auto& [sidecar, name] : sidecar_to_name) {
        out.push_back({name, ""});
    }
    std::sort(out.begin(), out.end(), [](const name_pair& a, const name_pair& b) {
        return std::tie(a.local, a.sidecar) < std::tie(b.local, b.sidecar);
    });
    return out;
}

core::result<std::vector<source_tree::name_pair>> source_tree::names(
    const std::string& folder, const request& asked
) const {
    auto all = names(folder);
    if (all) {
        std::erase_if(*all, [&](const name_pair& name) {
            return !name.local.empty() && !asked.may_select_below(tree::join_path(folder, name.local));
        });
    }
    return all;
}

object source_tree::read(const std::string& folder, const name_pair& name) const {
    object o;
    o.local = name.local.empty() ? object_name(name.sidecar) : name.local;
    o.path = tree::join_path(folder, o.local);
    bool regular = false;
    if (!name.local.empty()) {
        auto facts = root_->look(o.path);
        o.folder = facts && facts->folder;
        regular = facts && facts->regular;
        o.size = facts ? facts->size : 0;
        o.mtime = facts ? facts->mtime : 0;
    }
    if (name.sidecar.empty()) {
        o.state = object_state::no_sidecar;
        o.problem = "it has no sidecar: nothing tells its name and its hash";
        return o;
    }
    auto text = root_->read_file(
        tree::join_path(tree::join_path(folder, tree::sidecar_folder), name.sidecar), tree::longest_sidecar
    );
    auto meta = text ? tree::parse_sidecar_strictly(*text) : core::result<tree::sidecar>(text.error());
    if (!meta) {
        o.state = object_state::damaged_sidecar;
        o.problem = "its sidecar is damaged: " + meta.error().cause;
        return o;
    }
    o.meta = std::move(*meta);
    o.mark = core::short_tag(*text, 26);
    if (name.local.empty()) {
        o.state = o.meta.type == "shortcut" ? object_state::good : object_state::missing;
        o.problem = "only its sidecar is there";
    } else if (o.folder ? !is_folder_type(o.meta.type) : !regular || is_folder_type(o.meta.type)) {
        o.state = object_state::odd;
        o.problem = o.folder || regular ? "it is not a " + o.meta.type + ", as its sidecar tells"
                                        : "it is a link or a device: it is not followed";
    }
    return o;
}

}  // namespace m365stage::restore
