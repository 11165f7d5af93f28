// SPDX-License-Identifier: Apache-2.0
#pragma once
// Hides the passwords of transport URLs from /proc/self/cmdline (and so from ps). Owns nothing;
// to be called from main, before any thread exists.

namespace ombt::tools {

/// Overwrites each password in the arguments with ***, in the memory that the kernel shows as
/// this process's command line. Call it once the arguments have been copied (CLI11 copies them
/// when it parses): afterwards argv holds the masked texts, moved together. A password is never
/// left readable: where *** would be longer than it, the characters are starred one by one.
void mask_command_line(int argc, char** argv);

}  // namespace ombt::tools
