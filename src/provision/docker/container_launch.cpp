#include "provision/docker/container_launch.hpp"

#include <boost/asio/post.hpp>
#include <nlohmann/json.hpp>
#include <utility>

#include "protocol/json.hpp"
#include "protocol/json_fields.hpp"
#include "protocol/tar.hpp"
#include "provision/docker/images.hpp"

namespace perijove::docker {
namespace {

// How long the container of the same name that we made before may take to go.
constexpr auto kRemovalMax = std::chrono::seconds(15);
constexpr auto kRemovalPause = std::chrono::milliseconds(20);

Error explain(const Error& error) {
  std::string hint;
  if (error.message.find("bind source path does not exist") != std::string::npos) {
    hint =
        "; the daemon sees other files than the gateway: name the work directory as it sees it in "
        "bind_dir, and a --runtime-dir that both see";
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

// gVisor is what the daemon has under a name of its own choice.
void ContainerLaunch::check_runtime() {
  if (make_.options.runtime.empty()) {
    create();
    return;
  }
  EngineCall info;
  info.path = "/info";
  send(std::move(info), [this](const std::string& answer) {
    const auto document = parse_json(answer);
    const bool has_runtimes = document && document->is_object() && document->contains("Runtimes") &&
                              (*document)["Runtimes"].is_object();
    const nlohmann::json runtimes =
        has_runtimes ? (*document)["Runtimes"] : nlohmann::json::object();
    const auto found = runtimes.find(make_.options.runtime);
    if (found == runtimes.end()) {
      std::string known;
      for (const auto& [name, about] : runtimes.items()) {
        known += (known.empty() ? "" : ", ") + name;
      }
      fail(Error{Code::failed_precondition, "the Docker daemon has no runtime '" +
                                                make_.options.runtime + "'; it has: " + known});
      return;
    }
    const std::string path = found->is_object() ? json_text(*found, "path") : "";
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
  // Kept until the answer, also when nobody wants the kernel any more: what was created must go.
  engine_->call(std::move(call), [self = shared_from_this()](const Result<std::string>& answer) {
    self->creating_ = false;
    self->created(answer);
  });
}

void ContainerLaunch::created(const Result<std::string>& answer) {
  const ContainerOptions& options = make_.options;
  if (answer) {
    containers_->add(make_.name,
                     !options.stop_container ? Farewell::nothing
                     : options.auto_remove   ? Farewell::remove
                                             : Farewell::stop,
                     engine_);
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
  if (make_.file) {
    put_file();
  } else {
    start_container();
  }
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
  EngineCall restart;  // also of one that is stopped
  restart.method = "POST";
  restart.path = "/containers/" + id_ + "/restart";
  restart.query = {{"t", "0"}};
  send(std::move(restart), [this](const std::string&) { events_.on_started(); });
}

void ContainerLaunch::put_file() {
  // In a directory of its own: ipykernel writes the file anew, so the directory must be writable
  // for the container's user, who may be any (nobody else is in there), and a volume is root's.
  TarEntry directory;
  directory.path = kPutDirectory;
  directory.is_directory = true;
  directory.mode = 0777;
  TarEntry entry;
  entry.path = std::string(kPutDirectory) + "/" + make_.file->name;
  entry.size_bytes = make_.file->text.size();
  entry.mode = 0644;
  EngineCall put;
  put.method = "PUT";
  put.path = "/containers/" + id_ + "/archive";
  put.query = {{"path", kKernelDirInside}};
  put.content_type = "application/x-tar";
  put.body = tar_header(directory) + tar_header(entry) + make_.file->text;
  put.body.append(tar_padding(entry.size_bytes) + kTarEndBytes, '\0');
  send(std::move(put), [this](const std::string&) { start_container(); });
}

void ContainerLaunch::start_container() {
  EngineCall start;
  start.method = "POST";
  start.path = "/containers/" + id_ + "/start";
  send(std::move(start), [this](const std::string&) { events_.on_started(); });
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
    } else {
      self->fail(explain(answer.error()));
    }
  });
}

}  // namespace perijove::docker
