# Compiles schema/config.schema.json into the config module, so that the program and the published schema cannot differ.
set(schema_file ${PROJECT_SOURCE_DIR}/schema/config.schema.json)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${schema_file})
file(READ ${schema_file} schema_json)
file(CONFIGURE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/config_schema.cpp @ONLY CONTENT [[
// Made from schema/config.schema.json.
#include "config/config.hpp"

namespace m365stage::config {

std::string_view schema_text() {
    static constexpr std::string_view text = R"__json(@schema_json@)__json";
    return text;
}

}  // namespace m365stage::config
]])
target_sources(m365_config PRIVATE ${CMAKE_CURRENT_BINARY_DIR}/config_schema.cpp)
