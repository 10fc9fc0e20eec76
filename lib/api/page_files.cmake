# Writes page_files.hpp: the files of page/ as strings, named like the files.
# cmake -DSOURCE=<page folder> -DTARGET=<header> -P page_files.cmake
set(text "#pragma once\n#include <string_view>\nnamespace m365stage::api {\n")
foreach(file index.html page.css page.js)
  file(READ ${SOURCE}/${file} content)
  string(REPLACE "." "_" name ${file})
  # Literals of more than 64 KiB are not portable; no file is anywhere near.
  string(APPEND text "inline constexpr std::string_view ${name} = R\"page(${content})page\";\n")
endforeach()
string(APPEND text "}\n")
file(WRITE ${TARGET} "${text}")
