// A passphrase or PIN that is wiped when its owner goes. Not thread-safe.
#pragma once

#include <openssl/crypto.h>

#include <string>

namespace dragnet::console {

class Secret {
 public:
  explicit Secret(std::string text) : text_(std::move(text)) {}
  ~Secret() { Wipe(); }
  Secret(Secret&& other) noexcept : text_(std::move(other.text_)) { other.Wipe(); }
  Secret& operator=(Secret&&) = delete;

  const std::string& text() const { return text_; }
  std::string* mutable_text() { return &text_; }

 private:
  // All that was allocated: a short text that moved away stays behind otherwise.
  void Wipe() {
    text_.resize(text_.capacity());
    OPENSSL_cleanse(text_.data(), text_.size());
    text_.clear();
  }

  std::string text_;
};

}  // namespace dragnet::console
