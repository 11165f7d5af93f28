// SPDX-License-Identifier: Apache-2.0
#include "wire/oslo/transport_url.hpp"

#include "wire/configuration_error.hpp"
#include "wire/oslo/password_mask.hpp"

#include <algorithm>
#include <charconv>

namespace ombt::wire::oslo {
namespace {

constexpr std::string_view default_login = "guest";
constexpr std::size_t longest_short_string = 255;

[[noreturn]] void fail(std::string_view url, const std::string& why) {
  throw configuration_error("transport URL \"" + mask_url(url) + "\": " + why);
}

int hex_value(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// As urllib.parse.unquote: a '%' that two digits do not follow stays.
std::string percent_decoded(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && hex_value(text[i + 1]) >= 0 &&
        hex_value(text[i + 2]) >= 0) {
      out += static_cast<char>(hex_value(text[i + 1]) << 4 | hex_value(text[i + 2]));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

/// As urllib.parse.quote.
std::string percent_encoded(std::string_view text, std::string_view safe) {
  constexpr char digits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const bool unreserved = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                            (c >= '0' && c <= '9') ||
                            std::string_view{"-._~"}.find(c) != std::string_view::npos;
    if (unreserved || safe.find(c) != std::string_view::npos) {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += '%';
      out += digits[byte >> 4];
      out += digits[byte & 0xf];
    }
  }
  return out;
}

std::string lower(std::string_view text) {
  std::string out{text};
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

driver_kind parse_scheme(std::string_view url, std::string_view scheme) {
  const std::string name = lower(scheme);
  if (name == "rabbit" || name == "kombu") return driver_kind::rabbit;
  if (name == "amqp") return driver_kind::amqp10;
  const std::string known = "use rabbit:// (AMQP 0-9-1) or amqp:// (AMQP 1.0)";
  if (name == "amqps" || name == "ssl" || name == "rabbits") {
    fail(url, name + " is no transport: TLS is the option ssl, as in rabbit://host:5671/?ssl=1");
  }
  if (name.empty()) fail(url, "the transport before :// is missing; " + known);
  if (name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789+-.") != std::string::npos) {
    fail(url, "what stands before :// is no transport; " + known);
  }
  fail(url, "unknown transport " + name + "; " + known);
}

/// A host without brackets, or an error: names and IPv4 addresses, IPv6 in brackets.
void check_host(std::string_view url, std::string_view host, bool bracketed) {
  for (const char c : host) {
    const bool fits = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '-' || c == '.' || c == '_' || (bracketed && (c == ':' || c == '%')) ||
                      static_cast<unsigned char>(c) >= 0x80;
    if (!fits) fail(url, "a host name has a character that none can have");
  }
  if (bracketed && host.find(':') == std::string_view::npos) {
    fail(url, "brackets are for IPv6 addresses");
  }
}

/// The text is shown only if it is a number: it may be the rest of a password that needed escapes.
std::uint16_t parse_port(std::string_view url, std::string_view text) {
  if (text.find_first_not_of("0123456789") != std::string_view::npos) {
    fail(url,
         "a port is not a number (an IPv6 address needs brackets; in a user or password "
         "write : @ / , ? # as %3A %40 %2F %2C %3F %23)");
  }
  unsigned port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc{} || end != text.data() + text.size() || port == 0 || port > 65535) {
    fail(url, "port " + std::string{text.substr(0, 20)} + " is not between 1 and 65535");
  }
  return static_cast<std::uint16_t>(port);
}

void check_no_nul(std::string_view url, std::string_view text, const char* part) {
  if (text.find('\0') != std::string_view::npos) {
    fail(url, std::string{"the "} + part + " has a zero byte");
  }
}

host_address parse_host(std::string_view url, std::string_view text, driver_kind driver) {
  host_address out;
  if (const std::size_t at = text.rfind('@'); at != std::string_view::npos) {
    std::string_view login = text.substr(0, at);
    text.remove_prefix(at + 1);
    if (const std::size_t colon = login.find(':'); colon != std::string_view::npos) {
      out.password = percent_decoded(login.substr(colon + 1));
      login = login.substr(0, colon);
    }
    out.user = percent_decoded(login);
    out.login_given = !out.user.empty() || !out.password.empty();
    check_no_nul(url, out.user, "user");
    check_no_nul(url, out.password, "password");
    if (out.user.size() > longest_short_string) fail(url, "the user is longer than 255 bytes");
  }
  if (driver == driver_kind::rabbit) {
    if (out.user.empty()) out.user = default_login;
    if (out.password.empty()) out.password = default_login;
  }
  std::string_view port;
  if (!text.empty() && text.front() == '[') {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) fail(url, "an IPv6 address has no closing bracket");
    const std::string_view rest = text.substr(close + 1);
    text = text.substr(1, close - 1);
    check_host(url, text, true);
    if (!rest.empty() && rest.front() != ':') {
      fail(url, "only a port can follow the bracket of an IPv6 address");
    }
    if (!rest.empty()) port = rest.substr(1);
  } else {
    if (const std::size_t colon = text.find(':'); colon != std::string_view::npos) {
      port = text.substr(colon + 1);
      text = text.substr(0, colon);
    }
    check_host(url, text, false);
  }
  if (text.size() > longest_short_string) fail(url, "a host name is longer than 255 bytes");
  if (!text.empty()) out.host = text;
  if (!port.empty()) out.port = parse_port(url, port);
  return out;
}

std::string query_decoded(std::string_view text) {
  std::string spaced{text};
  std::replace(spaced.begin(), spaced.end(), '+', ' ');
  return percent_decoded(spaced);
}

void parse_query(std::string_view url, std::string_view query, transport_url& out) {
  while (!query.empty()) {
    const std::size_t amp = query.find('&');
    const std::string_view pair = query.substr(0, amp);
    query.remove_prefix(amp == std::string_view::npos ? query.size() : amp + 1);
    if (pair.empty()) continue;
    const std::size_t equal = pair.find('=');
    const std::string key = query_decoded(pair.substr(0, equal));
    if (equal == std::string_view::npos) {
      // Not shown if it is no name: it may be the rest of a password.
      const bool is_name =
          key.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == std::string::npos;
      fail(url, (is_name ? "option " + printable(key) : "an option") + " has no value");
    }
    if (key.empty()) fail(url, "an option has no name");
    std::string text = query_decoded(pair.substr(equal + 1));
    check_no_nul(url, text, "query");
    const auto known = std::find_if(out.options.begin(), out.options.end(),
                                    [&](const auto& option) { return option.first == key; });
    if (known == out.options.end()) {
      out.options.emplace_back(key, std::move(text));
    } else if (known->second.empty()) {
      known->second = std::move(text);
    } else if (!text.empty()) {
      (known->second += ',') += text;
    }
  }
}

}  // namespace

transport_url transport_url::parse(std::string_view text) {
  transport_url out;
  const std::size_t separator = text.find("://");
  if (separator == std::string_view::npos) {
    fail(text, "it has no ://; it should look like rabbit://user:password@host:5672/virtual_host");
  }
  for (const char c : text) {
    if (static_cast<unsigned char>(c) <= ' ' || c == 0x7f) {
      fail(text, "it has a space or control character");
    }
  }
  out.driver = parse_scheme(text, text.substr(0, separator));
  std::string_view rest = text.substr(separator + 3);
  if (rest.find('#') != std::string_view::npos) fail(text, "it has a #; write %23 for one");
  const std::size_t question = rest.find('?');
  const std::string_view query =
      question == std::string_view::npos ? std::string_view{} : rest.substr(question + 1);
  rest = rest.substr(0, question);
  if (const std::size_t slash = rest.find('/'); slash != std::string_view::npos) {
    std::string name = percent_decoded(rest.substr(slash + 1));
    check_no_nul(text, name, "virtual host");
    if (name.size() > longest_short_string) {
      fail(text, "the virtual host is longer than 255 bytes");
    }
    if (!name.empty()) out.virtual_host = std::move(name);
    rest = rest.substr(0, slash);
  }
  while (!rest.empty()) {
    const std::size_t comma = rest.find(',');
    const std::string_view host = rest.substr(0, comma);
    rest.remove_prefix(comma == std::string_view::npos ? rest.size() : comma + 1);
    if (!host.empty()) out.hosts.push_back(parse_host(text, host, out.driver));
  }
  if (out.hosts.empty()) out.hosts.push_back(parse_host(text, {}, out.driver));
  parse_query(text, query, out);
  return out;
}

std::string transport_url::masked() const {
  std::string out = driver == driver_kind::rabbit ? "rabbit://" : "amqp://";
  const char* separator = "";
  for (const host_address& host : hosts) {
    out += separator;
    separator = ",";
    if (host.login_given) {
      out += percent_encoded(host.user, "");
      if (!host.password.empty()) out += ":***";
      out += '@';
    }
    const bool ipv6 = host.host.find(':') != std::string::npos;
    out += ipv6 ? "[" + host.host + "]" : host.host;
    out += ':';
    out += std::to_string(host.port);
  }
  out += '/';
  if (virtual_host) out += percent_encoded(*virtual_host, "/");
  separator = "?";
  for (const auto& [name, text] : options) {
    out += separator;
    separator = "&";
    out += percent_encoded(name, "");
    out += '=';
    out += name == secret_option ? "***" : percent_encoded(text, "/,:");
  }
  return out;
}

}  // namespace ombt::wire::oslo
