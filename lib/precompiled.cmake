# Precompiled headers and the optimisation of cold code: what keeps a clean build at a few minutes on two cores.
#   asio   the standard library, nlohmann/json and what every coroutine of ours needs of Asio
#   cli    asio, and CLI11
# Each is compiled once and used by many targets. m365_config goes without: json.hpp brings std::quoted into
# sight, which its own quoted() would lose against. A source must still include what it uses: tests/lint compiles
# every header alone, and -D M365STAGE_PCH=OFF builds without any of this.
set(m365_asio_headers
  <algorithm> <array> <atomic> <charconv> <chrono> <cstdint> <filesystem> <functional> <map> <memory> <mutex>
  <optional> <set> <span> <sstream> <string> <string_view> <thread> <unordered_map> <unordered_set> <utility>
  <variant> <vector> <nlohmann/json.hpp>
  <boost/system/result.hpp> <boost/asio/as_tuple.hpp> <boost/asio/awaitable.hpp>
  <boost/asio/cancellation_signal.hpp> <boost/asio/co_spawn.hpp> <boost/asio/io_context.hpp>
  <boost/asio/post.hpp> <boost/asio/steady_timer.hpp> <boost/asio/this_coro.hpp>
  <boost/asio/use_awaitable.hpp>)
set(m365_cli_headers ${m365_asio_headers} <CLI/CLI.hpp>)

if(M365STAGE_PCH)
  # A time stamp in the header would make every build a stranger to ccache.
  if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    target_compile_options(m365_options INTERFACE "SHELL:-Xclang -fno-pch-timestamp")
  endif()
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/precompiled.cpp CONTENT "")
  foreach(set asio cli)
    add_library(m365_precompiled_${set} OBJECT ${CMAKE_BINARY_DIR}/precompiled.cpp)
    target_link_libraries(m365_precompiled_${set} PRIVATE m365_options Boost::headers nlohmann_json::nlohmann_json
                          CLI11::CLI11)
    target_precompile_headers(m365_precompiled_${set} PRIVATE ${m365_${set}_headers})
  endforeach()
endif()

# Gives a target one of the sets. Asio's headers refer to Asio's code, so `asio` and `cli` are for what links
# m365_async or compiles Asio itself.
function(m365_precompiled target set)
  if(M365STAGE_PCH AND TARGET ${target})
    target_precompile_headers(${target} REUSE_FROM m365_precompiled_${set})
  endif()
endfunction()

# -O1 for test programs. Not for anything in m365stage: the linker keeps one copy of each template of the standard
# library and of nlohmann/json, the first it meets, and a slow one would serve the hot paths as well (with one file of
# lib/config at -O0 and daemon/ at -O1, a first pass took 45 % more instructions). Under g++ a precompiled header fits one level only.
function(m365_cold target)
  if(TARGET ${target})
    target_compile_options(${target} PRIVATE
      $<$<AND:$<CONFIG:Release>,$<CXX_COMPILER_ID:Clang,AppleClang>>:-O1>)
  endif()
endfunction()

# Compiles the sources of a target in batches: what they share (templates of nlohmann/json and of Asio above all) is
# parsed, optimised and emitted once for each batch. That halves the work, and the batches are small, so that a change stays
# cheap. Names in anonymous namespaces meet those of the other files of a batch: they say whose they are, and what means
# the same is shared. -D M365STAGE_UNITY=OFF compiles each file by itself, as clang-tidy does (tests/lint/tidy.sh).
function(m365_unity target)
  if(M365STAGE_UNITY AND TARGET ${target})
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 6)
    # g++ takes a type in an anonymous namespace for one of a header, since the batch includes its file.
    target_compile_options(${target} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage>)
  endif()
endfunction()
