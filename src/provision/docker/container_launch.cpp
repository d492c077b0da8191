#include "provision/docker/container_launch.hpp"

#include <boost/asio/post.hpp>
#include <nlohmann/json.hpp>
#include <utility>

#include "protocol/json.hpp"
#include "protocol/json_fields.hpp"
#include "provision/docker/images.hpp"

namespace perijove::docker {
namespace {

// How long the container of the same name that we made before may take to go.
constexpr auto kRemovalMax = std::chrono::seconds(15);
constexpr auto kRemovalPause = std::chrono::milliseconds(20);

// What the daemon says of a directory that it does not see.
constexpr const char* kUnseen = "bind source path does not exist";

Error explain(const Error& error) {
  std::string hint;
  if (error.message.find(kUnseen) != std::string::npos) {
    hint =
        "; the daemon sees other files than the gateway: have them copied (files: archive, and a "
        "network that the gateway reaches), or name the work directory as it sees it in bind_dir, "
        "and a --runtime-dir that both see";
  } else if (error.message.find("could not select device driver") != std::string::npos) {
    hint =
        "; the daemon has no driver for such devices: for GPUs install the NVIDIA Container "
        "Toolkit "
        "on its machine";
  }
  return {error.code, "cannot start the container: " + error.message + hint};
}

}  // namespace

void ContainerLaunch::start() {
  if (!make_.options.build_path.empty()) {
    build();
  } else if (make_.options.pull == PullPolicy::always) {
    pull();
  } else {
    check_runtime();
  }
}

void ContainerLaunch::start_again(std::string id) {
  id_ = std::move(id);
  again_ = true;
  boost::asio::post(shard_.loop(), [self = shared_from_this()] {
    if (self->abandoned_) return;
    self->events_.on_created(self->id_);
    self->put_files(0);
  });
}

void ContainerLaunch::abandon() {
  abandoned_ = true;
  const auto silent = std::exchange(events_, {});
  timer_.cancel();
  work_.reset();
  // A container that is just being created is ended by the answer to that.
  if (!creating_) Containers::end(containers_, make_.name);
}

void ContainerLaunch::build() {
  auto work = build_image(engine_, make_.options.build_path, events_.on_progress,
                          [weak = weak_from_this()](const Result<std::string>& built) {
                            const auto self = weak.lock();
                            if (!self || self->abandoned_) return;
                            if (!built) {
                              self->fail(built.error());
                              return;
                            }
                            self->make_.plan.image = *built;
                            self->check_runtime();
                          });
  if (work) {
    work_ = *std::move(work);
    return;
  }
  boost::asio::post(shard_.loop(),
                    [self = shared_from_this(), error = work.error()] { self->fail(error); });
}

void ContainerLaunch::pull() {
  pulled_ = true;
  work_ = pull_image(engine_, make_.plan.image, events_.on_progress,
                     [weak = weak_from_this()](const Result<void>& pulled) {
                       const auto self = weak.lock();
                       if (!self || self->abandoned_) return;
                       if (pulled) {
                         self->check_runtime();
                       } else {
                         self->fail(pulled.error());
                       }
                     });
}

// gVisor is what the daemon has under a name of its own choice, which may be its default.
void ContainerLaunch::check_runtime() {
  EngineCall info;
  info.path = "/info";
  send(std::move(info), [this](const std::string& answer) {
    const auto document = parse_json(answer);
    const bool has_runtimes = document && document->is_object() && document->contains("Runtimes") &&
                              (*document)["Runtimes"].is_object();
    const nlohmann::json runtimes =
        has_runtimes ? (*document)["Runtimes"] : nlohmann::json::object();
    const bool named = !make_.options.runtime.empty();
    const std::string runtime = named          ? make_.options.runtime
                                : has_runtimes ? json_text(*document, "DefaultRuntime")
                                               : "";
    const auto found = runtimes.find(runtime);
    if (found == runtimes.end() && named) {
      std::string known;
      for (const auto& [name, about] : runtimes.items()) {
        known += (known.empty() ? "" : ", ") + name;
      }
      fail(Error{Code::failed_precondition, "the Docker daemon has no runtime '" +
                                                make_.options.runtime + "'; it has: " + known});
      return;
    }
    const std::string path =
        found != runtimes.end() && found->is_object() ? json_text(*found, "path") : "";
    const bool gvisor = path.substr(path.rfind('/') + 1) == "runsc";
    const auto ready = gvisor ? events_.on_gvisor() : Result<void>();
    if (ready) {
      create();
    } else {
      fail(ready.error());
    }
  });
}

void ContainerLaunch::create() {
  EngineCall call;
  call.method = "POST";
  call.path = "/containers/create";
  call.query = {{"name", make_.name}};
  call.body = container_body(make_.options, make_.plan, make_.limits);
  creating_ = true;
  const bool own_name = make_.options.container_name.empty();
  if (own_name) containers_->expect(make_.name, farewell(), engine_);
  // Kept until the answer, also when nobody wants the kernel any more: what was created must go.
  engine_->call(std::move(call), [self = shared_from_this()](const Result<std::string>& answer) {
    self->creating_ = false;
    self->created(answer);
  });
}

Farewell ContainerLaunch::farewell() const {
  if (!make_.options.stop_container) return Farewell::nothing;
  return make_.options.auto_remove ? Farewell::remove : Farewell::stop;
}

void ContainerLaunch::created(const Result<std::string>& answer) {
  if (answer) {
    containers_->add(make_.name, farewell(), engine_);
  } else if (make_.options.container_name.empty()) {
    containers_->forget(make_.name);
  }
  if (abandoned_) {
    if (answer) Containers::end(containers_, make_.name);
    return;
  }
  if (!answer) {
    not_created(answer.error());
    return;
  }
  const auto document = parse_json(*answer);
  if (document && document->is_object()) id_ = json_text(*document, "Id");
  if (id_.empty()) {
    fail(Error{Code::data_loss, "Docker: the answer to creating a container has no Id"});
    return;
  }
  events_.on_created(id_);
  put_files(0);
}

void ContainerLaunch::not_created(const Error& error) {
  const std::string& image = make_.plan.image;
  const bool no_image =
      error.code == Code::not_found && error.message.find("o such image") != std::string::npos;
  if (no_image && make_.options.pull == PullPolicy::missing && !pulled_) {
    pull();
  } else if (no_image) {
    fail(
        Error{Code::not_found, "image '" + image +
                                   "' is not on the daemon's machine and is not to be pulled; make "
                                   "it (scripts/images kernels) or docker pull it, name another "
                                   "with `image`, or set pull to 'missing' beside it"});
  } else if (events_.on_unseen && error.message.find(kUnseen) != std::string::npos) {
    make_unseen(error);
  } else if (error.code != Code::already_exists) {
    fail(explain(error));
  } else if (wait_for_the_name()) {
    return;
  } else if (make_.options.reuse_container) {
    reuse();
  } else {
    fail(Error{Code::already_exists, "a container named '" + make_.name +
                                         "' exists already; choose another container_name, or "
                                         "remove it (docker rm -f " +
                                         make_.name + ")"});
  }
}

// Once: what is made instead mounts nothing of ours.
void ContainerLaunch::make_unseen(const Error& error) {
  auto instead = std::exchange(events_.on_unseen, nullptr)(error);
  if (!instead) {
    fail(explain(instead.error()));
    return;
  }
  const std::string image = make_.plan.image;  // which may have been built
  make_ = *std::move(instead);
  make_.plan.image = image;
  create();
}

// The kernel before this one had the name, and its removal is on its way.
bool ContainerLaunch::wait_for_the_name() {
  if (!first_conflict_) first_conflict_ = shard_.now();
  if (!containers_->is_ending(make_.name) || shard_.now() > *first_conflict_ + kRemovalMax) {
    return false;
  }
  timer_.expires_after(kRemovalPause);
  timer_.async_wait([weak = weak_from_this()](const auto& error) {
    const auto self = weak.lock();
    if (!error && self && !self->abandoned_) self->create();
  });
  return true;
}

void ContainerLaunch::reuse() {
  EngineCall inspect;
  inspect.path = "/containers/" + make_.name + "/json";
  send(std::move(inspect), [this](const std::string& answer) { check_reused(answer); });
}

// What a container has for life must be what this kernel needs.
void ContainerLaunch::check_reused(const std::string& answer) {
  const auto document = parse_json(answer);
  const nlohmann::json none = nlohmann::json::object();
  const nlohmann::json& container = document && document->is_object() ? *document : none;
  const auto member = [&none](const nlohmann::json& object, const char* name) -> const auto& {
    const auto found = object.find(name);
    return found == object.end() ? none : *found;
  };
  const nlohmann::json& config = member(container, "Config");
  const nlohmann::json& labels = member(config, "Labels");
  const auto source_of = [&](const std::string& target) {
    for (const nlohmann::json& mount : member(container, "Mounts")) {
      if (mount.is_object() && json_text(mount, "Destination") == target) {
        return json_text(mount, "Source");
      }
    }
    return std::string();
  };
  const std::string work_dir = source_of(make_.options.work_dir_inside);
  std::string why;
  if (!labels.is_object() || !labels.contains(kKeepLabel) ||
      source_of(kKernelDirInside) != make_.plan.kernel_dir) {
    why = "it was not made for that by a gateway with this runtime directory";
  } else if (!make_.plan.work_dir.empty() && work_dir != make_.plan.work_dir) {
    why = "its work directory is '" + work_dir + "'; name the same work_dir";
  } else if (json_text(config, "User") != make_.plan.user) {
    why = "its user is '" + json_text(config, "User") + "', not '" + make_.plan.user + "'";
  }
  if (!why.empty()) {
    fail(Error{Code::failed_precondition,
               "container '" + make_.name + "' cannot be used again: " + why});
    return;
  }
  id_ = json_text(container, "Id");
  containers_->add(make_.name, make_.options.stop_container ? Farewell::stop : Farewell::nothing,
                   engine_);
  events_.on_created(id_);
  restart_container();
}

void ContainerLaunch::put_files(std::size_t next) {
  if (next == make_.puts.size()) {
    start_container();
    return;
  }
  EngineCall put;
  put.method = "PUT";
  put.path = "/containers/" + id_ + "/archive";
  put.query = {{"path", make_.puts[next].directory}};
  put.content_type = "application/x-tar";
  put.body = make_.puts[next].tar;
  send(std::move(put), [this, next](const std::string&) { put_files(next + 1); });
}

void ContainerLaunch::start_container() {
  if (again_) {
    restart_container();
    return;
  }
  EngineCall start;
  start.method = "POST";
  start.path = "/containers/" + id_ + "/start";
  send(std::move(start), [this](const std::string&) { events_.on_started(); });
}

// Also one that is stopped.
void ContainerLaunch::restart_container() {
  EngineCall restart;
  restart.method = "POST";
  restart.path = "/containers/" + id_ + "/restart";
  restart.query = {{"t", "0"}};
  send(std::move(restart), [this](const std::string&) { events_.on_started(); });
}

void ContainerLaunch::fail(const Error& error) {
  if (const auto tell = std::exchange(events_.on_failed, nullptr)) tell(error);
}

void ContainerLaunch::send(EngineCall call, std::function<void(const std::string&)> next) {
  engine_->call(std::move(call), [weak = weak_from_this(),
                                  next = std::move(next)](const Result<std::string>& answer) {
    const auto self = weak.lock();
    if (!self || self->abandoned_) return;
    if (answer) {
      next(*answer);
    } else if (answer.error().code == Code::not_found && std::exchange(self->again_, false)) {
      self->create();
    } else {
      self->fail(explain(answer.error()));
    }
  });
}

}  // namespace perijove::docker
