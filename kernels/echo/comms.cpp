#include "echo/comms.hpp"

#include <nlohmann/json.hpp>
#include <utility>

namespace perijove::kernels::echo {

using nlohmann::json;

void Comms::register_target(xeus::xcomm_manager& manager) {
  manager_ = &manager;
  manager.register_comm_target(
      kTarget, [this](xeus::xcomm&& comm, const xeus::xmessage&) { adopt(std::move(comm)); });
}

void Comms::adopt(xeus::xcomm&& comm) {
  drop_closed();
  const std::string id(comm.id());
  comm.on_message([this, id](xeus::xmessage message) {
    const auto found = open_.find(id);
    if (found == open_.end()) return;
    json data = message.content().value("data", json::object());
    json metadata = message.metadata();
    found->second.send(std::move(metadata), std::move(data), std::move(message).buffers());
  });
  comm.on_close([this, id](const xeus::xmessage&) { closed_.push_back(id); });
  open_.insert_or_assign(id, std::move(comm));
}

void Comms::send_once(const xeus::buffer_sequence& buffers) {
  // An xcomm of xeus 2.4 knows that it was not moved from only after it was moved to.
  xeus::xcomm fresh(manager_->target(kTarget));
  xeus::xcomm comm(std::move(fresh));
  const json data = {{"buffers", buffers.size()}};
  comm.open(json::object(), data, {});
  comm.send(json::object(), data, buffers);
  comm.close(json::object(), json::object(), {});
}

void Comms::drop_closed() {
  for (const std::string& id : closed_) open_.erase(id);
  closed_.clear();
}

void Comms::clear() {
  closed_.clear();
  open_.clear();
}

}  // namespace perijove::kernels::echo
