// Prometheus's text format (version 0.0.4), and the counters of metrics.h in it.
// MetricsText isn't thread-safe; the functions are.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "scheduler/observe/metrics.h"

namespace dragnet::scheduler {

inline constexpr char kMetricsContentType[] = "text/plain; version=0.0.4; charset=utf-8";

// Builds one page. Each family is begun once, then gets its samples.
class MetricsText {
 public:
  using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

  // Names begin with "dragnet_"; those of a process are everyone's: "process_…".
  void BeginGauge(std::string_view name, std::string_view help) { Begin(name, help, "gauge"); }
  // By convention `name` ends in _total.
  void BeginCounter(std::string_view name, std::string_view help) { Begin(name, help, "counter"); }
  void Add(double value, Labels labels = {});
  void AddHistogram(std::string_view name, std::string_view help, const DurationHistogram& values);

  // A family of one sample.
  void Gauge(std::string_view name, std::string_view help, double value) {
    BeginGauge(name, help);
    Add(value);
  }
  void Counter(std::string_view name, std::string_view help, double value) {
    BeginCounter(name, help);
    Add(value);
  }

  std::string Take() { return std::move(text_); }

 private:
  void Begin(std::string_view name, std::string_view help, std::string_view type);
  void Sample(std::string_view suffix, double value, Labels labels);

  std::string text_;
  std::string family_;
};

// Everything that `metrics` counts.
void WriteCounters(const Metrics& metrics, MetricsText* text);

}  // namespace dragnet::scheduler
