#include "modules/pkg/package_json.h"

#include "nlohmann/json.hpp"

namespace dragnet::pkg {
namespace {

// Keeps the strings of the outermost object only.
class Fields : public nlohmann::json_sax<nlohmann::json> {
 public:
  bool null() override { return Value(); }
  bool boolean(bool) override { return Value(); }
  bool number_integer(number_integer_t) override { return Value(); }
  bool number_unsigned(number_unsigned_t) override { return Value(); }
  bool number_float(number_float_t, const string_t&) override { return Value(); }
  bool binary(binary_t&) override { return Value(); }
  bool string(string_t& text) override {
    if (depth_ == 1 && key_ == "name") package.name = std::move(text);
    if (depth_ == 1 && key_ == "version") package.version = std::move(text);
    return Value();
  }
  bool start_object(size_t) override {
    ++depth_;
    return true;
  }
  bool key(string_t& text) override {
    if (depth_ == 1) key_ = std::move(text);
    return true;
  }
  bool end_object() override {
    --depth_;
    return true;
  }
  // An array at the outside is no package.
  bool start_array(size_t) override { return depth_++ > 0; }
  bool end_array() override {
    --depth_;
    return true;
  }
  bool parse_error(size_t, const std::string&, const nlohmann::detail::exception&) override {
    return false;
  }

  NodePackage package;

 private:
  // Values outside of an object are no package.
  bool Value() const { return depth_ > 0; }

  size_t depth_ = 0;
  std::string key_;
};

}  // namespace

std::optional<NodePackage> ParsePackageJson(std::string_view text) {
  Fields fields;
  if (!nlohmann::json::sax_parse(text.begin(), text.end(), &fields)) return std::nullopt;
  return std::move(fields.package);
}

}  // namespace dragnet::pkg
