#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "perijove/result.hpp"
#include "protocol/outputs.hpp"

namespace perijove {

enum class CellType { code, markdown, raw };

/// One cell, without what it put out.
struct Cell {
  CellType type = CellType::code;
  std::string id;
  std::string source;
  std::vector<std::string> tags;
  std::optional<std::int64_t> execution_count;  ///< Of a code cell that has run.

  bool has_tag(std::string_view tag) const;
};

/// A notebook in nbformat 4.5 (nbformat docs, "The Notebook file format"; v4/nbformat.v4.5.schema).
/// A value: copies are independent. Keeps every member of the file that it does not know.
class Notebook {
 public:
  /// An empty notebook.
  Notebook();
  Notebook(const Notebook& other);
  Notebook(Notebook&& other) noexcept;
  Notebook& operator=(Notebook other) noexcept;
  ~Notebook();

  /// Reads a notebook file of version 4.0 to 4.5, and later minor versions as far as they go the
  /// same way. Cells without a valid id get `cell-1`, `cell-2` ... by position, so that the same
  /// file always reads the same. invalid_argument names the field that is wrong; notebooks of
  /// version 3 and older are refused with the command that converts them.
  static Result<Notebook> parse(ByteView text);

  /// The text of a notebook file, byte for byte as nbformat writes it.
  std::string to_text() const;

  std::size_t size() const;
  Cell cell(std::size_t index) const;

  /// `metadata.kernelspec.name`; empty when the notebook does not say.
  std::string kernel_name() const;
  /// `metadata.language_info.name`, else `metadata.kernelspec.language`; empty when neither is
  /// there.
  std::string language() const;

  void set_kernelspec(std::string_view name, std::string_view display_name,
                      std::string_view language);
  /// Takes the `language_info` of a kernel_info_reply. Anything but an object is ignored.
  void set_language_info(const nlohmann::json& language_info);

  /// Sets what running a code cell gave.
  void set_result(std::size_t index, std::optional<std::int64_t> execution_count,
                  const std::vector<Output>& outputs);
  /// Makes every code cell look as if it had not run.
  void clear_results();

  /// Puts a new cell before the one at `index` (size(): at the end). Its id is `id`, with a number
  /// behind it when another cell has it already.
  void insert_cell(std::size_t index, CellType type, std::string_view source,
                   const std::vector<std::string>& tags = {}, std::string_view id = "cell");
  void erase_cell(std::size_t index);

 private:
  explicit Notebook(nlohmann::json document);

  std::unique_ptr<nlohmann::json> document_;
};

}  // namespace perijove
