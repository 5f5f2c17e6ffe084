// Which of two versions is the older one, by the rules of who gave them out:
// each packager orders versions in its own way, and "1.0~rc1" or "1.0_p1" means
// something only by those rules.
//
// All return a negative number, 0 or a positive number when `a` is older than,
// as old as, or newer than `b`. Any bytes are taken (a database may be hostile):
// what is no version compares in some fixed order, in linear time, without
// allocating more than its own size. Thread-safe: no state.
#pragma once

#include <string_view>

namespace dragnet::pkg {

// Debian: [epoch:]upstream[-revision], as Debian policy 5.6.12 says: ~ sorts
// before everything, even the end; no revision is revision 0; no epoch is 0.
int CompareDpkg(std::string_view a, std::string_view b);

// RPM: [epoch:]version[-release]. No epoch is 0. As in RPM's dependencies, a
// version without a release is as old as any release of that version.
int CompareRpm(std::string_view a, std::string_view b);

// RPM's ordering of one version or release alone: ~ sorts before the end, ^
// after the end and before all else; what is neither letter nor digit only
// separates.
int CompareRpmSegment(std::string_view a, std::string_view b);

// Alpine: digits{.digits}[letter]{_suffix[digits]}[~commit][-rN]. The suffixes
// alpha, beta, pre and rc sort before the end, in this order; cvs, svn, git, hg
// and p after it.
int CompareApk(std::string_view a, std::string_view b);

// Semantic versions (https://semver.org, section 11), of Node's packages and
// Go's modules: a leading v is passed over, build metadata ignored.
int CompareSemantic(std::string_view a, std::string_view b);

// Python: PEP 440. What isn't of its form is older than everything that is.
int ComparePython(std::string_view a, std::string_view b);

// Whether it is a version in the strict sense of its kind: what an investigator
// writes must be, lest a slip finds nothing.
bool IsDpkgVersion(std::string_view version);
bool IsRpmVersion(std::string_view version);
bool IsApkVersion(std::string_view version);

}  // namespace dragnet::pkg
