#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <iosfwd>
#include <map>
#include <string>
#include <vector>

namespace bench {

enum class Better : std::uint8_t {
  kLower,
  kHigher,
  kNeither,  ///< shown, not compared
};

struct Column {
  std::string key;    ///< in the JSON output
  std::string title;  ///< in the table, with the unit
  Better better = Better::kNeither;
};

/// What was measured for one target in one way of using it.
struct Row {
  std::string target;
  std::string variant;  ///< framing, acknowledgement, size ...; empty when there is only one
  std::map<std::string, std::vector<double>> rounds_by_column;
  /// Departures from the protocol (a lost message, a missing idle, a refusal) and in how many
  /// rounds.
  std::map<std::string, std::size_t> faults;

  void fault(const std::string& text) { ++faults[text]; }
  void add(const std::string& column, double value) { rounds_by_column[column].push_back(value); }
  double median_of(const std::string& column) const;
};

/// The results of one scenario. Rows are made when first asked for and keep that order.
class Table {
 public:
  Table(std::string name, std::string title, std::vector<Column> columns);

  Row& row(const std::string& target, const std::string& variant);
  const std::string& name() const { return name_; }
  const std::string& title() const { return title_; }
  const std::vector<Column>& columns() const { return columns_; }
  const std::deque<Row>& rows() const { return rows_; }

  /// How many times better the reference target is than this row in `column`, medians compared:
  /// with its row of the same variant or else its first. 0 when there is nothing to compare.
  double reference_advantage(const Row& row, const Column& column,
                             const std::string& reference) const;

 private:
  std::string name_;
  std::string title_;
  std::vector<Column> columns_;
  std::deque<Row> rows_;  // a deque: references to rows stay good
};

/// Everything that one run found out.
class Report {
 public:
  /// `reference` is the target that the others are compared with.
  explicit Report(std::string reference) : reference_(std::move(reference)) {}

  Table& add_table(std::string name, std::string title, std::vector<Column> columns);
  void add_note(const std::string& text) { notes_.push_back(text); }

  /// Notes and how to read the tables.
  void print_head(std::ostream& out) const;
  /// The tables that have been added since the call before.
  void print_new_tables(std::ostream& out);
  std::string to_json() const;
  /// "table, target variant: fault" of one target.
  std::vector<std::string> faults_of(const std::string& target) const;

 private:
  void print(const Table& table, std::ostream& out) const;

  std::string reference_;
  std::vector<std::string> notes_;
  std::deque<Table> tables_;
  std::size_t printed_ = 0;
};

}  // namespace bench
