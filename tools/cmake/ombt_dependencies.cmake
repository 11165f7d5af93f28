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

# The C engine is in the core library that libqpid-proton-cpp itself needs. It has no unversioned
# link; libqpid-proton.so beside it would be a second copy of the same symbols.
find_path(PROTON_INCLUDE proton/connection_driver.h REQUIRED)
find_library(PROTON_CPP_LIBRARY qpid-proton-cpp REQUIRED)
find_library(PROTON_CORE_LIBRARY libqpid-proton-core.so.10 REQUIRED)
add_library(ombt_proton INTERFACE)
target_include_directories(ombt_proton SYSTEM INTERFACE ${PROTON_INCLUDE})
target_link_libraries(ombt_proton INTERFACE ${PROTON_CPP_LIBRARY} ${PROTON_CORE_LIBRARY})

if(OMBT_TESTS)
  find_package(Catch2 2.13 REQUIRED)
endif()
