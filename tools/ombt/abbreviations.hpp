// SPDX-License-Identifier: Apache-2.0
#pragma once
// Long options may be shortened as far as they stay unique, as Python's argparse allows in ombt.

#include <string>
#include <vector>

namespace CLI {  // NOLINT(readability-identifier-naming): CLI11's
class App;
}

namespace ombt::tools {

/// The arguments with every shortened option written out. What can be meant by one is what `app`
/// and the modes before it have. An option that none of them has stays as it is.
/// Throws configuration_error, naming the candidates, for one that could be several.
std::vector<std::string> expand_abbreviations(const CLI::App& app,
                                              std::vector<std::string> arguments);

}  // namespace ombt::tools
