#include "console/cli/envelope_file.h"

#include "console/form/form.h"
#include "console/output/json.h"
#include "core/file_io.h"
#include "core/status_macros.h"
#include "core/strings.h"

namespace dragnet::console {

absl::Status WriteEnvelopeFile(const std::string& path, const v1::Envelope& envelope) {
  const absl::Status written =
      WriteNewFile(path, StrCat(IndentJson(MessageToJson(envelope)), "\n"), 0644);
  if (absl::IsAlreadyExists(written)) {
    return absl::AlreadyExistsError(
        StrCat(path, ": exists already: give another name, nothing is overwritten"));
  }
  return written;
}

absl::StatusOr<std::string> EnvelopeBytes(std::string_view file_content) {
  if (!file_content.starts_with('{')) return std::string(file_content);
  v1::Envelope envelope;
  DRAGNET_RETURN_IF_ERROR(Annotate(MessageFromJson(file_content, &envelope), "DSSE envelope"));
  return envelope.SerializeAsString();
}

}  // namespace dragnet::console
