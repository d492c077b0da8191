#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "provision/docker/engine.hpp"

namespace perijove::docker {

/// Lines for people about what is under way, each with its newline.
using OnProgress = std::function<void(std::string_view line)>;

/// `registry:5000/name:tag` as the two arguments that /images/create wants; `latest` without a tag.
struct ImageReference {
  std::string name;
  std::string tag;  ///< Or a digest, `sha256:...`.
};
ImageReference split_image(std::string_view image);

/// Looks for an image that is there already, and says with what: "Docker 20.10.24 with image NAME".
/// Errors: unavailable (no daemon), not_found (no such image), with what would help. A daemon that
/// does not answer within seconds counts as none.
void find_image(const std::shared_ptr<Engine>& engine, const std::string& image,
                std::function<void(Result<std::string>)> done);

/// Has the daemon fetch an image from its registry. `done` is called once unless the share is
/// dropped before, which ends the pull.
[[nodiscard]] std::shared_ptr<void> pull_image(const std::shared_ptr<Engine>& engine,
                                               const std::string& image, OnProgress on_progress,
                                               std::function<void(Result<void>)> done);

/// Has it build the Dockerfile of a directory of this machine, all of whose files are handed over
/// (at most kBuildBytesMax). The image's name is made of their digest, so that the same files are
/// built once. Symbolic links are left out. As pull_image otherwise. Errors at once: not_found (no
/// such directory, no Dockerfile), resource_exhausted.
inline constexpr std::uint64_t kBuildBytesMax = std::uint64_t{256} * 1024 * 1024;
Result<std::shared_ptr<void>> build_image(const std::shared_ptr<Engine>& engine,
                                          const std::string& directory, OnProgress on_progress,
                                          std::function<void(Result<std::string>)> done);

}  // namespace perijove::docker
