#include "tree/ops.hpp"

#include "core/log.hpp"

namespace m365stage::tree {
namespace {

using outcome = core::result<op_outcome>;

bool is_missing(const core::error& e) {
    return e.kind == core::error_kind::not_found;
}

/// What somebody else put into the tree goes to the trash.
core::result<void> set_aside(const stage_root& root, const std::string& path) {
    const auto facts = root.look(path);
    if (!facts) {
        return facts.error();
    }
    core::log(core::log_level::warning, path + " is in the way, and nothing is staged there: removed");
    return root.rename(path, "spool/trash/foreign-" + std::to_string(facts->inode));
}

outcome rename_item(const stage_root& root, const op& o) {
    op_outcome out;
    auto source = root.look(o.source);
    if (!source && !is_missing(source.error())) {
        return source.error();
    }
    if (source && (o.inode == 0 || source->inode == o.inode)) {
        auto renamed = root.rename(o.source, o.target);
        if (!renamed && renamed.error().kind == core::error_kind::conflict) {
            // Nothing of ours lies there: the index knows its places. A step that fails would fail for ever.
            renamed = set_aside(root, o.target);
            renamed = renamed ? root.rename(o.source, o.target) : renamed;
        }
        if (!renamed) {
            return renamed.error();
        }
        return out;
    }
    auto target = root.look(o.target);
    if (!target && !is_missing(target.error())) {
        return target.error();
    }
    out.missing = !target || (o.inode != 0 && target->inode != o.inode);
    return out;
}

outcome rename_sidecar(const stage_root& root, const op& o) {
    auto source = root.look(o.source);
    if (!source) {
        return is_missing(source.error()) ? outcome(op_outcome()) : outcome(source.error());
    }
    if (auto renamed = root.rename(o.source, o.target); !renamed) {
        return renamed.error();
    }
    return op_outcome();
}

outcome make_folder(const stage_root& root, const op& o) {
    if (auto made = root.make_folder(o.target); !made) {
        return made.error();
    }
    op_outcome out;
    if (o.item_id != 0) {
        auto facts = root.look(o.target);
        if (!facts) {
            return facts.error();
        }
        out.inode = facts->inode;
    }
    return out;
}

outcome perform_one(const stage_root& root, const op& o) {
    switch (o.kind) {
        case op_kind::rename:
            return rename_item(root, o);
        case op_kind::rename_sidecar:
            return rename_sidecar(root, o);
        case op_kind::make_folder:
            return make_folder(root, o);
        case op_kind::remove_folder:
            break;
    }
    if (auto removed = root.remove_empty_folder(o.target); !removed) {
        return removed.error();
    }
    return op_outcome();
}

core::result<std::vector<op_outcome>> perform_from(
    const stage_root& root, const std::vector<op>& ops, std::size_t first
) {
    std::vector<op_outcome> out(ops.size());
    for (std::size_t i = first; i < ops.size(); ++i) {
        auto one = perform_one(root, ops[i]);
        if (!one) {
            return one.error();
        }
        out[i] = *one;
    }
    return out;
}

}  // namespace

core::result<std::vector<op_outcome>> perform(const stage_root& root, const std::vector<op>& ops) {
    return perform_from(root, ops, 0);
}

core::result<std::vector<op_outcome>> resume(const stage_root& root, const std::vector<op>& ops) {
    std::size_t first = 0;
    for (std::size_t i = ops.size(); i > 0; --i) {
        const auto& o = ops[i - 1];
        if (o.kind != op_kind::rename || o.inode == 0) {
            continue;
        }
        auto target = root.look(o.target);
        if (target && target->inode == o.inode) {
            first = i;
            break;
        }
    }
    auto out = perform_from(root, ops, first);
    if (!out) {
        return out;
    }
    // Folders made before the crash: their inodes are wanted all the same.
    for (std::size_t i = 0; i < first; ++i) {
        if (ops[i].kind == op_kind::make_folder && ops[i].item_id != 0) {
            if (auto facts = root.look(ops[i].target)) {
                (*out)[i].inode = facts->inode;
            }
        }
    }
    return out;
}

}  // namespace m365stage::tree
