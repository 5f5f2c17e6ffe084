// One reader for each kind of thing that starts by itself: it reads the files of
// its kind and adds what they say. Each belongs to one thread.
#pragma once

#include "modules/persistence/finding.h"
#include "modules/persistence/host.h"

namespace dragnet::persistence {

// systemd.cc
void ReadSystemd(Host& host, Findings& findings);
void ReadSystemdGenerators(Host& host, Findings& findings);
// cron.cc
void ReadCron(Host& host, Findings& findings);
void ReadAt(Host& host, Findings& findings);
// init.cc
void ReadInit(Host& host, Findings& findings);
// loader.cc
void ReadPreload(Host& host, Findings& findings);
void ReadLoaderPath(Host& host, Findings& findings);
// kernel_modules.cc
void ReadKernelModules(Host& host, Findings& findings);
// udev.cc
void ReadUdev(Host& host, Findings& findings);
// pam.cc
void ReadPam(Host& host, Findings& findings);
// shell.cc
void ReadShellProfiles(Host& host, Findings& findings);
// ssh.cc
void ReadSsh(Host& host, Findings& findings);
// hooks.cc
void ReadMotd(Host& host, Findings& findings);
void ReadNetworkHooks(Host& host, Findings& findings);
void ReadPackageHooks(Host& host, Findings& findings);
void ReadAutostart(Host& host, Findings& findings);

// The scripts in a directory whose files are run one after the other, each enabled
// when it may be executed. `more` has what they have in common.
void AddScripts(Host& host, Findings& findings, const std::string& directory, Finding more);

// A file whose name says that a package manager or an editor put it aside.
bool IsPutAside(std::string_view name);

}  // namespace dragnet::persistence
