dragnet_test(differential_pkg pkg_test.cc DEPS dragnet_module_pkg dragnet_modules TIMEOUT 300)
