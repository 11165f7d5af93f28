// SPDX-License-Identifier: Apache-2.0
#define CATCH_CONFIG_RUNNER
#include <catch2/catch.hpp>

#include <iostream>

int main(int argc, char* argv[]) {
  Catch::Session session;
  // ctest passes a test's name as an argument, so such a test would fail there, and only there.
  // On standard output: when ctest asks for names, this becomes the one test, and fails.
  for (const auto& test : Catch::getAllTestCasesSorted(session.config())) {
    if (test.name.starts_with("-")) {
      std::cout << "a test's name looks like an option: " << test.name << "\n";
      return 2;
    }
  }
  return session.run(argc, argv);
}
