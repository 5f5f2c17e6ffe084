#include "console/cli/command_line.h"

#include <algorithm>

#include "CLI/CLI.hpp"
#include "absl/strings/str_join.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console {

// CLI11's own object: the top one is owned, those below belong to their parent.
struct CommandLine::Parser {
  std::unique_ptr<CLI::App> owned;
  CLI::App* app;
};

namespace {

std::string NamesFor(const OptionSpec& spec) {
  return spec.short_name.empty() ? spec.name : StrCat(spec.short_name, ",", spec.name);
}

void Configure(const OptionSpec& spec, CLI::Option* option) {
  option->required(spec.required);
  if (!spec.choices.empty()) {
    option->check([choices = spec.choices](const std::string& value) -> std::string {
      if (std::find(choices.begin(), choices.end(), value) != choices.end()) return "";
      return StrCat("\"", value, "\" is not one of: ", absl::StrJoin(choices, ", "));
    });
  }
}

// CLI11 would read "[a,b]" as a list and take several values after one flag.
// Here one flag takes one value, as it stands.
void TakeOneEach(CLI::Option* option) {
  option->expected(1)->allow_extra_args(false)->multi_option_policy(
      CLI::MultiOptionPolicy::TakeAll);
}

}  // namespace

CommandLine::CommandLine(std::string program, std::string summary)
    : CommandLine(program, summary, [&] {
        auto parser = std::make_unique<Parser>();
        parser->owned = std::make_unique<CLI::App>(summary, program);
        parser->app = parser->owned.get();
        return parser;
      }()) {}

CommandLine::CommandLine(std::string program, std::string summary, std::unique_ptr<Parser> parser)
    : program_(std::move(program)), summary_(std::move(summary)), parser_(std::move(parser)) {
  parser_->app->set_help_flag("-h,--help", "");
  parser_->app->allow_windows_style_options(false);
}

CommandLine::~CommandLine() = default;

std::string_view CommandLine::name() const {
  return std::string_view(program_).substr(program_.rfind(' ') + 1);
}

std::string CommandLine::path() const { return program_.substr(program_.find(' ') + 1); }

OptionSpec& CommandLine::Keep(OptionSpec spec, bool positional, bool repeatable) {
  spec.group = positional ? "Arguments" : group_;
  spec.positional = positional;
  spec.repeatable = repeatable;
  options_.push_back(std::move(spec));
  return options_.back();
}

void CommandLine::AddSwitch(OptionSpec spec, bool* value) {
  const OptionSpec& kept = Keep(std::move(spec), false, false);
  Configure(kept, parser_->app->add_flag(NamesFor(kept), *value));
}

void CommandLine::AddValue(OptionSpec spec, std::string* value) {
  const OptionSpec& kept = Keep(std::move(spec), false, false);
  Configure(kept, parser_->app->add_option_function<std::string>(
                      NamesFor(kept), [value](const std::string& given) { *value = given; }));
}

void CommandLine::AddValue(OptionSpec spec, std::optional<std::string>* value) {
  const OptionSpec& kept = Keep(std::move(spec), false, false);
  Configure(kept, parser_->app->add_option_function<std::string>(
                      NamesFor(kept), [value](const std::string& given) { *value = given; }));
}

void CommandLine::AddValues(OptionSpec spec, std::vector<std::string>* values) {
  const OptionSpec& kept = Keep(std::move(spec), false, true);
  CLI::Option* option = parser_->app->add_option(NamesFor(kept), *values);
  TakeOneEach(option);
  Configure(kept, option);
}

void CommandLine::AddArgument(OptionSpec spec, std::string* value) {
  const OptionSpec& kept = Keep(std::move(spec), true, false);
  Configure(kept, parser_->app->add_option(kept.name, *value));
}

void CommandLine::AddArguments(OptionSpec spec, std::vector<std::string>* values) {
  const OptionSpec& kept = Keep(std::move(spec), true, true);
  Configure(kept, parser_->app->add_option(kept.name, *values));
}

CommandLine* CommandLine::AddSubcommand(const std::string& name, std::string summary) {
  auto parser = std::make_unique<Parser>();
  parser->app = parser_->app->add_subcommand(name, summary);
  // Flags of the command above (--config, --output) may come after, too.
  parser->app->fallthrough();
  parser_->app->require_subcommand(needs_subcommand_ ? 1 : 0, 1);
  subcommands_.push_back(std::unique_ptr<CommandLine>(
      new CommandLine(StrCat(program_, " ", name), std::move(summary), std::move(parser))));
  return subcommands_.back().get();
}

void CommandLine::RequireSubcommand() {
  needs_subcommand_ = true;
  parser_->app->require_subcommand(1, 1);
}

CommandLine* CommandLine::chosen() {
  for (const auto& subcommand : subcommands_)
    if (subcommand->parser_->app->parsed()) return subcommand->chosen();
  return this;
}

absl::Status CommandLine::Unexpected(const std::string& argument) const {
  std::vector<std::string> candidates;
  const bool is_flag = argument.starts_with('-');
  if (is_flag) {
    for (const OptionSpec& option : options_)
      if (!option.positional) candidates.push_back(option.name);
  } else {
    for (const auto& subcommand : subcommands_) candidates.emplace_back(subcommand->name());
  }
  const std::string nearest = Nearest(argument.substr(0, argument.find('=')), candidates);
  return absl::InvalidArgumentError(
      StrCat(path(), ": ", argument, ": ", is_flag ? "no such flag" : "unexpected argument",
             nearest.empty() ? "" : StrCat("; did you mean ", nearest, "?"), " (see ", program_,
             " --help)"));
}

absl::Status CommandLine::Parse(const std::vector<std::string>& args) {
  std::vector<std::string> reversed(args.rbegin(), args.rend());
  try {
    parser_->app->parse(std::move(reversed));
  } catch (const CLI::CallForHelp&) {
    chosen()->help_requested_ = true;
    help_requested_ = true;
  } catch (const CLI::ExtrasError&) {
    const std::vector<std::string> rest = parser_->app->remaining(/*recurse=*/true);
    const auto flag = std::find_if(rest.begin(), rest.end(),
                                   [](const std::string& word) { return word.starts_with('-'); });
    const std::string word = flag != rest.end() ? *flag : rest.empty() ? "" : rest.front();
    return chosen()->Unexpected(word);
  } catch (const CLI::RequiredError& error) {
    return absl::InvalidArgumentError(
        StrCat(chosen()->path(), ": ", error.what(), " (see ", chosen()->program_, " --help)"));
  } catch (const CLI::Error& error) {
    return absl::InvalidArgumentError(StrCat(chosen()->path(), ": ", error.what()));
  }
  return absl::OkStatus();
}

}  // namespace dragnet::console
