#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>

#include "index/columns.hpp"
#include "sync/run/context.hpp"

/// Values of a document library's own columns. The feed of items does not tell them, the feed of the
/// library's list does: it is followed once in a pass that found something changed, before the first page is
/// recorded, and what it does not tell of an item is asked for by itself.
namespace m365stage::sync {

/// Sets `columns` of files and folders whose library has columns. Where it has some and the page brought such
/// items, the feed of their values is followed first.
task<void> mark_columns(pass_context& pass, const index::container& c, std::span<index::item_change> items);
task<void> mark_columns(pass_context& pass, const index::container& c, index::item_change& item);

/// The columns of a container, asked for once in a pass; nullopt of a library that may not be asked for them,
/// which is reported. Errors: transient ones.
task<core::result<std::optional<std::vector<sources::column>>>> columns_of(
    pass_context& pass, const index::container& c
);

/// Says for the reports that a library's columns are not staged, or takes it back. A drive without a list, or
/// a cloud that does not show them, is nothing to report.
task<void> report_columns(pass_context& pass, const index::container& c, std::optional<core::error> why);

/// What a page of the feed of columns tells.
std::vector<index::column_row> column_rows(
    const sources::source& source, const nlohmann::json& page, const std::vector<sources::column>& columns
);

/// True if asking again later is no use: the library is staged without its columns.
bool is_lasting_for_columns(const core::error& e);

/// The values of an item: what the feed told of this version of it, else the service's answer. Errors: those
/// that may be over with the next try; a library that does not show its columns has none.
task<core::result<std::string>> column_values_of(
    pass_context& pass, const index::container& c, const index::work_item& item
);

}  // namespace m365stage::sync
