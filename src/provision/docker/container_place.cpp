#include "provision/docker/container_place.hpp"

#include <boost/asio/steady_timer.hpp>
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "base/log.hpp"
#include "protocol/json.hpp"
#include "protocol/json_fields.hpp"
#include "provision/docker/log_frames.hpp"

namespace perijove::docker {
namespace {

using nlohmann::json;

// An archive may take as long as the network does.
constexpr auto kArchiveMax = std::chrono::minutes(10);

EngineCall post(const std::string& path, const json& body) {
  EngineCall call;
  call.method = "POST";
  call.path = path;
  call.body = dump_json(body);
  return call;
}

std::string id_in(const std::string& answer) {
  const auto document = parse_json(answer);
  return document && document->is_object() ? json_text(*document, "Id") : std::string();
}

// One command, shared with the calls about it. The daemon says which process it is only as its own
// machine counts, so a shell inside says it first, and then becomes the command.
class Exec : public std::enable_shared_from_this<Exec> {
 public:
  Exec(Shard& shard, std::shared_ptr<Engine> engine, ContainerSite site, PlacedCommandEvents events)
      : engine_(std::move(engine)),
        site_(std::move(site)),
        events_(std::move(events)),
        timer_(shard.loop()) {}

  void start(const PlacedCommand& command) {
    json argv = {"sh", "-c", "echo $$; exec \"$@\"", "sh"};
    for (const std::string& word : command.argv) argv.push_back(word);
    json env = json::array();
    for (const auto& [name, value] : command.env) env.push_back(name + "=" + value);
    call(post("/containers/" + site_.container_id + "/exec", {{"AttachStdout", true},
                                                              {"AttachStderr", true},
                                                              {"WorkingDir", site_.work_dir},
                                                              {"Env", std::move(env)},
                                                              {"Cmd", std::move(argv)}}),
         [](Exec& self, const Result<std::string>& answer) { self.created(answer); });
  }

  void signal(const char* name) {
    if (ended_) return;
    if (pid_.empty()) {
      signal_when_known_ = name;
      return;
    }
    // To its group: an exec begins a session of its own.
    const std::string script = "kill -s \"$1\" -- \"-$2\" 2>/dev/null || kill -s \"$1\" \"$2\"";
    const json body = {{"Cmd", {"sh", "-c", script, "sh", name, pid_}}};
    const auto engine = engine_;
    engine->call(post("/containers/" + site_.container_id + "/exec", body),
                 [weak = std::weak_ptr(engine)](const Result<std::string>& answer) {
                   const auto alive = weak.lock();
                   if (!alive || !answer) return;
                   alive->call(post("/exec/" + id_in(*answer) + "/start", {{"Detach", true}}),
                               [](const Result<std::string>&) {});
                 });
  }

  void drop() {
    events_ = {};
    if (ended_) return;
    signal("KILL");
    if (!pid_.empty()) {
      finished();
      return;
    }
    // Kept until the signal can be sent.
    constexpr auto kNumberMax = std::chrono::seconds(30);
    timer_.expires_after(kNumberMax);
    timer_.async_wait([self = shared_from_this()](const auto&) { self->finished(); });
  }

 private:
  template <typename Next>
  void call(EngineCall what, Next next) {
    engine_->call(std::move(what),
                  [self = shared_from_this(), next](const auto& answer) { next(*self, answer); });
  }

  void created(const Result<std::string>& answer) {
    id_ = answer ? id_in(*answer) : std::string();
    if (id_.empty()) {
      end(answer ? Error{Code::data_loss, "Docker: the answer to an exec has no Id"}
                 : answer.error());
      return;
    }
    const auto weak = weak_from_this();
    auto frames = std::make_shared<LogFrames>([weak](int stream, std::string_view bytes) {
      if (const auto self = weak.lock()) self->take(stream, bytes);
    });
    EngineCall start = post("/exec/" + id_ + "/start", {{"Detach", false}, {"Tty", false}});
    start.timeout = kNoTimeout;
    EngineStream functions;
    functions.on_bytes = [frames](std::string_view bytes) { frames->feed(bytes); };
    stream_ = engine_->stream(std::move(start), std::move(functions),
                              [weak](const Result<std::string>& ended) {
                                const auto self = weak.lock();
                                if (!self || self->ended_) return;
                                ended ? self->ask_exit_code() : self->end(ended.error());
                              });
  }

  void take(int stream, std::string_view bytes) {
    constexpr int kStandardError = 2;
    if (stream != kStandardError && pid_.empty()) {
      const std::size_t end = bytes.find('\n');
      first_line_ += bytes.substr(0, end);
      if (end == bytes.npos) return;
      bytes.remove_prefix(end + 1);
      long number = 0;
      const char* const last = first_line_.data() + first_line_.size();
      const auto read = std::from_chars(first_line_.data(), last, number);
      if (read.ec != std::errc() || read.ptr != last || number < 1) {
        end_later_ = Error{Code::data_loss, "Docker: the shell of an exec does not say its number"};
        return;
      }
      pid_ = std::to_string(number);
      if (const char* const wanted = std::exchange(signal_when_known_, nullptr)) signal(wanted);
      if (!events_.on_end) {  // dropped meanwhile
        finished();
        return;
      }
    }
    if (!bytes.empty() && events_.on_output) events_.on_output(stream == kStandardError, bytes);
  }

