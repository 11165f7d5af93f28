# SPDX-License-Identifier: Apache-2.0
# The rules that the compiler does not know: who includes whom, and that headers compile alone.
add_test(NAME "layers: every file keeps the rules of docs/design.md"
  COMMAND /usr/bin/python3 "${CMAKE_CURRENT_SOURCE_DIR}/check_layers.py" "${CMAKE_SOURCE_DIR}")
add_test(NAME "layers: each planted violation is found"
  COMMAND /usr/bin/python3 -B "${CMAKE_CURRENT_SOURCE_DIR}/check_layers_test.py")
add_test(NAME "the house: top level, presets, the table of layers"
  COMMAND /usr/bin/python3 -B "${CMAKE_CURRENT_SOURCE_DIR}/house_test.py")
# Every header compiles alone. One that has a source beside it does so there, as its first include
# (check_layers.py sees to that); each of the others gets a source here.
file(GLOB_RECURSE headers RELATIVE "${CMAKE_SOURCE_DIR}" CONFIGURE_DEPENDS
  "${CMAKE_SOURCE_DIR}/wire/*.hpp" "${CMAKE_SOURCE_DIR}/drivers/*.hpp"
  "${CMAKE_SOURCE_DIR}/agents/*.hpp" "${CMAKE_SOURCE_DIR}/controller/*.hpp"
  "${CMAKE_SOURCE_DIR}/tools/*.hpp")
add_library(header_check OBJECT)
foreach(header IN LISTS headers)
  string(REGEX REPLACE "\\.hpp$" ".cpp" beside "${header}")
  if(NOT EXISTS "${CMAKE_SOURCE_DIR}/${beside}")
    file(CONFIGURE OUTPUT "header_check/${beside}" @ONLY
      CONTENT "#include \"@header@\"\n#include \"@header@\"\n")
    target_sources(header_check PRIVATE "${CMAKE_CURRENT_BINARY_DIR}/header_check/${beside}")
  endif()
endforeach()
target_link_libraries(header_check PRIVATE ombt_flags ombt_asio_headers)
# A failing compile is a failing test too, with its own name; when built, this does nothing.
add_test(NAME "layers: every header compiles alone"
  COMMAND "${CMAKE_COMMAND}" --build "${CMAKE_BINARY_DIR}" --target header_check)
set_tests_properties(
  "layers: every file keeps the rules of docs/design.md" "layers: each planted violation is found"
  "layers: every header compiles alone" "the house: top level, presets, the table of layers" PROPERTIES LABELS unit TIMEOUT 300)
