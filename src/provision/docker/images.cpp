#include "provision/docker/images.hpp"

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "net/http.hpp"
#include "protocol/json.hpp"
#include "protocol/json_fields.hpp"
#include "protocol/sha256.hpp"
#include "provision/docker/directory_archive.hpp"
#include "provision/docker/events.hpp"

namespace perijove::docker {
namespace {

namespace fs = std::filesystem;

constexpr auto kProgressEvery = std::chrono::seconds(1);
constexpr double kMegabyte = 1e6;

// What a pull or build tells, line by line: an error comes with status 200.
class Progress {
 public:
  Progress(std::string what, OnProgress on_progress)
      : what_(std::move(what)), on_progress_(std::move(on_progress)) {}

  void feed(std::string_view bytes) {
    lines_.feed(bytes, [this](std::string_view line) { read(line); });
  }
  const std::string& failure() const { return failure_; }

 private:
  void read(std::string_view line) {
    const auto message = parse_json(line);
    if (!message || !message->is_object()) return;
    if (const std::string error = json_text(*message, "error"); !error.empty()) failure_ = error;
    if (const std::string text = json_text(*message, "stream"); !text.empty()) on_progress_(text);
    const auto detail = message->find("progressDetail");
    if (detail == message->end() || !detail->is_object()) return;
    const auto number = [&](const char* name) {
      const auto found = detail->find(name);
      return found != detail->end() && found->is_number() ? found->get<double>() : 0.0;
    };
    if (number("total") <= 0) return;
    layers_[json_text(*message, "id")] = {number("current"), number("total")};
    const TimePoint now = Clock::now();
    if (now - told_ < kProgressEvery) return;
    told_ = now;
    double current = 0, total = 0;
    for (const auto& [id, bytes] : layers_) {
      current += bytes.first;
      total += bytes.second;
    }
    on_progress_(what_ + ": " + std::to_string(static_cast<long>(current / kMegabyte)) + " of " +
                 std::to_string(static_cast<long>(total / kMegabyte)) + " MB\n");
  }

  std::string what_;
  OnProgress on_progress_;
  JsonLines lines_;
  std::map<std::string, std::pair<double, double>> layers_;
  TimePoint told_;
  std::string failure_;
};

std::shared_ptr<void> follow(const std::shared_ptr<Engine>& engine, EngineCall call,
                             std::string what, OnProgress on_progress,
                             std::function<void(Result<void>)> done) {
  auto progress = std::make_shared<Progress>(what, std::move(on_progress));
  call.timeout = std::chrono::minutes(10);  // without a word of progress
  EngineStream functions;
  functions.on_bytes = [progress](std::string_view bytes) { progress->feed(bytes); };
  return engine->stream(
      std::move(call), std::move(functions),
      [progress, what = std::move(what), done = std::move(done)](const Result<std::string>& end) {
        if (!end) {
          done(Error{end.error().code, what + " failed: " + end.error().message});
        } else if (!progress->failure().empty()) {
          done(Error{Code::failed_precondition, what + " failed: Docker: " + progress->failure()});
        } else {
          done({});
        }
      });
}

}  // namespace

ImageReference split_image(std::string_view image) {
  if (const std::size_t at = image.find('@'); at != image.npos) {
    return {std::string(image.substr(0, at)), std::string(image.substr(at + 1))};
  }
  const std::size_t slash = image.rfind('/');
  const std::size_t colon = image.rfind(':');
  const bool tagged = colon != image.npos && (slash == image.npos || colon > slash);
  if (!tagged) return {std::string(image), "latest"};
  return {std::string(image.substr(0, colon)), std::string(image.substr(colon + 1))};
}

void find_image(const std::shared_ptr<Engine>& engine, const std::string& image,
                std::function<void(Result<std::string>)> done) {
  constexpr auto kAnswerMax = std::chrono::seconds(5);
  EngineCall version;
  version.path = "/version";
  version.timeout = kAnswerMax;
  engine->call(std::move(version), [weak = std::weak_ptr(engine), image, kAnswerMax,
                                    done = std::move(done)](const Result<std::string>& answer) {
    const auto alive = weak.lock();
    if (!answer || !alive) {
      done(answer ? Error{Code::unavailable, "Docker: the gateway is ending"} : answer.error());
      return;
    }
    const auto document = parse_json(*answer);
    const std::string which =
        "Docker " + (document && document->is_object() ? json_text(*document, "Version") : "");
    EngineCall inspect;
    inspect.path = "/images/" + percent_encode_path(image) + "/json";
    inspect.timeout = kAnswerMax;
    alive->call(std::move(inspect), [which, image, done](const Result<std::string>& found) {
      if (found) {
        done(which + " with image " + image);
      } else if (found.error().code == Code::not_found) {
        done(Error{Code::not_found, which + " has no image '" + image +
                                        "' for kernels; make it (docker build -t " + image +
                                        " -f docker/kernels.Dockerfile ., or scripts/images "
                                        "kernels), or name another with --docker-image"});
      } else {
        done(found.error());
      }
    });
  });
}

std::shared_ptr<void> pull_image(const std::shared_ptr<Engine>& engine, const std::string& image,
                                 OnProgress on_progress, std::function<void(Result<void>)> done) {
  const ImageReference reference = split_image(image);
  EngineCall call;
  call.method = "POST";
  call.path = "/images/create";
  call.query = {{"fromImage", reference.name}, {"tag", reference.tag}};
  on_progress("pulling image " + image + "\n");
  return follow(engine, std::move(call), "pulling image '" + image + "'", std::move(on_progress),
                std::move(done));
}

Result<std::shared_ptr<void>> build_image(const std::shared_ptr<Engine>& engine,
                                          const std::string& directory, OnProgress on_progress,
                                          std::function<void(Result<std::string>)> done) {
  std::error_code error;
  if (!fs::exists(fs::path(directory) / "Dockerfile", error)) {
    return Error{Code::not_found, "build_path '" + directory + "' has no file 'Dockerfile'"};
  }
  auto tar = pack_directory("build_path", directory, "", kBuildBytesMax);
  if (!tar) return tar.error();
  constexpr std::size_t kTagDigits = 16;
  const std::string image = "perijove-build:" + sha256_hex(*tar).substr(0, kTagDigits);
  EngineCall call;
  call.method = "POST";
  call.path = "/build";
  call.query = {{"t", image}, {"rm", "1"}, {"forcerm", "1"}};
  call.body = *std::move(tar);
  call.content_type = "application/x-tar";
  return follow(engine, std::move(call), "building '" + directory + "'", std::move(on_progress),
                [image, done = std::move(done)](const Result<void>& built) {
                  if (built) {
                    done(image);
                  } else {
                    done(built.error());
                  }
                });
}

}  // namespace perijove::docker
