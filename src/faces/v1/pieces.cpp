#include "faces/v1/pieces.hpp"

#include <boost/asio/post.hpp>
#include <memory>
#include <utility>

#include "base/log.hpp"

namespace perijove::v1 {
namespace {

class Sending : public std::enable_shared_from_this<Sending> {
 public:
  Sending(CallPtr call, PieceSource source) : call_(std::move(call)), source_(std::move(source)) {}

  void begin(int status, std::string_view content_type, HttpFields extra) {
    const auto self = shared_from_this();
    call_->exchange().set_on_disconnect([self] { self->end(); });
    body_ = call_->respond_in_pieces(status, content_type, std::move(extra));
    body_->set_on_drained([weak = weak_from_this()] {
      if (const auto sending = weak.lock()) sending->send();
    });
    if (call_->request().method == "HEAD") {
      finish();
    } else {
      send();
    }
  }

 private:
  void send() {
    if (!body_ || body_->is_blocked()) return;
    const auto self = shared_from_this();
    const auto piece = source_();
    if (!piece) {
      log::warning("download_broken", {{"reason", piece.error().message}});
      end();
    } else if (piece->empty()) {
      finish();
    } else {
      body_->write(*piece);
      if (!std::exchange(next_is_posted_, true)) {
        boost::asio::post(call_->shard().loop(), [self] {
          self->next_is_posted_ = false;
          self->send();
        });
      }
    }
  }

  void finish() {
    source_ = nullptr;
    if (const auto body = std::move(body_)) body->finish();
  }

  void end() {
    source_ = nullptr;
    body_.reset();
  }

  CallPtr call_;
  PieceSource source_;
  std::unique_ptr<HttpBodyStream> body_;
  bool next_is_posted_ = false;
};

}  // namespace

void respond_with_pieces(const CallPtr& call, int status, std::string_view content_type,
                         HttpFields extra, PieceSource source) {
  std::make_shared<Sending>(call, std::move(source))->begin(status, content_type, std::move(extra));
}

}  // namespace perijove::v1
