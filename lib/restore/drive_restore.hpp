#pragma once

#include <memory>
#include <string>

#include "restore/drive_calls.hpp"
#include "restore/kind.hpp"

/// Drives: what `drive_kind.cpp` is put together from.
namespace m365stage::restore {

/// Files and folders of a drive, and what no restore can bring back.
decision judge_drive_object(const object& o, const request& asked);

/// The drive that --to names: "users/x@y[/onedrive][/folder]", "groups/nick[/files][/folder]",
/// "sites/host/path[/libraries/name[/folder]]". Errors: usage, not_found and what the service says.
task<core::result<target>> find_drive(graph::client& graph, place where);

/// The drive that a container of the tree goes back to: the one it came from, or the present one of its
/// owner. `note` tells if it is another one.
task<core::result<target>> find_drive_of(graph::client& graph, const container& from, std::string& note);

std::unique_ptr<writer> make_drive_writer(context& with, const kind& k, const target& to);

/// See `kind::read_back`: that everything is there, size, hash and time.
task<core::result<std::uint64_t>> read_back_drive_folder(
    context& with, journal::written_folder where, bool last
);

/// True for types that SharePoint writes its own properties into, a moment after they were uploaded (contract
/// 5.8): their size and hash then differ from what was sent.
bool may_be_rewritten(const std::string& name);

/// True if that may be what happened to a file that was written so.
bool is_rewrite(const entry& written, const remote_item& there);

}  // namespace m365stage::restore
