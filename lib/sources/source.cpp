#include "sources/source.hpp"

namespace m365stage::sources {

task<core::result<rendered_item>>
source::render(graph::client&, const index::container&, const index::work_item&, http::body_sink&) const {
    core::error e(core::error_kind::internal, "this kind of content is not made here");
    co_return e;
}

task<core::result<std::string>>
source::read_permissions(graph::client&, const index::container&, const std::string&) const {
    co_return std::string("[]");
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