  // The daemon may still be about to note it when the output has ended.
  void ask_exit_code() {
    if (end_later_) {
      end(*end_later_);
      return;
    }
    EngineCall inspect;
    inspect.path = "/exec/" + id_ + "/json";
    call(std::move(inspect), [](Exec& self, const Result<std::string>& answer) {
      constexpr int kTriesMax = 100;
      constexpr auto kPause = std::chrono::milliseconds(20);
      const auto document = answer ? parse_json(*answer) : Result<json>(answer.error());
      if (!document || !document->is_object()) {
        self.end(document ? Error{Code::data_loss, "Docker: an exec cannot be read"}
                          : document.error());
        return;
      }
      const json code = document->value("ExitCode", json());
      const bool running = document->value("Running", json()) == true;
      if (!running && code.is_number_integer()) {
        self.end(code.get<int>());
      } else if (++self.tries_ > kTriesMax) {
        self.end(Error{Code::unavailable, "Docker: the command's exit code is not known"});
      } else {
        self.timer_.expires_after(kPause);
        self.timer_.async_wait([weak = self.weak_from_this()](const auto& error) {
          const auto again = weak.lock();
          if (!error && again) again->ask_exit_code();
        });
      }
    });
  }

  void end(const Result<int>& code) {
    const auto self = shared_from_this();  // whoever is told may let go of us
    finished();
    if (const auto tell = std::exchange(events_.on_end, nullptr)) tell(code);
  }

  void finished() {
    ended_ = true;
    timer_.cancel();
    stream_.reset();
  }

  std::shared_ptr<Engine> engine_;
  ContainerSite site_;
  PlacedCommandEvents events_;
  boost::asio::steady_timer timer_;
  std::string id_;
  std::string first_line_;
  std::string pid_;  // in the container
  const char* signal_when_known_ = nullptr;
  std::shared_ptr<void> stream_;
  std::optional<Error> end_later_;
  int tries_ = 0;
  bool ended_ = false;
};

class OwnedExec final : public RunningCommand {
 public:
  explicit OwnedExec(std::shared_ptr<Exec> exec) : exec_(std::move(exec)) {}
  ~OwnedExec() override { exec_->drop(); }
  void interrupt() override { exec_->signal("INT"); }
  void kill() override { exec_->signal("KILL"); }

 private:
  std::shared_ptr<Exec> exec_;
};

class ContainerPlace final : public KernelPlace {
 public:
  ContainerPlace(Shard& shard, std::shared_ptr<Engine> engine, ContainerSite site)
      : shard_(shard), engine_(std::move(engine)), site_(std::move(site)) {}

  std::unique_ptr<RunningCommand> run(PlacedCommand command, PlacedCommandEvents events) override {
    auto exec = std::make_shared<Exec>(shard_, engine_, site_, std::move(events));
    exec->start(command);
    return std::make_unique<OwnedExec>(std::move(exec));
  }

  bool shares_files() const override { return site_.shares_files; }

  FileOwner file_owner() const override { return site_.owner; }

  void put_files(std::string tar, std::function<void(Result<void>)> done) override {
    EngineCall put = archive("PUT", site_.work_dir);
    put.content_type = "application/x-tar";
    put.body = std::move(tar);
    engine_->call(std::move(put), [done = std::move(done)](const Result<std::string>& answer) {
      done(answer ? Result<void>() : answer.error());
    });
  }

  std::shared_ptr<void> get_files(std::function<void(std::string_view bytes)> on_bytes,
                                  std::function<void(Result<void>)> done) override {
    EngineStream functions;
    functions.on_bytes = std::move(on_bytes);
    return engine_->stream(archive("GET", site_.work_dir + "/."), std::move(functions),
                           [done = std::move(done)](const Result<std::string>& answer) {
                             done(answer ? Result<void>() : answer.error());
                           });
  }

 private:
  EngineCall archive(const char* method, const std::string& path) const {
    EngineCall call;
    call.method = method;
    call.path = "/containers/" + site_.container_id + "/archive";
    call.query = {{"path", path}};
    call.timeout = kArchiveMax;
    return call;
  }

  Shard& shard_;
  std::shared_ptr<Engine> engine_;
  ContainerSite site_;
};

}  // namespace

std::shared_ptr<KernelPlace> make_container_place(Shard& shard, std::shared_ptr<Engine> engine,
                                                  ContainerSite site) {
  return std::make_shared<ContainerPlace>(shard, std::move(engine), std::move(site));
}

}  // namespace perijove::docker
