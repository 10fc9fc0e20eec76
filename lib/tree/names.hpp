#pragma once

#include <string>
#include <string_view>

namespace m365stage::tree {

/// The name a remote object gets on disk (README.md, "On disk"): to the letter whenever Linux can hold it;
/// otherwise a safe one with a tag made from the remote id, so that it is stable and unique. Never empty,
/// never with '/' or NUL, never "." or "..", never one of our own reserved names, at most 255 bytes, valid
/// UTF-8 if the input was.
std::string local_name(std::string_view name, std::string_view remote_id);

/// The name of an item that has to give way to a sibling of the same name: with a tag before the extension.
std::string tagged_name(std::string_view name, std::string_view remote_id);

/// `text` as a part of a file name: without '/' and control characters, without blanks at its ends, of at
/// most `longest` bytes of whole characters; `instead` if nothing is left.
std::string readable(std::string_view text, std::size_t longest, std::string_view instead);

/// File name of the sidecar of `local` in the folder's .m365: `local` + ".json", shortened with a tag when
/// that would be over 255 bytes.
std::string sidecar_name(std::string_view local);

/// Path of the sidecar of the object at `path`: "a/b.txt" -> "a/.m365/b.txt.json".
std::string sidecar_path(std::string_view path);

/// "a" and "b" as "a/b". An empty folder is the one that paths begin in.
std::string join_path(std::string_view folder, std::string_view name);

/// One folder name for users, sites and groups ("ann@contoso.com"); as local_name, with the names of
/// `reserved` folders taken as well.
std::string owner_segment(std::string_view name, std::string_view remote_id);

inline constexpr std::string_view sidecar_folder = ".m365";
inline constexpr std::string_view state_folder = ".m365stage";

}  // namespace m365stage::tree
