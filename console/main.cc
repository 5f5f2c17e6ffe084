// dragnet: the investigator's program.
#include <unistd.h>

#include "console/cli/app.h"
#include "console/client/client.h"
#include "console/output/sink.h"
#include "modules/mig.h"
#include "modules/module.h"

int main(int argc, char** argv) {
  dragnet::console::InitializeProcess();
  dragnet::console::FdSink out(STDOUT_FILENO, "standard output");
  dragnet::console::FdSink err(STDERR_FILENO, "standard error");
  dragnet::console::Io io = dragnet::console::ProcessIo(&out, &err);
  const dragnet::console::ModuleCatalog modules{dragnet::AllModules(), dragnet::ModuleDescriptorSet,
                                                dragnet::AllMigModules()};
  return dragnet::console::RunDragnet({argv + 1, argv + argc}, io, modules);
}
