// A fleet's part of a site package.
#pragma once

#include "console/package/site_config.h"
#include "console/testing/certificates.h"
#include "core/testing.h"

namespace dragnet::console::testing {

inline SiteConfig TestSite() {
  static const dragnet::testing::Fleet fleet;
  static const TestCa ca;
  SiteConfig site;
  site.fleet_id = fleet.id;
  site.schedulers = {"dragnet.example.org:7443"};
  site.ca_certificates = ca.pem();
  std::vector<PublicKey> keys;
  for (const PrivateKey& root : fleet.roots) keys.push_back(root.public_key());
  site.root_keys = *RootSet::Create(std::move(keys), 2);
  site.token = std::string(64, 'a');
  return site;
}

}  // namespace dragnet::console::testing
