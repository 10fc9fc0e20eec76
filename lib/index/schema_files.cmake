# Writes schema_files.hpp: the numbered SQL files of schema/ as an array of strings, in order.
# cmake -DSOURCE=<schema folder> -DTARGET=<header> -P schema_files.cmake
file(GLOB files ${SOURCE}/[0-9][0-9][0-9][0-9]_*.sql)
list(SORT files)
list(LENGTH files count)
set(text "#pragma once\n#include <array>\n#include <string_view>\nnamespace m365stage::index {\n")
string(APPEND text "inline constexpr std::array<std::string_view, ${count}> schema_files{\n")
foreach(file ${files})
  file(READ ${file} sql)
  string(APPEND text "R\"sql(${sql})sql\",\n")
endforeach()
string(APPEND text "};\n}\n")
file(WRITE ${TARGET} "${text}")
