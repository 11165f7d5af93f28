# SPDX-License-Identifier: Apache-2.0
# Debian 12 packages only; nothing is downloaded. docs/design.md says what each is for.
find_package(Threads REQUIRED)

# Boost 1.81 beside Debian's default 1.74 (which lacks cancellation): headers only.
find_package(Boost 1.81 EXACT REQUIRED)
add_library(ombt_asio_headers INTERFACE)
target_include_directories(ombt_asio_headers SYSTEM INTERFACE ${Boost_INCLUDE_DIRS})
target_compile_definitions(ombt_asio_headers INTERFACE
  BOOST_ASIO_SEPARATE_COMPILATION BOOST_ASIO_NO_DEPRECATED BOOST_ERROR_CODE_HEADER_ONLY)
target_link_libraries(ombt_asio_headers INTERFACE Threads::Threads)

find_package(nlohmann_json 3.11 REQUIRED)
find_package(simdjson REQUIRED)
find_package(CLI11 REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(ZLIB REQUIRED)

find_path(RABBITMQ_C_INCLUDE amqp.h REQUIRED)
find_library(RABBITMQ_C_LIBRARY rabbitmq REQUIRED)
add_library(ombt_rabbitmq_c INTERFACE)
target_include_directories(ombt_rabbitmq_c SYSTEM INTERFACE ${RABBITMQ_C_INCLUDE})
target_link_libraries(ombt_rabbitmq_c INTERFACE ${RABBITMQ_C_LIBRARY})

if(OMBT_TESTS)
  find_package(Catch2 2.13 REQUIRED)
endif()
