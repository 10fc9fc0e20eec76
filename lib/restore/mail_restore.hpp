#pragma once

#include <memory>

#include "restore/kind.hpp"

/// Mail: what `mail_kind.cpp` is put together from.
namespace m365stage::restore {

std::unique_ptr<writer> make_mail_writer(context& with, const kind& k, const target& to);

/// See `kind::read_back`: that every message is there, its subject, times, read state, flag, categories,
/// importance and the hashes of its attachments.
task<core::result<std::uint64_t>> read_back_mail_folder(
    context& with, journal::written_folder where, bool last
);

/// In entries of messages `hash` tells the attachments; behind this it tells that they were compared.
/// `compared`: read state, flag and the like are their owner's by now, and are not to be set any more.
/// `name`: id of the message that it takes the place of, as long as that is there.
inline constexpr char compared_mark = '=';

/// An mbox for each folder of an export.
std::unique_ptr<joined_file> make_mbox();

}  // namespace m365stage::restore
