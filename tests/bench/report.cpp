#include "report.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <ostream>

#include "statistics.hpp"

namespace bench {

namespace {

/// Three significant digits, without an exponent.
std::string number(double value) {
  const double size = std::abs(value);
  const int decimals = size >= 100 || size == 0 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3;
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", decimals, value);
  return text;
}

/// The median, and half the distance from the lowest to the highest round in percent of it.
std::string cell(const std::vector<double>& rounds) {
  if (rounds.empty()) return "-";
  const double middle = median(rounds);
  const auto [low, high] = std::minmax_element(rounds.begin(), rounds.end());
  if (rounds.size() < 2 || middle == 0) return number(middle);
  char spread[32];
  std::snprintf(spread, sizeof spread, " ±%.0f%%", 50 * (*high - *low) / std::abs(middle));
  return number(middle) + spread;
}

/// Columns a terminal needs for UTF-8 text without wide characters.
std::size_t width(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

void print_grid(const std::vector<std::vector<std::string>>& grid, std::size_t left_columns,
                std::ostream& out) {
  std::vector<std::size_t> widths(grid.front().size());
  for (const auto& line : grid) {
    for (std::size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], width(line[i]));
  }
  for (const auto& line : grid) {
    for (std::size_t i = 0; i < line.size(); ++i) {
      const std::string padding(widths[i] - width(line[i]), ' ');
      out << "  " << (i < left_columns ? line[i] + padding : padding + line[i]);
    }
    out << '\n';
  }
}

}  // namespace

double Row::median_of(const std::string& column) const {
  const auto found = rounds_by_column.find(column);
  return found == rounds_by_column.end() ? 0 : median(found->second);
}

Table::Table(std::string name, std::string title, std::vector<Column> columns)
    : name_(std::move(name)), title_(std::move(title)), columns_(std::move(columns)) {}

Row& Table::row(const std::string& target, const std::string& variant) {
  for (Row& row : rows_) {
    if (row.target == target && row.variant == variant) return row;
  }
  return rows_.emplace_back(Row{target, variant, {}, {}});
}

double Table::reference_advantage(const Row& row, const Column& column,
                                  const std::string& reference) const {
  const Row* chosen = nullptr;
  for (const Row& candidate : rows_) {
    if (candidate.target != reference) continue;
    if (chosen == nullptr || candidate.variant == row.variant) chosen = &candidate;
  }
  if (chosen == nullptr || chosen == &row || column.better == Better::kNeither) return 0;
  const double ours = chosen->median_of(column.key);
  const double theirs = row.median_of(column.key);
  if (ours <= 0 || theirs <= 0) return 0;
  return column.better == Better::kLower ? theirs / ours : ours / theirs;
}

Table& Report::add_table(std::string name, std::string title, std::vector<Column> columns) {
  return tables_.emplace_back(std::move(name), std::move(title), std::move(columns));
}

void Report::print_head(std::ostream& out) const {
  for (const std::string& note : notes_) out << "# " << note << '\n';
  out << "# medians of the rounds; ±: half the distance from the lowest to the highest round\n"
      << "# ratio: how many times better " << reference_ << " is in the column before\n";
}

void Report::print_new_tables(std::ostream& out) {
  for (; printed_ < tables_.size(); ++printed_) print(tables_[printed_], out);
}

void Report::print(const Table& table, std::ostream& out) const {
  const bool variants = std::any_of(table.rows().begin(), table.rows().end(),
                                    [](const Row& row) { return !row.variant.empty(); });
  std::vector<std::vector<std::string>> grid(1);
  grid[0].push_back("target");
  if (variants) grid[0].push_back("variant");
  for (const Column& column : table.columns()) {
    grid[0].push_back(column.title);
    if (column.better != Better::kNeither) grid[0].push_back("ratio");
  }
  for (const Row& row : table.rows()) {
    auto& line = grid.emplace_back();
    line.push_back(row.target);
    if (variants) line.push_back(row.variant);
    for (const Column& column : table.columns()) {
      const auto found = row.rounds_by_column.find(column.key);
      line.push_back(found == row.rounds_by_column.end() ? "-" : cell(found->second));
      if (column.better == Better::kNeither) continue;
      const double advantage = table.reference_advantage(row, column, reference_);
      line.push_back(advantage == 0 ? "" : number(advantage) + "x");
    }
  }
  out << '\n' << table.title() << '\n';
  print_grid(grid, variants ? 2 : 1, out);
  for (const Row& row : table.rows()) {
    for (const auto& [fault, times] : row.faults) {
      out << "  ! " << row.target << (row.variant.empty() ? "" : " ") << row.variant << ": "
          << fault;
      if (times > 1) out << " (" << times << " times)";
      out << '\n';
    }
  }
  out << std::flush;
}

std::string Report::to_json() const {
  nlohmann::ordered_json json;
  json["reference"] = reference_;
  json["notes"] = notes_;
  for (const Table& table : tables_) {
    auto& scenario = json["scenarios"].emplace_back();
    scenario["name"] = table.name();
    scenario["title"] = table.title();
    for (const Row& row : table.rows()) {
      auto& entry = scenario["rows"].emplace_back();
      entry["target"] = row.target;
      entry["variant"] = row.variant;
      for (const Column& column : table.columns()) {
        const auto found = row.rounds_by_column.find(column.key);
        if (found == row.rounds_by_column.end()) continue;
        const auto [low, high] = std::minmax_element(found->second.begin(), found->second.end());
        auto& value = entry["values"][column.key];
        value = {{"title", column.title},
                 {"median", median(found->second)},
                 {"min", *low},
                 {"max", *high},
                 {"rounds", found->second}};
        const double advantage = table.reference_advantage(row, column, reference_);
        if (advantage != 0) value["reference_advantage"] = advantage;
      }
      entry["faults"] = nlohmann::ordered_json::object();
      for (const auto& [fault, times] : row.faults) entry["faults"][fault] = times;
    }
  }
  return json.dump(2);
}

std::vector<std::string> Report::faults_of(const std::string& target) const {
  std::vector<std::string> faults;
  for (const Table& table : tables_) {
    for (const Row& row : table.rows()) {
      if (row.target != target) continue;
      for (const auto& [fault, times] : row.faults) {
        faults.push_back(table.name() + (row.variant.empty() ? "" : ", ") + row.variant + ": " +
                         fault);
      }
    }
  }
  return faults;
}

}  // namespace bench
