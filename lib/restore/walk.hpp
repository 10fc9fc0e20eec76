#pragma once

#include "restore/kind.hpp"

namespace m365stage::restore {

/// Puts one container back: folders before what is in them, several objects at a time, the newest folder
/// first so that few are open. What becomes of each object is in the journal.
/// Errors:  those that concern everything (sign-in refused, no room, local disk) end it.
/// Cancel:  at any await; the journal says how far it is.
task<core::result<void>> restore_container(
    context& with, const kind& k, const container& from, const target& to
);

}  // namespace m365stage::restore
