#include "sources/source.hpp"

#include <algorithm>

namespace m365stage::sources {

std::string reason_of(const core::error& e) {
    return e.code.empty() ? e.cause : e.code + ": " + e.cause;
}

unsigned source::smaller_page(unsigned page_size, const core::error& e) const {
    using core::error_kind;
    constexpr unsigned first = 50, factor = 7;
    const bool too_much = e.kind == error_kind::server || e.kind == error_kind::timeout ||
                          e.kind == error_kind::too_large || e.code == "ErrorCorruptData";
    if (!too_much || !has_folder_streams() || page_size == 1) {
        return 0;
    }
    return page_size == 0 ? first : std::max(1u, page_size / factor);
}

task<core::result<graph::page>> source::read_children(
    graph::client& graph, const index::container& c, const std::string& remote_id, const std::string& link
) const {
    auto call = children_call(c, remote_id);
    if (!call) {
        core::error e(core::error_kind::internal, "this kind of folder has no list of children");
        co_return e;
    }
    if (!link.empty()) {
        call->target = link;
    }
    co_return co_await graph.get_page(std::move(*call));
}

task<core::result<rendered_item>>
source::render(graph::client&, const index::container&, const index::work_item&, http::body_sink&) const {
    core::error e(core::error_kind::internal, "this kind of content is not made here");
    co_return e;
}

task<core::result<std::string>>
source::read_permissions(graph::client&, const index::container&, const std::string&) const {
    co_return std::string("[]");
}

task<core::result<std::vector<column>>> source::read_columns(graph::client&, const index::container&) const {
    co_return std::vector<column>();
}

task<core::result<graph::page>>
source::read_column_page(graph::client&, const index::container&, const std::string&) const {
    core::error e(core::error_kind::unsupported, "there is no feed of columns");
    co_return e;
}

std::optional<index::column_row> source::parse_column_row(const nlohmann::json&, const std::vector<column>&)
    const {
    return std::nullopt;
}

task<core::result<std::string>> source::
    read_column_values(graph::client&, const index::container&, const std::string&, const std::vector<column>&)
        const {
    co_return std::string("{}");
}

std::vector<std::unique_ptr<source>> make_sources(const enabled_kinds& enabled) {
    std::vector<std::unique_ptr<source>> out;
    out.push_back(make_drive_source(enabled));
    out.push_back(make_mail_source(enabled));
    out.push_back(make_calendar_source(enabled));
    out.push_back(make_contacts_source(enabled));
    out.push_back(make_tasks_source(enabled));
    out.push_back(make_settings_source(enabled));
    return out;
}

source* find_source(const std::vector<std::unique_ptr<source>>& sources, std::string_view kind) {
    for (const auto& s : sources) {
        if (s->kind() == kind) {
            return s.get();
        }
    }
    return nullptr;
}

}  // namespace m365stage::sources
