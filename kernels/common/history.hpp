#pragma once

#include <deque>
#include <string>
#include <xeus/xhistory_manager.hpp>

namespace perijove::kernels {

/// The inputs of this kernel process, as session 1; forgotten when it ends.
///
/// Replies have the protocol's shape, [session, line, input], which those of xeus 2.4 have not.
/// Outputs are not kept: with output=true they are null. Threads: the main thread only.
class History final : public xeus::xhistory_manager {
 public:
  static constexpr std::size_t kEntriesMax = 10'000;

 private:
  struct Entry {
    int line;
    std::string input;
  };

  void configure_impl() override {}
  void store_inputs_impl(int session, int line, const std::string& input,
                         const std::string& output) override;
  nlohmann::json get_tail_impl(int n, bool raw, bool output) const override;
  nlohmann::json get_range_impl(int session, int start, int stop, bool raw,
                                bool output) const override;
  nlohmann::json search_impl(const std::string& pattern, bool raw, bool output, int n,
                             bool unique) const override;

  std::deque<Entry> entries_;
  int last_line_ = 0;
};

}  // namespace perijove::kernels
