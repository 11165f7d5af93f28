# SPDX-License-Identifier: Apache-2.0
# Language level, warnings, sanitizers and the two functions every folder uses.
option(OMBT_TESTS "Build the tests" ON)
option(OMBT_BENCH "Build the benchmarks" OFF)
option(OMBT_FUZZ "Build the fuzz targets (clang)" OFF)
option(OMBT_COVERAGE "Instrument for gcov" OFF)
option(OMBT_OPTIMIZE "Optimise for measuring" OFF)
set(OMBT_UNITY "none" CACHE STRING "Sources that are compiled several at a time: none, tests or all")
set(OMBT_SANITIZE "" CACHE STRING "Value for -fsanitize=")

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

find_program(OMBT_CCACHE ccache)
if(OMBT_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${OMBT_CCACHE}")
endif()

add_library(ombt_flags INTERFACE)
target_include_directories(ombt_flags INTERFACE "${CMAKE_SOURCE_DIR}")
target_compile_options(ombt_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Woverloaded-virtual -Werror
  -fno-omit-frame-pointer)
target_compile_definitions(ombt_flags INTERFACE OMBT_VERSION="${PROJECT_VERSION}")
if(CMAKE_BUILD_TYPE STREQUAL "Debug" AND NOT OMBT_SANITIZE)
  target_compile_definitions(ombt_flags INTERFACE _GLIBCXX_ASSERTIONS)
endif()
if(OMBT_OPTIMIZE)
  target_compile_options(ombt_flags INTERFACE -O2)
endif()
if(OMBT_SANITIZE)
  # Only libraries are optimised, as the bytes of corpora and hostile peers go through them; of test
  # cases and command lines it takes longer than it saves. Lines are enough for a report (-g1).
  target_compile_options(ombt_flags INTERFACE -fsanitize=${OMBT_SANITIZE} -fno-sanitize-recover=all
    -g1 $<$<STREQUAL:$<TARGET_PROPERTY:TYPE>,STATIC_LIBRARY>:-O1>)
  target_link_options(ombt_flags INTERFACE -fsanitize=${OMBT_SANITIZE})
  # g++ 12 warns falsely of the library's own code once it is instrumented.
  target_compile_options(ombt_flags INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
endif()
if(OMBT_COVERAGE)
  target_compile_options(ombt_flags INTERFACE --coverage -O0)
  target_link_options(ombt_flags INTERFACE --coverage)
endif()
if(OMBT_FUZZ)
  # Every library is instrumented; only the fuzz targets link libFuzzer's main.
  target_compile_options(ombt_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

# ombt_unity(KIND TARGET [APART sources…]): compiles a target's sources several at a time where
# OMBT_UNITY says so of KIND (tests or code): the headers and what they instantiate cost more than the
# sources. It hides a missing include and a shadowed name, so what is shipped is compiled one by one in
# preset dev, and tests in preset tsan. APART names sources that give a name of another's a meaning of
# their own.
function(ombt_unity kind target)
  cmake_parse_arguments(arg "" "" "APART" ${ARGN})
  if(OMBT_UNITY STREQUAL "all" OR (OMBT_UNITY STREQUAL "tests" AND kind STREQUAL "tests"))
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 8
      UNITY_BUILD_CODE_BEFORE_INCLUDE "#pragma GCC diagnostic ignored \"-Wshadow\"")
    foreach(source IN LISTS arg_APART)
      set_source_files_properties("${source}" PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
    endforeach()
  endif()
endfunction()

# ombt_library(NAME SOURCES… [APART sources…] [LINK libraries…] [PRIVATE libraries…])
function(ombt_library name)
  cmake_parse_arguments(arg "" "" "APART;LINK;PRIVATE" ${ARGN})
  add_library(${name} STATIC ${arg_UNPARSED_ARGUMENTS} ${arg_APART})
  ombt_unity(code ${name} APART ${arg_APART})
  target_link_libraries(${name} PUBLIC ombt_flags ${arg_LINK} PRIVATE ${arg_PRIVATE})
endfunction()

# ombt_program(NAME SOURCES… [LINK libraries…]): an installed executable of that name, with a manual
# page and bash completion made from its --help.
function(ombt_program name)
  cmake_parse_arguments(arg "" "" "LINK" ${ARGN})
  add_executable(${name} ${arg_UNPARSED_ARGUMENTS})
  ombt_unity(code ${name})
  target_link_libraries(${name} PRIVATE ombt_flags ${arg_LINK})
  install(TARGETS ${name} RUNTIME)
  ombt_program_documents(${name})
endfunction()
