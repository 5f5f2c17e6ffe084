// What pages of reports have in common. Thread-safe: no state.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dragnet::console {

// 4711 as "4,711".
std::string Grouped(uint64_t number);
// "1 host", "4,711 hosts".
std::string Counted(uint64_t number, std::string_view word);
// "12.500%", for attributes.
std::string Percent(uint64_t part, uint64_t whole);
// A little square of a colour.
std::string Swatch(std::string_view css);

// Everything up to the end of the page's header. `facts` raw; those without a value
// are left out. `links`: ids of sections and their names.
void AppendPageHead(std::string_view mark, std::string_view title,
                    const std::vector<std::pair<std::string, std::string>>& facts,
                    const std::vector<std::pair<std::string, std::string>>& links,
                    std::string* page);
void AppendPageFoot(std::string_view made, std::string* page);

// As in Report (report_page.h).
struct SignedDocumentText {
  std::string document;
  std::string document_json;
  std::string envelope_json;
  std::string signatures;
  std::string orders;
  bool authorized = false;
};
// The sections "document" and "signatures".
void AppendSignedDocument(const SignedDocumentText& text, std::string* page);

}  // namespace dragnet::console
