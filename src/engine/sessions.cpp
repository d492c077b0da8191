#include "engine/sessions.hpp"

#include <algorithm>
#include <utility>

namespace perijove {

void SessionStore::drop_orphans() {
  std::erase_if(sessions_,
                [this](const Session& each) { return registry_.find(each.kernel) == nullptr; });
}

std::vector<Session> SessionStore::list() {
  drop_orphans();
  return sessions_;
}

std::optional<Session> SessionStore::find(const SessionId& id) {
  drop_orphans();
  return find_even_orphaned(id);
}

std::optional<Session> SessionStore::find_even_orphaned(const SessionId& id) const {
  const auto found = std::find_if(sessions_.begin(), sessions_.end(),
                                  [&](const Session& each) { return each.id == id; });
  return found == sessions_.end() ? std::nullopt : std::optional(*found);
}

std::optional<Session> SessionStore::find_path(const std::string& path) {
  drop_orphans();
  const auto found = std::find_if(sessions_.begin(), sessions_.end(),
                                  [&](const Session& each) { return each.path == path; });
  return found == sessions_.end() ? std::nullopt : std::optional(*found);
}

Session SessionStore::create(std::string path, std::string name, std::string type,
                             KernelId kernel) {
  return sessions_.emplace_back(Session{.id = SessionId(make_uuid()),
                                        .path = std::move(path),
                                        .name = std::move(name),
                                        .type = std::move(type),
                                        .kernel = std::move(kernel)});
}

bool SessionStore::update(const Session& session) {
  const auto found = std::find_if(sessions_.begin(), sessions_.end(),
                                  [&](const Session& each) { return each.id == session.id; });
  if (found == sessions_.end()) return false;
  *found = session;
  return true;
}

bool SessionStore::erase(const SessionId& id) {
  return std::erase_if(sessions_, [&](const Session& each) { return each.id == id; }) > 0;
}

void SessionStore::erase_of(const KernelId& kernel) {
  std::erase_if(sessions_, [&](const Session& each) { return each.kernel == kernel; });
}

}  // namespace perijove
