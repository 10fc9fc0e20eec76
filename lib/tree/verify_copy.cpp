#include <algorithm>
#include <unordered_map>

#include "tree/names.hpp"
#include "tree/verify.hpp"

namespace m365stage::tree {
namespace {

bool is_folder_type(std::string_view type) {
    return type == "folder" || type == "package" || type == "container";
}

/// Goes through a copy folder by folder.
class copy_verifier {
public:
    copy_verifier(const stage_root& copy, verify_log& log) : copy_(copy), log_(log), pool_(copy, log) {}

    core::result<void> run() {
        auto top = copy_.list(".");
        if (!top) {
            return top.error();
        }
        todo_.push_back({"", holds_items("")});
        while (!todo_.empty()) {
            auto next = std::move(todo_.back());
            todo_.pop_back();
            folder(next.path, next.inside);
        }
        pool_.finish();
        return core::result<void>();
    }

private:
    struct place {
        std::string path;
        bool inside = false;  ///< in a container: everything has a sidecar
    };

    static std::string below(const std::string& path, std::string_view name) {
        return path.empty() ? std::string(name) : path + "/" + std::string(name);
    }

    /// True if the folder is a container or a part of one: it holds sidecars of items. Asked for the topmost
    /// folder alone, since a restored part does not say what it is a part of.
    bool holds_items(const std::string& path) {
        const auto folder = below(path, sidecar_folder);
        auto names = copy_.list(folder);
        for (const auto& name : names ? *names : std::vector<std::string>()) {
            if (auto s = read_sidecar(copy_, below(folder, name))) {
                return s->type != "container";
            }
        }
        return false;
    }

    void folder(const std::string& path, bool inside) {
        auto names = copy_.list(path.empty() ? "." : path);
        if (!names) {
            log_.found(problem_of(names.error(), path));
            return;
        }
        ++log_.folders;
        // A long name's sidecar has a shortened name: only from the object to the sidecar leads a way.
        std::unordered_map<std::string, std::string> sidecar_to_name;
        bool has_sidecars = false;
        for (const auto& name : *names) {
            if (name == sidecar_folder) {
                has_sidecars = true;
            } else if (name != state_folder || inside) {
                sidecar_to_name.emplace(sidecar_name(name), name);
            }
        }
        if (has_sidecars) {
            sidecars(path, sidecar_to_name);
        }
        for (const auto& [sidecar, name] : sidecar_to_name) {
            without_sidecar(below(path, name), inside);
        }
    }

    /// Checks every sidecar of a folder; what has one is taken out of `objects`.
    void sidecars(const std::string& path, std::unordered_map<std::string, std::string>& objects) {
        const auto folder = below(path, sidecar_folder);
        auto names = copy_.list(folder);
        if (!names) {
            log_.found({problem_kind::extra, folder, "it is not a folder of sidecars"});
            return;
        }
        for (const auto& name : *names) {
            ++log_.sidecars;
            const auto at = below(folder, name);
            const auto object = objects.find(name);
            auto s = read_sidecar(copy_, at);
            if (!s) {
                log_.found(problem_of(s.error(), at));
            }
            if (object == objects.end()) {
                if (s && s->type != "shortcut") {
                    log_.found({problem_kind::missing, object_path(path, name), "only its sidecar is there"});
                }
                continue;
            }
            const auto object_at = below(path, object->second);
            objects.erase(object);
            pair(object_at, s ? &*s : nullptr);
        }
    }

    static std::string object_path(const std::string& path, const std::string& sidecar) {
        constexpr std::string_view ending = ".json";
        return below(
            path, sidecar.ends_with(ending) ? sidecar.substr(0, sidecar.size() - ending.size()) : sidecar
        );
    }

    void pair(const std::string& path, const sidecar* s) {
        auto facts = copy_.look(path);
        if (!facts) {
            log_.found(problem_of(facts.error(), path));
            return;
        }
        if (facts->folder) {
            if (s != nullptr && !is_folder_type(s->type)) {
                log_.found({problem_kind::damaged, path, "it is a folder, not a " + s->type});
            }
            todo_.push_back({path, true});
            return;
        }
        if (!facts->regular || (s != nullptr && s->type != "file")) {
            log_.found(
                {problem_kind::damaged, path,
                 facts->regular ? "it is a file, not a " + s->type : "it is not a regular file"}
            );
            return;
        }
        ++log_.files;
        if (s == nullptr) {
            return;
        }
        file_check c;
        c.path = path;
        c.shown = path;
        c.size = *s->size;
        c.sha256 = s->sha256;
        pool_.check(std::move(c));
    }

    void without_sidecar(const std::string& path, bool inside) {
        auto facts = copy_.look(path);
        if (!facts) {
            log_.found(problem_of(facts.error(), path));
        } else if (facts->folder) {
            if (inside) {
                log_.found({problem_kind::sidecar_missing, path, "the folder has no sidecar"});
            }
            // The folders above a container (users/, sites/) have none.
            todo_.push_back({path, inside || holds_items(path)});
        } else if (facts->regular) {
            ++log_.files;
            log_.found(
                {problem_kind::sidecar_missing, path, "the file has no sidecar: nothing tells its hash"}
            );
        } else {
            log_.found({problem_kind::extra, path, "neither file nor folder"});
        }
    }

    const stage_root& copy_;
    verify_log& log_;
    hash_pool pool_;
    std::vector<place> todo_;
};

}  // namespace

core::result<void> verify_copy(const stage_root& copy, verify_log& log) {
    copy_verifier v(copy, log);
    return v.run();
}

}  // namespace m365stage::tree
