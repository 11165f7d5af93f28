// SPDX-License-Identifier: Apache-2.0
#include "agents/bus_bounds.hpp"

#include "wire/configuration_error.hpp"

#include <algorithm>
#include <cstdint>
#include <utility>

namespace ombt::agents {

namespace oslo = wire::oslo;

namespace {

std::vector<std::pair<std::string, std::uint16_t>> places_on(const oslo::transport_url& url) {
  std::vector<std::pair<std::string, std::uint16_t>> out;
  for (const oslo::host_address& one : url.hosts) {
    std::string& name = out.emplace_back(one.host, one.port).first;
    for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

/// A text a host, each with all that the URL says beside it, without user and password.
std::vector<std::string> texts_of(const oslo::transport_url& url) {
  std::vector<std::string> out;
  for (const oslo::host_address& one : url.hosts) {
    oslo::transport_url alone = url;
    alone.hosts = {one};
    alone.hosts.front().login_given = false;
    out.push_back(alone.masked());
  }
  return out;
}

bool has_login(const oslo::transport_url& url) {
  return std::any_of(url.hosts.begin(), url.hosts.end(),
                     [](const oslo::host_address& one) { return one.login_given; });
}

bool is_own(const oslo::transport_url& asked, const oslo::transport_url& own) {
  return same_bus(asked, own) && (asked.options.empty() || asked.options == own.options);
}

}  // namespace

bool matches(std::string_view pattern, std::string_view text) noexcept {
  std::size_t at = 0;
  std::size_t in = 0;
  // The last * and where what it stands for ended when it was last tried.
  std::size_t star = std::string_view::npos;
  std::size_t from = 0;
  while (in < text.size()) {
    if (at < pattern.size() && pattern[at] == '*') {
      star = at++;
      from = in;
    } else if (at < pattern.size() && (pattern[at] == '?' || pattern[at] == text[in])) {
      ++at;
      ++in;
    } else if (star != std::string_view::npos) {
      at = star + 1;
      in = ++from;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', at) == std::string_view::npos;
}

bool same_bus(const oslo::transport_url& a, const oslo::transport_url& b) {
  return a.driver == b.driver && a.virtual_host == b.virtual_host && places_on(a) == places_on(b);
}

std::string bus_refusal(const oslo::transport_url& asked, const oslo::transport_url& own,
                        const std::vector<std::string>& allowed) {
  if (is_own(asked, own)) return {};
  for (const std::string& text : texts_of(asked)) {
    const bool may = std::any_of(allowed.begin(), allowed.end(), [&](const std::string& pattern) {
      return matches(pattern, text);
    });
    if (may) continue;
    return "bus " + asked.masked() + " is not the process's own (" + own.masked() +
           "), and no --allow-url allows it";
  }
  return {};
}

std::shared_ptr<const drivers::transport_settings> settings_on(
    const std::string& url, const std::shared_ptr<const drivers::transport_settings>& own,
    const oslo::options_file& file, const std::vector<std::string>& allowed) {
  if (url.empty()) return own;
  const oslo::transport_url& of_process = own->messaging.url;
  const auto asked = oslo::transport_url::parse(url);
  if (std::string why = bus_refusal(asked, of_process, allowed); !why.empty()) {
    throw configuration_error(why);
  }
  if (is_own(asked, of_process) && !has_login(asked)) return own;
  auto out = std::make_shared<drivers::transport_settings>(*own);
  if (is_own(asked, of_process)) {
    out->messaging.url.hosts = asked.hosts;
  } else {
    out->messaging = oslo::make_messaging_options(file, url);
    out->messaging.body_limit = own->messaging.body_limit;
  }
  return out;
}

}  // namespace ombt::agents
