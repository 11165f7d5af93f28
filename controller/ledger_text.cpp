// SPDX-License-Identifier: Apache-2.0
#include "controller/ledger_text.hpp"

#include "wire/format.hpp"

#include "controller/columns.hpp"

#include <string_view>

namespace ombt::controller {
namespace {

/// Clients and receivers that the text names; --json has more.
constexpr std::size_t lines_told = 20;

/// "sent 2,000 = delivered once 1,990 + lost 10": what is zero is left out behind the second.
std::string equation(const ledger_counts& c) {
  std::string out = "sent " + grouped(c.sent) + " = delivered once " + grouped(c.delivered);
  const auto term = [&](std::uint64_t count, std::string_view what) {
    if (count > 0) out.append(" + ").append(what).append(" ").append(grouped(count));
  };
  term(c.duplicated, "more than once");
  term(c.lost, "lost");
  term(c.failed, "failed");
  term(c.unknown, "unknown");
  term(c.not_kept, "not kept");
  return out;
}

void append_line(std::string& out, std::string_view what, std::uint64_t count) {
  if (count > 0) out.append("  ").append(what).append(": ").append(grouped(count)) += '\n';
}

void append_lines(std::string& out, std::string_view who, const std::vector<ledger_line>& lines,
                  std::uint64_t of) {
  std::size_t told = 0;
  for (const ledger_line& line : lines) {
    if (told == lines_told) break;
    ++told;
    const std::string name = "  " + std::string{who} + ' ' + line.name + ':';
    std::string text = equation(line.counts);
    if (line.counts.extra_copies > 0) {
      text += "; extra copies " + grouped(line.counts.extra_copies);
    }
    if (!line.lost.empty()) text += "; not there: " + line.lost;
    const bool fits = name.size() + 1 + text.size() <= report_columns;
    out += name + (fits ? ' ' + text : '\n' + wrapped("    " + text, "      ")) + '\n';
  }
  if (of > told) {
    out.append("  and ").append(grouped(of - told)).append(" more ").append(who).append("s\n");
  }
}

void append_gaps(std::string& out, const ledger_summary& ledger) {
  for (const std::string& gap : ledger.gaps) out += "  Incomplete: " + gap + '\n';
}

}  // namespace

void append_ledger_text(std::string& out, const ledger_summary& ledger, std::string_view clients,
                        std::string_view receivers) {
  const ledger_counts& all = ledger.all;
  if (all.clean() && ledger.complete() && ledger.receivers_wrong.empty()) {
    out += "\n\nLedger: " + equation(all) + '\n';
    return;
  }
  if (all.sent == 0 && !ledger.gaps.empty()) {
    out += "\n\nLedger: n/a\n";
    append_gaps(out, ledger);
    return;
  }
  out += "\n\nLedger:\n-------\n";
  out += "  " + equation(all) + '\n';
  if (!all.closes()) out += "  THE LEDGER DOES NOT CLOSE\n";
  if (ledger.fanout) {
    out += "  (delivered: to each of " + grouped(ledger.receivers) + ' ';
    out.append(receivers).append("s)\n");
    append_line(out, "copies lost", ledger.copies_lost);
  }
  append_line(out, "failed, but delivered", all.failed_but_delivered);
  append_line(out, "extra copies", all.extra_copies);
  append_line(out, "copies caught by oslo.messaging's window", ledger.caught_by_window);
  append_line(out, "late replies", ledger.late_replies);
  for (const auto& [error, count] : ledger.failed_by_kind) {
    append_line(out, "failed with " + error, count);
  }
  append_lines(out, clients, ledger.clients, ledger.clients_listed_of);
  append_lines(out, receivers, ledger.receivers_wrong, ledger.receivers_listed_of);
  append_gaps(out, ledger);
}

}  // namespace ombt::controller
