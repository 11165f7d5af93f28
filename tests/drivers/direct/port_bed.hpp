// SPDX-License-Identifier: Apache-2.0
#pragma once
// A process with a port of its own, at a free TCP port of loopback and a socket in a private
// folder, that answers each frame by the same one. One thread, its loop's.

#include "wire/control/direct.hpp"

#include "drivers/shared_port.hpp"

#include "tests/drivers/direct/bed.hpp"

#include <list>

namespace ombt::tests {

inline const std::string own_key = "00000000000000aa";

inline drivers::shared_port::settings port_settings(const std::string& socket) {
  drivers::shared_port::settings out;
  out.socket = socket;
  out.host = "127.0.0.1";
  out.secret = a_token();
  out.process = own_key;
  return out;
}

/// Notes the channels that come, with what happens to them.
class port_notes {
 public:
  drivers::shared_port::events events() {
    drivers::shared_port::events out;
    out.joined = [this](std::uint16_t its) {
      joined = true;
      port = its;
    };
    out.failed = [this](std::string why) { failure = std::move(why); };
    out.taken = [this](std::unique_ptr<drivers::channel> by) {
      by->set_handler(notes);
      channels.push_back(std::move(by));
    };
    return out;
  }

  bool joined = false;
  std::uint16_t port = 0;
  std::string failure;
  note_taker notes;
  std::list<std::unique_ptr<drivers::channel>> channels;
};

class port_bed {
 public:
  explicit port_bed(const std::function<void(drivers::shared_port::settings&)>& change = nullptr) {
    auto what = port_settings(folder.file("s"));
    if (change) change(what);
    notes.notes.answer = [](drivers::channel& from, std::string_view frame) { from.send(frame); };
    port.emplace(on, what, notes.events());
    REQUIRE(run_until(on, [this] { return notes.joined || !notes.failure.empty(); }));
    REQUIRE(notes.failure.empty());
  }

  drivers::direct_place tcp() const { return {"127.0.0.1", notes.port, {}}; }
  drivers::direct_place local() const { return {{}, 0, folder.file("s")}; }
  std::unique_ptr<drivers::channel> connect(const drivers::direct_place& to,
                                            drivers::channel_handler& handler,
                                            const drivers::channel_limits& limits = {}) {
    return drivers::connect_channel(on, to, own_key, a_token(), handler, limits);
  }
  /// Whether a well-behaved controller is served at that place.
  bool serves(const drivers::direct_place& to) {
    note_taker mine;
    const auto by = connect(to, mine);
    by->send("still there?");
    return run_until(on, [&] { return !mine.frames.empty() || mine.closed > 0; }) &&
           mine.closed == 0;
  }
  bool until(const std::function<bool()>& happened, drivers::duration limit = 20s) {
    return run_until(on, happened, limit);
  }

  private_folder folder;
  drivers::loop on;
  port_notes notes;
  std::optional<drivers::shared_port> port;
};

}  // namespace ombt::tests
