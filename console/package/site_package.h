// The vendor's package of the agent and a fleet's files, made one package. Its name stays
// dragnet-agent, so that it replaces the vendor's and is replaced by it: a version of the
// vendor's, then "site" and the second it was made (UTC), which is above the vendor's same
// version and below its next one for dpkg and for rpm (docs/decisions.md).
//
// Thread-safe: no state.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "console/client/config.h"
#include "console/package/archive.h"
#include "console/package/site_config.h"

namespace dragnet::console {

// "site20261129140000".
std::string SiteSuffix(absl::Time made);

// "0.1.0+site20261129140000", of an rpm "0.1.0-1.site20261129140000".
std::string SiteVersion(const Package& vendor, absl::Time made);
// "dragnet-agent_0.1.0+site20261129140000_amd64.deb"
std::string SiteFileName(const Package& vendor, absl::Time made);

// InvalidArgument: `vendor` isn't a package of the agent, of another kind than asked for, or
// already a site package.
absl::Status CheckVendor(const Package& vendor, PackageKind kind);

// All that a Make… would refuse, without making anything: for who needs a token for it first.
absl::Status CheckSitePackage(PackageKind kind, const Package& vendor, const SiteConfig& site,
                              const Environment& environment);

// The bytes of the package, which hold the token. Same inputs, same bytes.
absl::StatusOr<std::string> MakeSiteDeb(const Package& vendor, const SiteConfig& site,
                                        absl::Time made);
absl::StatusOr<std::string> MakeSiteTar(const Package& vendor, const SiteConfig& site,
                                        absl::Time made);
// By rpmbuild, in a directory of its own that only this user can read and that is gone
// afterwards. FailedPrecondition: there is no rpmbuild; says what to install.
absl::StatusOr<std::string> MakeSiteRpm(const Package& vendor, const SiteConfig& site,
                                        absl::Time made, const Environment& environment);

// Parts of CheckSitePackage, of one kind each.
absl::Status CheckTar(const Package& vendor);
absl::Status CheckRpm(const Package& vendor, const SiteConfig& site,
                      const Environment& environment);

}  // namespace dragnet::console
