#pragma once

#include <vector>

namespace bench {

/// The value below which a share of the samples lies (nearest rank); 0 without samples.
double percentile(std::vector<double> samples, double share);

inline double median(std::vector<double> samples) { return percentile(std::move(samples), 0.5); }

}  // namespace bench
