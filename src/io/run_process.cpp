#include "io/run_process.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <utility>

namespace perijove {
namespace {

class ProcessRun : public std::enable_shared_from_this<ProcessRun> {
 public:
  using Done = std::function<void(Result<ProcessOutput>)>;

  ProcessRun(Shard& shard, std::string program, const RunBounds& bounds, Done done)
      : shard_(shard),
        program_(std::move(program)),
        bounds_(bounds),
        done_(std::move(done)),
        timer_(shard.loop()) {}

  void start(const SpawnRequest& request) {
    auto process = ChildProcess::spawn(
        shard_, request, [this](ByteView bytes) { take_output(bytes); },
        [this](ProcessExit exit) {
          result_.exit = exit;
          end(std::move(result_));
        },
        [this](ByteView bytes) { take_error_output(bytes); });
    if (!process) {
      end(process.error());
      return;
    }
    process_ = *std::move(process);
    timer_.expires_after(bounds_.time_max);
    timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
      const auto self = weak.lock();
      if (error || !self) return;
      self->end(Error{Code::deadline_exceeded, self->program_ + " did not end within " +
                                                   format_duration(self->bounds_.time_max)});
    });
  }

 private:
  void take_output(ByteView bytes) {
    if (result_.output.size() + bytes.size() <= bounds_.output_bytes_max) {
      result_.output += bytes;
    } else {
      end(Error{Code::resource_exhausted, program_ + " wrote more than " +
                                              std::to_string(bounds_.output_bytes_max) + " bytes"});
    }
  }

  void take_error_output(ByteView bytes) {
    std::string& text = result_.error_output;
    text += bytes;
    if (text.size() > kErrorOutputBytesMax) text.erase(0, text.size() - kErrorOutputBytesMax);
  }

  // Not at once: this may be a call of the process itself, and `done` may drop us.
  void end(Result<ProcessOutput> result) {
    timer_.cancel();
    boost::asio::post(shard_.loop(), [weak = weak_from_this(), result = std::move(result)] {
      const auto self = weak.lock();
      if (!self || !self->done_) return;
      self->process_.reset();
      std::exchange(self->done_, nullptr)(result);
    });
  }

  Shard& shard_;
  std::string program_;
  RunBounds bounds_;
  Done done_;
  boost::asio::steady_timer timer_;
  std::unique_ptr<ChildProcess> process_;
  ProcessOutput result_;
};

}  // namespace

std::shared_ptr<void> run_process(Shard& shard, const SpawnRequest& request,
                                  const RunBounds& bounds,
                                  std::function<void(Result<ProcessOutput>)> done) {
  const std::string program = request.argv.empty() ? std::string() : request.argv.front();
  auto run = std::make_shared<ProcessRun>(shard, program, bounds, std::move(done));
  run->start(request);
  return run;
}

}  // namespace perijove
